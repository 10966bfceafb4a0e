using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>What the commands of <c>./lab runs</c> that read one store have in common.</summary>
public abstract class RunsSettings : CommandSettings
{
    /// <summary>The store; null: see <see cref="TrackingStores.UriOf"/>.</summary>
    [CommandOption("--uri <URI>")]
    [Description("MLflow store: sqlite:///FILE or http(s)://SERVER; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.")]
    public string? Uri { get; init; }
}

/// <summary>Which runs are meant: those of an experiment, or those that a filter in MLflow's language lets through.</summary>
public abstract class RunsSearchSettings : RunsSettings
{
    /// <summary>Name of an experiment; null: all.</summary>
    [CommandOption("--experiment <NAME>")]
    [Description("Only the runs of this experiment.")]
    public string? Experiment { get; init; }

    /// <summary>A filter in MLflow's language; null: all.</summary>
    [CommandOption("--filter <FILTER>")]
    [Description("In MLflow's language: \"metrics.`eval/fid_fashion_1k` < 10 AND params.fusion = 'late'\".")]
    public string? Filter { get; init; }

    /// <summary>Orders in MLflow's language.</summary>
    [CommandOption("--order-by <ORDER>")]
    [Description("In MLflow's language: \"metrics.loss ASC\"; may be repeated; by default the latest start first.")]
    public string[] OrderBy { get; init; } = [];

    /// <summary>How many runs at most; null: the command's default.</summary>
    [CommandOption("--max <N>")]
    [Description("At most so many runs.")]
    public int? Max { get; init; }

    /// <inheritdoc/>
    public override ValidationResult Validate() =>
        Max is < 1 or > MlflowRules.MaxResults ? ValidationResult.Error($"--max {Max}: give 1 to {MlflowRules.MaxResults}") : ValidationResult.Success();

    /// <summary>The runs that the options mean.</summary>
    internal RunSet Search(ITrackingStore store, int max) => RunSet.Read(store, Experiment, max, Filter, OrderBy);
}

/// <summary>Which runs are meant: named ones, or those that the search finds.</summary>
public abstract class NamedRunsSettings : RunsSearchSettings
{
    internal const string RunsHelp = "Runs by id, by the beginning of an id (4 digits or more) or by name; without any those that the options find.";

    /// <summary>Ids, unique beginnings of ids, or unique names.</summary>
    internal abstract IReadOnlyList<string> Named { get; }

    /// <inheritdoc/>
    public override ValidationResult Validate() =>
        Named.Count > 0 && (Filter is not null || OrderBy.Length > 0 || Max is not null)
            ? ValidationResult.Error($"--{(Filter is not null ? "filter" : OrderBy.Length > 0 ? "order-by" : "max")} searches for runs, but '{PlainText.Line(Named[0])}' names one: leave one of the two out")
            : base.Validate();

    /// <summary>The named runs, or those that the options find.</summary>
    /// <exception cref="UserException">A name is unknown or ambiguous, or nothing is found.</exception>
    internal RunSet Find(ITrackingStore store)
    {
        if (Named.Count > 0) return RunLookup.Find(store, Named, Experiment);
        var found = Search(store, Max ?? MlflowRules.MaxResults);
        return found.Count > 0 ? found : throw new UserException(
            $"no runs in {store.Uri}{(Experiment is null ? "" : $", experiment '{PlainText.Line(Experiment)}'")}{(Filter is null ? "" : ", that the filter lets through")}: ./lab runs list shows those that are there");
    }
}
