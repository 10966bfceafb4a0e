using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs list</c>, also <c>./lab runs</c>: what is in a store, and how to look at it in MLflow.</summary>
[Description("List the tracked runs, and how to open MLflow on them.")]
public sealed class RunsListCommand : Command<RunsListCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsSettings
    {
        [CommandOption("--experiment <NAME>")]
        [Description("Only the runs of this experiment.")]
        public string? Experiment { get; init; }

        [CommandOption("--max <N>")]
        [Description("At most so many runs; by default 100.")]
        [DefaultValue(100)]
        public int Max { get; init; } = 100;

        public override ValidationResult Validate() =>
            Max is < 1 or > 100_000 ? ValidationResult.Error($"--max {Max}: give 1 to 100000") : ValidationResult.Success();
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        List(store, settings.Experiment, settings.Max, AnsiConsole.Console, TimeProvider.System);
        return 0;
    }

    internal static void List(ITrackingStore store, string? experiment, int max, IAnsiConsole console, TimeProvider clock)
    {
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = 250;       // a line a run, for grep and cut
        var experiments = store.Experiments();
        var chosen = experiment is null ? null : experiments.FirstOrDefault(e => e.Name == experiment)
            ?? throw new UserException($"there is no experiment '{experiment}' in {store.Uri}: there are {string.Join(", ", experiments.Select(e => $"'{e.Name}'"))}");
        var names = experiments.ToDictionary(e => e.Id, e => e.Name);
        var runs = store.SearchRuns(new RunQuery { ExperimentId = chosen?.Id, MaxResults = max }).Where(r => names.ContainsKey(r.Info.ExperimentId)).ToList();

        var table = new Table().Border(TableBorder.Simple).AddColumns("Experiment", "Run", "Status", "Started", "Duration", "Metrics", "Id");
        foreach (var (run, depth) in Nested(runs))
            table.AddRow(new[]
            {
                names[run.Info.ExperimentId],
                string.Concat(Enumerable.Repeat("  ", depth)) + run.Info.Name,
                run.Info.Status.ToString().ToUpperInvariant(),
                DateTimeOffset.FromUnixTimeMilliseconds(run.Info.StartTime).ToOffset(clock.LocalTimeZone.GetUtcOffset(clock.GetUtcNow())).ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
                Progress.Duration(TimeSpan.FromMilliseconds((run.Info.EndTime ?? clock.GetUtcNow().ToUnixTimeMilliseconds()) - run.Info.StartTime)),
                Headline(run),
                run.Info.RunId[..8],
            }.Select(Markup.Escape).ToArray());
        if (runs.Count > 0) console.Write(table);
        else console.WriteLine($"no runs in {store.Uri}");

        var id = chosen?.Id ?? runs.FirstOrDefault()?.Info.ExperimentId ?? "0";
        foreach (var line in HowToOpen(store, id)) console.Profile.Out.Writer.WriteLine(line);     // never wrapped: it is to be copied
    }

    /// <summary>Runs newest first, each with its children, newest first, below it.</summary>
    private static IEnumerable<(Run Run, int Depth)> Nested(List<Run> runs)
    {
        var ids = runs.Select(r => r.Info.RunId).ToHashSet();
        var children = runs.ToLookup(r => r.Tags.TryGetValue("mlflow.parentRunId", out var parent) && parent != r.Info.RunId && ids.Contains(parent) ? parent : "");
        return Below("", 0);

        IEnumerable<(Run, int)> Below(string parent, int depth) =>
            children[parent].SelectMany(run => Below(run.Info.RunId, depth + 1).Prepend((run, depth)));
    }

    /// <summary>The final figures: metrics of the section eval when there are, else the loss.</summary>
    private static string Headline(Run run)
    {
        var metrics = run.Metrics.Values.Where(m => m.Key.StartsWith("eval/", StringComparison.Ordinal)).Take(4).ToList();
        if (metrics.Count == 0) metrics = run.Metrics.Values.Where(m => !m.Key.StartsWith("system/", StringComparison.Ordinal) && m.Key.EndsWith("loss", StringComparison.Ordinal)).Take(1).ToList();
        return string.Join(", ", metrics.Select(m => $"{m.Key[(m.Key.LastIndexOf('/') + 1)..]} {m.Value.ToString("G4", CultureInfo.InvariantCulture)}"));
    }

    private static IEnumerable<string> HowToOpen(ITrackingStore store, string experimentId)
    {
        if (store is not SqliteStore local)
        {
            yield return $"To look at them: {store.Uri}/#/experiments/{experimentId}/runs?workflowType=machine_learning";
            yield break;
        }
        var name = Path.GetFileName(local.File);
        // A plain `mlflow server` finds mlflow.db by itself, unless there is an old mlruns folder, which it prefers and then refuses.
        var plain = name == "mlflow.db" && !Directory.Exists(Path.Combine(local.Folder, "mlruns"));
        yield return $"To look at them in MLflow (pip install mlflow): ./lab ui {(name == "mlflow.db" ? local.Folder : local.File)}";
        yield return "It copies the database before MLflow upgrades it. By hand:";
        yield return $"  cd {local.Folder} && mlflow server{(plain ? "" : $" --backend-store-uri sqlite:///{name}")}";
        yield return $"  http://127.0.0.1:5000/#/experiments/{experimentId}/runs?workflowType=machine_learning";
        yield return $"The first start of a newer MLflow upgrades {name}, and one that is killed meanwhile can spoil it: copy the file before.";
    }
}
