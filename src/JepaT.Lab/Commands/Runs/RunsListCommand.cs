using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs list</c>, also <c>./lab runs</c>: what is in a store, and how to look at it in MLflow.</summary>
[Description("List the tracked runs, and how to open MLflow on them.")]
public sealed class RunsListCommand : Command<RunsListCommand.Settings>
{
    private const int DefaultMax = 100;

    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsSearchSettings;

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        List(store, settings, AnsiConsole.Console, Console.Error, TimeProvider.System);
        return 0;
    }

    /// <param name="store">The store.</param>
    /// <param name="settings">Which runs.</param>
    /// <param name="console">Where the runs go.</param>
    /// <param name="hints">Where it is said how to see more, when the runs go into a pipe.</param>
    /// <param name="clock">For the duration of runs that go on, and the local time.</param>
    internal static void List(ITrackingStore store, Settings settings, IAnsiConsole console, TextWriter hints, TimeProvider clock)
    {
        var terminal = console.Profile.Out.IsTerminal;
        if (terminal) hints = console.Profile.Out.Writer;
        var max = settings.Max ?? DefaultMax;
        var found = settings.Search(store, Math.Min(max + 1, MlflowRules.MaxResults));      // one more tells whether there are more
        var runs = found.Take(max).ToList();

        var table = new OutputTable("Experiment", "Run", "Status", "Started", "Duration", "Metrics", "Id");
        foreach (var (run, depth) in settings.OrderBy.Length > 0 ? runs.Select(r => (r, 0)) : Nested(runs))
            table.Add([
                run.Experiment,
                string.Concat(Enumerable.Repeat("  ", depth)) + run.Name,
                run.Run.Info.Status.ToString().ToUpperInvariant(),
                PlainText.Instant(run.Run.Info.StartTime).ToOffset(clock.LocalTimeZone.GetUtcOffset(clock.GetUtcNow())).ToString(terminal ? "yyyy-MM-dd HH:mm" : "yyyy-MM-ddTHH:mm:sszzz", CultureInfo.InvariantCulture),
                Progress.Duration(TimeSpan.FromMilliseconds((run.Run.Info.EndTime ?? clock.GetUtcNow().ToUnixTimeMilliseconds()) - run.Run.Info.StartTime)),
                Headline(run.Run),
                terminal ? run.ShortId : run.Id]);
        if (runs.Count > 0) table.Write(console);
        else hints.WriteLine($"no runs in {store.Uri}{(settings.Filter is null ? "" : " that the filter lets through")}");
        if (found.Count > runs.Count) hints.WriteLine($"These are the first {max}: --max N shows more.");

        var id = runs.FirstOrDefault()?.Run.Info.ExperimentId ?? store.Experiments().FirstOrDefault(e => e.Name == settings.Experiment)?.Id ?? "0";
        foreach (var line in HowToOpen(store, id)) hints.WriteLine(line);      // never wrapped: it is to be copied
    }

    /// <summary>Runs newest first, each with its children, newest first, below it.</summary>
    private static IEnumerable<(LoggedRun Run, int Depth)> Nested(List<LoggedRun> runs)
    {
        var ids = runs.Select(r => r.Id).ToHashSet();
        var children = runs.ToLookup(r => r.Run.Tags.TryGetValue("mlflow.parentRunId", out var parent) && parent != r.Id && ids.Contains(parent) ? parent : "");
        var shown = new HashSet<string>();
        // Runs that are each other's parents, which a foreign store may hold, hang below nothing: they come last.
        return Below("", 0).Concat(runs.Where(r => !shown.Contains(r.Id)).Select(r => (r, 0)));

        IEnumerable<(LoggedRun, int)> Below(string parent, int depth) => children[parent].SelectMany(run =>
        {
            shown.Add(run.Id);
            return Below(run.Id, depth + 1).Prepend((run, depth));
        });
    }

    /// <summary>The final figures: those of evaluations when there are, else the first loss.</summary>
    private static string Headline(Run run)
    {
        var known = RunComparison.Order(run.Metrics.Keys.Where(k => LoggedRun.Rank(k) < 2)).Where(m => m.Better != Better.Neither).ToList();
        var shown = known.Where(m => LoggedRun.Rank(m.Key) == 0).Take(4).ToList() is { Count: > 0 } evaluated ? evaluated : known.Take(1);
        return string.Join(", ", shown.Select(m => $"{m.Key[(m.Key.LastIndexOf('/') + 1)..]} {run.Metrics[m.Key].Value.ToString("G4", CultureInfo.InvariantCulture)}"));
    }

    private static IEnumerable<string> HowToOpen(ITrackingStore store, string experimentId)
    {
        if (store is not SqliteStore local)
        {
            yield return $"To look at them: {MlflowPages.Runs(store.Uri, experimentId)}";
            yield break;
        }
        var name = Path.GetFileName(local.File);
        // A plain `mlflow server` finds mlflow.db by itself, unless there is an old mlruns folder, which it prefers and then refuses.
        var plain = name == "mlflow.db" && !Directory.Exists(Path.Combine(local.Folder, "mlruns"));
        yield return $"To look at them in MLflow (pip install mlflow): ./lab ui {(name == "mlflow.db" ? local.Folder : local.File)}";
        yield return "It copies the database before MLflow upgrades it. By hand:";
        yield return $"  cd {local.Folder} && mlflow server{(plain ? "" : $" --backend-store-uri sqlite:///{name}")}";
        yield return $"  {MlflowPages.Runs("http://127.0.0.1:5000", experimentId)}";
        yield return $"The first start of a newer MLflow upgrades {name}, and one that is killed meanwhile can spoil it: copy the file before.";
    }
}
