using Spectre.Console;

namespace JepaT.Lab;

/// <summary>The copy of <c>./lab runs push</c>, <c>pull</c> and <c>merge</c>: opens the stores, shows how far it is, sums up.</summary>
internal static class RunsCopyWork
{
    private const int ProblemsShown = 20;

    /// <summary>Copies one store after the other into a target; 0, or a one-line error when something could not be copied.</summary>
    public static int Copy(IReadOnlyList<string> from, string to, RunsCopySettings settings)
    {
        using var stop = new StopSignal("what is copied stays, the same command goes on");
        var output = AnsiConsole.Console.Profile.Out.Writer;
        var (total, name) = (new CopyReport(), to);
        var sources = new List<ITrackingStore>();
        try
        {
            foreach (var uri in from) sources.Add(TrackingStores.Open(uri, readOnly: true));       // all of them first: a wrong name makes no database
            using var target = OpenTarget(to, settings.DryRun);
            name = target?.Uri ?? to;                  // without a password
            using var held = target is null || settings.DryRun ? null : CopyLock.Take(target);
            foreach (var source in sources) total.Add(Copy(source, target, settings, stop.Token));
        }
        finally
        {
            foreach (var source in sources) source.Dispose();
        }
        foreach (var problem in total.Problems.Take(ProblemsShown)) Console.Error.WriteLine($"warning: {problem.ReplaceLineEndings(" ")}");
        output.WriteLine($"{(settings.DryRun ? "would copy" : "copied")} to {name}: {total}");
        return total.Problems.Count == 0 ? 0 : throw new UserException(
            $"{total.Problems.Count} things could not be copied, as the warnings above say{(total.Problems.Count > ProblemsShown ? $" of the first {ProblemsShown}" : "")}: mend them, and the same command copies the rest");
    }

    /// <summary>A store as people name it: a tracking URI, a database file, or the folder with its mlflow.db.</summary>
    public static string UriOf(string named)
    {
        if (named.Contains("://", StringComparison.Ordinal) || named.StartsWith("sqlite:", StringComparison.OrdinalIgnoreCase)) return named;
        return "sqlite:///" + Path.GetFullPath(Directory.Exists(named) || Path.EndsInDirectorySeparator(named) ? Path.Combine(named, "mlflow.db") : named);
    }

    /// <summary>The store that MLFLOW_TRACKING_URI names, for an option that was not given.</summary>
    public static string FromEnvironment(string option, string example) => Environment.GetEnvironmentVariable("MLFLOW_TRACKING_URI") is { Length: > 0 } uri ? uri
        : throw new UserException($"{option} is missing and MLFLOW_TRACKING_URI is not set: name the server, e.g. {option} {example}");

    private static CopyReport Copy(ITrackingStore source, ITrackingStore? target, RunsCopySettings settings, CancellationToken stop)
    {
        var copy = new StoreCopy(source, target, settings.Options(), stop);
        CopyPlan plan;
        using (var looking = new ProgressOfPlan($"comparing {source.Uri}")) plan = copy.Plan(looking.Report);
        if (settings.DryRun) return plan.Report;
        using var progress = new Progress($"copying {source.Uri}", plan.Bytes / 1000, "kB");
        return copy.Copy(plan, (bytes, run) => progress.Report(bytes / 1000, run));
    }

    /// <summary>The target; null for a dry run to a database that there is none of yet.</summary>
    private static ITrackingStore? OpenTarget(string uri, bool dryRun) =>
        dryRun && !TrackingStores.IsThere(uri) ? null : TrackingStores.Open(uri, readOnly: dryRun);

    private sealed class ProgressOfPlan(string title) : IDisposable
    {
        private Progress? progress;

        public void Report(int done, int total) => (progress ??= new Progress(title, total, "runs")).Report(done);

        public void Dispose() => progress?.Dispose();
    }
}
