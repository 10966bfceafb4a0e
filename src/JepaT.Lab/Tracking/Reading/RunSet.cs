using System.Collections;

namespace JepaT.Lab;

/// <summary>
/// Runs of a tracking store: queried, filtered, grouped, compared, put back into the ablation's table from their logged values alone.
/// <code>
/// var runs = RunSet.Open("http://127.0.0.1:5000", "params.fusion = 'late'").Finished;
/// runs.Pivot("training.learning_rate");       // mean ± deviation over the seeds, the best in bold
/// runs.Curves("train/loss");
/// runs.PicturesByStep();
/// </code>
/// </summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class RunSet : IReadOnlyList<LoggedRun>
{
    private readonly IReadOnlyList<LoggedRun> runs;

    internal RunSet(IReadOnlyList<LoggedRun> runs) => this.runs = runs;

    /// <inheritdoc/>
    public int Count => runs.Count;

    /// <inheritdoc/>
    public LoggedRun this[int index] => index >= 0 && index < runs.Count ? runs[index]
        : throw new UserException(runs.Count == 0 ? "there are no runs here: train something first, or filter less" : $"there is no run {index}: there are {runs.Count}, counted from 0");

    /// <summary>Those that came to their end.</summary>
    public RunSet Finished => Where(r => r.IsFinished);

    /// <summary>Names of all params, in order.</summary>
    public IReadOnlyList<string> Params => [.. runs.SelectMany(r => r.Run.Params.Keys).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Names of the params in which these runs differ; one that a run does not have differs from one that is empty.</summary>
    public IReadOnlyList<string> DifferentParams => [.. Params.Where(n => runs.Select(r => r.Run.Params.GetValueOrDefault(n)).Distinct().Count() > 1)];

    /// <summary>Names of all metrics, those of evaluations first and those of the machine last.</summary>
    public IReadOnlyList<string> Metrics => [.. runs.SelectMany(r => r.Run.Metrics.Keys).Distinct().OrderBy(LoggedRun.Rank).ThenBy(k => k, StringComparer.Ordinal)];

    /// <summary>All params in which these runs differ, with their values.</summary>
    public View Differences
    {
        get
        {
            var names = DifferentParams;
            return names.Count == 0 ? new TextView("these runs have the same params") : View.Table(["run", .. names], runs.Select(r => (IReadOnlyList<string>)[r.Name, .. names.Select(r.Param)]));
        }
    }

    /// <summary>Opens a store and reads its runs, newest first.</summary>
    /// <param name="store">A tracking URI (<c>http://…</c> too), or the path of an mlflow.db; by default the one of the notebooks.</param>
    /// <param name="filter">In MLflow's language, e.g. <c>metrics.`eval/fid_fashion_1k` &lt; 10 AND params.fusion = 'late'</c>.</param>
    /// <exception cref="UserException">There is none, it cannot be read, or the filter is none.</exception>
    public static RunSet Open(string? store = null, string? filter = null)
    {
        var uri = string.IsNullOrEmpty(store) ? Study.StoreUri : store.Contains(':', StringComparison.Ordinal) && !Path.IsPathRooted(store) ? store : "sqlite:///" + Path.GetFullPath(store, NotebookFolder.Results);
        return Read(TrackingStores.Open(uri, readOnly: true), filter: filter);      // open as long as its runs are looked at
    }

    /// <summary>One run of a store, which must stay open as long as it is looked at.</summary>
    internal static RunSet Of(ITrackingStore store, string runId)
    {
        var run = store.GetRun(runId);
        return new([new LoggedRun(store, run, store.Experiments(RunStage.All).FirstOrDefault(e => e.Id == run.Info.ExperimentId)?.Name ?? run.Info.ExperimentId)]);
    }

    /// <summary>Reads runs of a store, which must stay open as long as they are looked at.</summary>
    /// <param name="store">The store.</param>
    /// <param name="experiment">Name of an experiment; null: all that are not deleted.</param>
    /// <param name="max">At most so many.</param>
    /// <param name="filter">In MLflow's language; null: all.</param>
    /// <param name="orderBy">In MLflow's language, e.g. <c>metrics.`eval/fid_fashion_1k` ASC</c>; none: latest start first.</param>
    /// <exception cref="UserException">There is no such experiment, or the filter or an order is none.</exception>
    public static RunSet Read(ITrackingStore store, string? experiment = null, int max = MlflowRules.MaxResults, string? filter = null, IReadOnlyList<string>? orderBy = null)
    {
        var experiments = store.Experiments();
        var chosen = experiment is null ? null : experiments.FirstOrDefault(e => e.Name == experiment)
            ?? throw new UserException($"there is no experiment '{experiment}' in {store.Uri}: there are {string.Join(", ", experiments.Select(e => $"'{e.Name}'"))}");
        var names = experiments.ToDictionary(e => e.Id, e => e.Name);
        return new([.. store.SearchRuns(new RunQuery { ExperimentId = chosen?.Id, Filter = filter, OrderBy = orderBy ?? [], MaxResults = max })
            .Where(r => names.ContainsKey(r.Info.ExperimentId)).Select(r => new LoggedRun(store, r, names[r.Info.ExperimentId]))]);
    }

    /// <summary>Those for which something holds.</summary>
    public RunSet Where(Func<LoggedRun, bool> holds) => new([.. runs.Where(holds)]);

    /// <summary>Those of an experiment.</summary>
    public RunSet OfExperiment(string name) => Where(r => r.Experiment == name);

    /// <summary>Those with a param of this value.</summary>
    public RunSet With(string param, string value) => Where(r => r.Param(param) == value);

    /// <summary>A set for each value of a param ("" where a run has none), in the order of their first run.</summary>
    public IReadOnlyDictionary<string, RunSet> GroupBy(string param) => GroupBy(r => r.Param(param));

    /// <summary>A set for each key, in the order of their first run.</summary>
    public IReadOnlyDictionary<string, RunSet> GroupBy(Func<LoggedRun, string> key) =>
        new OrderedDictionary<string, RunSet>(Enumerable.GroupBy(runs, key).Select(g => KeyValuePair.Create(g.Key, new RunSet([.. g]))));

    /// <summary>The curves of a metric, a line for each run.</summary>
    public ChartView Curves(string metric)
    {
        var name = MetricName.Of(metric);
        var all = runs.Select(r => (r.Name, Points: r.Curve(metric))).Where(r => r.Points.Count > 0).ToList();
        var values = all.SelectMany(r => r.Points).Select(p => p.Value).Where(double.IsFinite).DefaultIfEmpty(1).ToList();
        var chart = new ChartView
        {
            YTitle = name.HeadingWithArrow,
            XTitle = "training step",
            Percent = name.IsFraction,
            Log = !name.IsFraction && values.Min() > 0 && values.Max() / values.Min() > 5,
        };
        foreach (var (run, points) in all) chart.Add(new Series(run, [.. points.Select(p => (double)p.Step)], [.. points.Select(p => p.Value)]) { Markers = points.Count <= 40 });
        return chart;
    }

    /// <summary>The logged pictures of a key: a slider over the steps, at each the pictures of all runs that have one.</summary>
    public View PicturesByStep(string key = "eval/samples")
    {
        var pictures = runs.SelectMany(r => r.PicturesOf(key).Select(p => (Run: r, Picture: p))).ToList();
        return pictures.Count == 0 ? new TextView($"none of these runs has pictures '{key}'")
            : View.Slider(Enumerable.GroupBy(pictures, p => p.Picture.Step).OrderBy(g => g.Key).Select(g =>
                ($"{key}, step {g.Key}", (object)View.Row(g.Select(p => View.Titled(p.Run.Name, new PictureView(p.Run.Bytes(p.Picture.Path), text: $"{p.Run.Name}, {key}, step {g.Key}", scale: 1)))))));
    }

    /// <summary>
    /// The ablation's table over any param: a row for each of its values, mean ± sample standard deviation over the finished runs that have it
    /// (the seeds), from the latest values of the metrics.
    /// </summary>
    /// <param name="by">The param.</param>
    /// <param name="metrics">Names of metrics; by default those of the evaluations, without any the losses.</param>
    /// <exception cref="UserException">No run has the param, or none of the metrics.</exception>
    public ResultTable Pivot(string by = "fusion", params IReadOnlyList<string> metrics)
    {
        var rows = runs.Where(r => r.Run.Params.ContainsKey(by)).Reverse().ToList();                // oldest first, as they were planned
        if (rows.Count == 0)
            throw new UserException($"none of these runs has the param '{by}'{(Params.Count > 0 ? $": the nearest one is '{Nearest.To(by, Params)}'" : "")}");
        var known = Metrics.Select(MetricName.Of).Where(m => m.Better != Better.Neither).ToList();
        var columns = metrics.Count > 0 ? [.. metrics.Select(MetricName.Of)] : known.Where(m => LoggedRun.Rank(m.Key) == 0).ToList() is { Count: > 0 } evaluated ? evaluated : known;
        if (columns.All(c => rows.All(r => !r.Run.Metrics.ContainsKey(c.Key))))
            throw new UserException(metrics.Count == 0 ? "none of these runs has an evaluation or a loss" : $"none of these runs has the metric '{metrics[0]}'");
        return ResultTable.Of([.. rows.Select(r => ResultOf(r, r.Param(by), r.Run.Metrics.ToDictionary(m => m.Key, m => m.Value.Value)))], columns, by);
    }

    /// <summary>
    /// The table of an ablation from logged values alone: fusion and seed from the params, the figures from the metrics of the last
    /// evaluation, parameters and speed. It needs none of the files that the ablation wrote.
    /// </summary>
    /// <exception cref="UserException">No run here has an evaluation.</exception>
    public ResultTable Table() => ResultTable.Of(Ablation());

    internal AblationResult Ablation()
    {
        var trained = runs.Where(r => r.Param("fusion").Length > 0 && r.Run.Metrics.Keys.Any(k => LoggedRun.Rank(k) == 0)).Reverse().ToList();
        if (trained.Count == 0) throw new UserException("none of these runs has a fusion and an evaluation: train some first, or filter less");
        return new AblationResult(trained[0].Experiment, [.. trained.Select(AblationRun)], [], "", "", "", DateTimeOffset.UnixEpoch, "");
    }

    private static RunResult AblationRun(LoggedRun run)
    {
        var final = run.Run.Metrics.Values.Where(m => LoggedRun.Rank(m.Key) == 0).ToDictionary(m => m.Key["eval/".Length..], m => m.Value);
        if (double.TryParse(run.Param("parameters.used"), System.Globalization.CultureInfo.InvariantCulture, out var used)) final["parameters"] = used;
        var speeds = run.Curve("train/images_per_second").Select(p => p.Value).Order().ToList();
        if (speeds.Count > 0) final["images_per_second"] = (speeds[(speeds.Count - 1) / 2] + speeds[speeds.Count / 2]) / 2;
        return ResultOf(run, run.Param("fusion"), final);
    }

    private static RunResult ResultOf(LoggedRun run, string row, Dictionary<string, double> final)
    {
        _ = int.TryParse(run.Param("seed"), out var seed);
        return new(row, seed, run.Run.Info.RunId, run.Run.Info.Status.ToString().ToUpperInvariant(), null, final, new Dictionary<string, IReadOnlyList<CurvePoint>>(), []);
    }

    /// <inheritdoc/>
    public IEnumerator<LoggedRun> GetEnumerator() => runs.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => RunView.Table(runs.Select(r => r.Run)).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => RunView.Table(runs.Select(r => r.Run)).ToString();
}
