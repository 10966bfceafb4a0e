namespace JepaT.Lab;

/// <summary>Runs beside each other: their latest metrics with the best marked, and the params in which they differ.</summary>
internal sealed class RunComparison
{
    private static readonly string[] Families = ["fid", "is", "alignment", "kid", "precision", "recall", "alignment-part"];

    public RunComparison(RunSet runs)
    {
        Runs = runs;
        Metrics = [.. Order(runs.Metrics.Where(m => LoggedRun.Rank(m) < 2))];
        Best = [.. Metrics.Select(m => BestOf(runs, m.Key, m.Better))];
    }

    public RunSet Runs { get; }

    /// <summary>All metrics but those of the machine, see <see cref="Order"/>.</summary>
    public IReadOnlyList<MetricName> Metrics { get; }

    /// <summary>For each metric the runs that are best in it: none where no two values differ or none is better.</summary>
    private IReadOnlyList<IReadOnlySet<LoggedRun>> Best { get; }

    public bool IsBest(LoggedRun run, int metric) => Best[metric].Contains(run);

    /// <summary>A value as it is read; "–" where the run has none.</summary>
    public string Text(LoggedRun run, int metric) =>
        run.Run.Metrics.TryGetValue(Metrics[metric].Key, out var value) ? Metrics[metric].Format(value.Value) : "–";

    /// <summary>Whether a value can win: no NaN, no infinity, nor the largest double, as which MLflow keeps an infinity.</summary>
    public static bool Counts(double value) => double.IsFinite(value) && Math.Abs(value) < double.MaxValue;

    /// <summary>The runs that have a value of a metric that counts, the best first.</summary>
    public static IReadOnlyList<LoggedRun> Ranked(IEnumerable<LoggedRun> runs, string metric, Better better)
    {
        var valued = runs.Where(r => Counts(r.Metric(metric)));
        return [.. better == Better.Lower ? valued.OrderBy(r => r.Metric(metric)) : valued.OrderByDescending(r => r.Metric(metric))];
    }

    /// <summary>Metrics as they are shown: evaluations first, FID and IS before all, those that are none of ours last.</summary>
    public static IEnumerable<MetricName> Order(IEnumerable<string> metrics) => metrics.Select(MetricName.Of).OrderBy(m => LoggedRun.Rank(m.Key))
        .ThenBy(m => Array.IndexOf(Families, m.Family) is >= 0 and var at ? at : Families.Length).ThenBy(m => m.Key, StringComparer.Ordinal);

    private static HashSet<LoggedRun> BestOf(RunSet runs, string metric, Better better)
    {
        if (better == Better.Neither || Ranked(runs, metric, better) is not [var first, .., var last] ranked || first.Metric(metric) == last.Metric(metric)) return [];
        return [.. ranked.TakeWhile(r => r.Metric(metric) == first.Metric(metric))];
    }
}
