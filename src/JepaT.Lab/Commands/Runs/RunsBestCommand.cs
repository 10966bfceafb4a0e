using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs best</c>: the runs that are best in a metric.</summary>
[Description("Show the runs that are best in a metric, the best first.")]
public sealed class RunsBestCommand : Command<RunsBestCommand.Settings>
{
    private const int DefaultMax = 10;

    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsSearchSettings
    {
        [CommandArgument(0, "<METRIC>")]
        [Description("The metric's name in the store, e.g. eval/fid_fashion_1k; its latest value counts.")]
        public required string Metric { get; init; }

        [CommandOption("--lowest")]
        [Description("Lower is better, whatever the metric's name says.")]
        public bool Lowest { get; init; }

        [CommandOption("--highest")]
        [Description("Higher is better, whatever the metric's name says.")]
        public bool Highest { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate() =>
            Lowest && Highest ? ValidationResult.Error("--lowest and --highest: give one of the two")
            : OrderBy.Length > 0 ? ValidationResult.Error("--order-by: the metric gives the order here, leave it out")
            : base.Validate();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        Best(store, settings, AnsiConsole.Console);
        return 0;
    }

    internal static void Best(ITrackingStore store, Settings settings, IAnsiConsole console)
    {
        var (metric, shown) = (MetricName.Of(settings.Metric), PlainText.Line(settings.Metric));
        var better = settings.Lowest ? Better.Lower : settings.Highest ? Better.Higher : metric.Better;
        if (better == Better.Neither) throw new UserException($"'{shown}' does not tell whether lower or higher is better: add --lowest or --highest");
        var runs = settings.Search(store, MlflowRules.MaxResults);
        var ranked = RunComparison.Ranked(runs, metric.Key, better);
        if (ranked.Count == 0)
            throw new UserException(runs.Any(r => r.Run.Metrics.ContainsKey(metric.Key)) ? $"'{shown}' is NaN or infinite in every run that has it"
                : runs.Count == 0 ? $"no runs in {store.Uri} to choose from: ./lab runs list shows those that are there"
                : $"none of these {runs.Count} runs has the metric '{shown}'{(runs.Metrics.Count > 0 ? $"; the nearest one is '{PlainText.Line(Nearest.To(metric.Key, runs.Metrics))}'" : "")}");

        var terminal = console.Profile.Out.IsTerminal;
        var table = new OutputTable(metric.Key, "Step", "Experiment", "Run", "Status", "Id");
        foreach (var run in ranked.Take(settings.Max ?? DefaultMax))
            table.Add([
                terminal ? metric.Format(run.Metric(metric.Key)) : PlainText.Number(run.Metric(metric.Key)),
                run.Run.Metrics[metric.Key].Step.ToString(CultureInfo.InvariantCulture),
                run.Experiment, run.Name, run.Run.Info.Status.ToString().ToUpperInvariant(), terminal ? run.ShortId : run.Id]);
        table.Write(console);
    }
}
