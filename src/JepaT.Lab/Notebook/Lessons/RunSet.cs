using System.Collections;

namespace JepaT.Lab;

/// <summary>Runs of a tracking store, newest first: filtered, compared, put back into the ablation's table from their logged values alone.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class RunSet : IReadOnlyList<LoggedRun>
{
    private readonly IReadOnlyList<LoggedRun> runs;

    private RunSet(IReadOnlyList<LoggedRun> runs) => this.runs = runs;

    /// <inheritdoc/>
    public int Count => runs.Count;

    /// <inheritdoc/>
    public LoggedRun this[int index] => index >= 0 && index < runs.Count ? runs[index]
        : throw new UserException(runs.Count == 0 ? "there are no runs here: train something first, or filter less" : $"there is no run {index}: there are {runs.Count}, counted from 0");

    /// <summary>Those that came to their end.</summary>
    public RunSet Finished => Where(r => r.IsFinished);

    /// <summary>All params in which these runs differ, with their values.</summary>
    public View Differences
    {
        get
        {
            var names = runs.SelectMany(r => r.Run.Params.Keys).Distinct().Where(n => runs.Select(r => r.Param(n)).Distinct().Count() > 1).ToList();
            return names.Count == 0 ? new TextView("these runs have the same params") : View.Table(["run", .. names], runs.Select(r => (IReadOnlyList<string>)[r.Name, .. names.Select(r.Param)]));
        }
    }

    /// <summary>Opens a store: a tracking URI (<c>http://…</c> too), or the path of an mlflow.db; by default the one of the notebooks.</summary>
    /// <exception cref="UserException">There is none, or it cannot be read.</exception>
    public static RunSet Open(string? store = null)
    {
        var uri = string.IsNullOrEmpty(store) ? Study.StoreUri : store.Contains(':', StringComparison.Ordinal) && !Path.IsPathRooted(store) ? store : "sqlite:///" + Path.GetFullPath(store, NotebookFolder.Results);
        var opened = TrackingStores.Open(uri, readOnly: true);        // open as long as its runs are looked at
        var names = opened.Experiments().ToDictionary(e => e.Id, e => e.Name);
        return new([.. opened.SearchRuns(new RunQuery { MaxResults = MlflowRules.MaxResults }).Where(r => names.ContainsKey(r.Info.ExperimentId))
            .Select(r => new LoggedRun(opened, r, names[r.Info.ExperimentId]))]);
    }

    /// <summary>Those for which something holds.</summary>
    public RunSet Where(Func<LoggedRun, bool> holds) => new([.. runs.Where(holds)]);

    /// <summary>Those of an experiment.</summary>
    public RunSet OfExperiment(string name) => Where(r => r.Experiment == name);

    /// <summary>Those with a param of this value.</summary>
    public RunSet With(string param, string value) => Where(r => r.Param(param) == value);

    /// <summary>The curves of a metric, a line for each run.</summary>
    public ChartView Curves(string metric)
    {
        var name = MetricName.Parse(metric);
        var all = runs.Select(r => (r.Name, Points: r.Curve(metric))).Where(r => r.Points.Count > 0).ToList();
        var values = all.SelectMany(r => r.Points).Select(p => p.Value).Where(double.IsFinite).DefaultIfEmpty(1).ToList();
        var chart = new ChartView
        {
            YTitle = name?.HeadingWithArrow ?? metric,
            XTitle = "training step",
            Percent = name?.IsFraction == true,
            Log = name?.IsFraction != true && values.Min() > 0 && values.Max() / values.Min() > 5,
        };
        foreach (var (run, points) in all) chart.Add(new Series(run, [.. points.Select(p => (double)p.Step)], [.. points.Select(p => p.Value)]) { Markers = points.Count <= 40 });
        return chart;
    }

    /// <summary>
    /// The table of an ablation from logged values alone: fusion and seed from the params, the figures from the metrics of the last
    /// evaluation. It needs none of the files that the ablation wrote.
    /// </summary>
    /// <exception cref="UserException">No run here has an evaluation.</exception>
    public ResultTable Table() => ResultTable.Of(Ablation());

    internal AblationResult Ablation()
    {
        var trained = runs.Where(r => r.Param("fusion").Length > 0 && r.Run.Metrics.Keys.Any(k => k.StartsWith("eval/", StringComparison.Ordinal))).Reverse().ToList();
        if (trained.Count == 0) throw new UserException("none of these runs has a fusion and an evaluation: train some first, or filter less");
        return new AblationResult(trained[0].Experiment, [.. trained.Select(ResultOf)], [], "", "", "", DateTimeOffset.UnixEpoch, "");
    }

    private static RunResult ResultOf(LoggedRun run)
    {
        var final = run.Run.Metrics.Values.Where(m => m.Key.StartsWith("eval/", StringComparison.Ordinal)).ToDictionary(m => m.Key["eval/".Length..], m => m.Value);
        if (double.TryParse(run.Param("parameters.used"), System.Globalization.CultureInfo.InvariantCulture, out var used)) final["parameters"] = used;
        var speeds = run.Curve("train/images_per_second").Select(p => p.Value).Order().ToList();
        if (speeds.Count > 0) final["images_per_second"] = (speeds[(speeds.Count - 1) / 2] + speeds[speeds.Count / 2]) / 2;
        _ = int.TryParse(run.Param("seed"), out var seed);
        return new(run.Param("fusion"), seed, run.Run.Info.RunId, run.Run.Info.Status.ToString().ToUpperInvariant(), null, final, new Dictionary<string, IReadOnlyList<CurvePoint>>(), []);
    }

    /// <inheritdoc/>
    public IEnumerator<LoggedRun> GetEnumerator() => runs.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => RunView.Table(runs.Select(r => r.Run)).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => RunView.Table(runs.Select(r => r.Run)).ToString();
}
