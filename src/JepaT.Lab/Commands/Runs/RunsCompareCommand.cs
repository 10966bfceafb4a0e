using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs compare</c>: metrics of runs beside each other, and the params in which they differ.</summary>
[Description("Compare runs: metrics with the best marked, and the params that differ.")]
public sealed class RunsCompareCommand : Command<RunsCompareCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : NamedRunsSettings
    {
        [CommandArgument(0, "[RUN]")]
        [Description(RunsHelp)]
        public string[] Runs { get; init; } = [];

        internal override IReadOnlyList<string> Named => Runs;
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        Compare(settings.Find(store), AnsiConsole.Console);
        return 0;
    }

    internal static void Compare(RunSet runs, IAnsiConsole console)
    {
        if (runs.Count < 2) throw new UserException($"there is only one run to compare, '{PlainText.Line(runs[0].Name)}': name another one, or filter less");
        var comparison = new RunComparison(runs);
        if (console.Profile.Out.IsTerminal) Columns(comparison, console);
        else Lines(comparison, console);
    }

    // For people: a column a run, what is compared downwards; the best is green, bold and, without colours, starred.
    private static void Columns(RunComparison comparison, IAnsiConsole console)
    {
        var runs = comparison.Runs;
        var names = runs.Select(r => runs.Count(other => other.Name == r.Name) > 1 ? $"{r.Name} ({r.ShortId})" : r.Name).ToList();
        var table = new OutputTable(["Metric", .. names]);
        for (var m = 0; m < comparison.Metrics.Count; m++)
        {
            var best = Enumerable.Range(0, runs.Count).Where(r => comparison.IsBest(runs[r], m)).Select(r => r + 1).ToHashSet();
            table.Add([comparison.Metrics[m].HeadingWithArrow, .. runs.Select((r, i) => comparison.Text(r, m) + (best.Contains(i + 1) ? " *" : ""))], best);
        }
        if (comparison.Metrics.Count > 0) table.Write(console);
        else console.WriteLine("none of these runs has a metric");
        var differences = new OutputTable(["Param that differs", .. names]);
        foreach (var param in runs.DifferentParams) differences.Add([param, .. runs.Select(r => r.Run.Params.GetValueOrDefault(param, "–"))]);
        if (runs.DifferentParams.Count > 0) differences.Write(console);
        else console.WriteLine("their params are the same");
    }

    // For programs: a line a run, full values, and a last column with the metrics in which it is the best.
    private static void Lines(RunComparison comparison, IAnsiConsole console)
    {
        var runs = comparison.Runs;
        var table = new OutputTable([
            "run", "id", .. comparison.Metrics.Select(m => m.Key), .. runs.DifferentParams.Select(p => $"params.{p}"), "best"]);
        foreach (var run in runs)
            table.Add([
                run.Name, run.Id,
                .. comparison.Metrics.Select(m => run.Run.Metrics.TryGetValue(m.Key, out var value) ? PlainText.Number(value.Value) : ""),
                .. runs.DifferentParams.Select(run.Param),
                string.Join(", ", comparison.Metrics.Where((_, m) => comparison.IsBest(run, m)).Select(m => m.Key))]);
        table.Write(console);
    }
}
