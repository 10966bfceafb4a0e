namespace JepaT.Lab;

/// <summary>The fusion ablation in a notebook: run with live curves, or loaded where it was run before; then its table, curves and pictures.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class FusionAblation
{
    private FusionAblation(AblationResult result) => Result = result;

    /// <summary>All runs.</summary>
    public AblationResult Result { get; }

    /// <summary>FID, IS, alignment, parameters and speed: mean ± standard deviation over the seeds.</summary>
    public View Table => View.Of(ResultTable.Of(Result));

    /// <summary>Item and colour alone, KID, precision and recall.</summary>
    public View FurtherTable => View.Of(ResultTable.Further(Result));

    /// <summary>The metrics against the training step: the mean over the seeds, with a band from the smallest to the largest.</summary>
    public View Curves => View.Column(Charts.Evaluations(Result));

    /// <summary>The losses against the training step.</summary>
    public View Losses => View.Column(Charts.Losses(Result));

    /// <summary>The last values as bars with error bars.</summary>
    public View Bars => View.Column(Charts.Finals(Result));

    /// <summary>
    /// Runs what is missing of the study's presets and seeds, and loads the rest; an ablation that the command line has finished with the
    /// same settings is only loaded.
    /// </summary>
    /// <param name="study">Experiment, presets and seeds.</param>
    /// <param name="stop">By default <see cref="Notebook.Stop"/>; called again, it goes on where it was.</param>
    /// <exception cref="UserException">The folder holds an ablation with other settings.</exception>
    public static FusionAblation RunOrLoad(Study study, CancellationToken? stop = null)
    {
        if (Finished(study) is { } before)
        {
            Notebook.Show($"loaded {before.Runs.Count} runs of {before.Date:d MMMM yyyy} from {Path.GetRelativePath(NotebookFolder.Results, study.Folder)}");
            return new(before);
        }
        using var live = new LiveAblation(study.Experiment);
        var runner = new AblationRunner(study.Experiment, study.Bench, study.Folder, "a notebook", live.Messages, live.Watch);
        return new(runner.Run([], stop ?? Notebook.Stop));
    }

    /// <summary>The same with one more model, such as one whose switches were edited; its row carries its own name.</summary>
    /// <exception cref="UserException">The model's run did not end.</exception>
    public FusionAblation With(TrainedModel model) => model.Result is { Finished: true } run
        ? new(Result with { Runs = [.. Result.Runs.Where(r => (r.Preset, r.Seed) != (run.Preset, run.Seed)), run] })
        : throw new UserException($"{model.Folder}: its run has no result to compare; train it to its end with Study.Train");

    /// <summary>The fixed prompts from equal noise: a row for each preset, a column for each prompt.</summary>
    public View Pictures(int seed = 0) => ImageGrid.Compare(Result with { Runs = [.. Result.Runs.Where(r => r.Pictures.Count > 0)] }, seed) is { } png
        ? new PictureView(png, "Each column is one prompt, drawn from the same noise by every preset."
            + (Result.HeldOutPrompts.Count > 0 ? $" Never seen in training: {string.Join(", ", Result.HeldOutPrompts)}." : ""), scale: 1)
        : new TextView($"no run of seed {seed} has pictures");

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Table.ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => Table.ToString();

    // Nothing is missing and nothing was set otherwise.
    private static AblationResult? Finished(Study study)
    {
        var place = new RunFolder(study.Folder);
        var file = place.Of("ablation.json");
        if (!File.Exists(file) || !File.Exists(place.Experiment)) return null;
        if (Study.Settings(ExperimentFile.Load(place.Experiment)) != Study.Settings(study.Experiment)) return null;
        var result = AblationResult.Load(file);
        var wanted = study.Experiment.Ablation.Presets.SelectMany(p => Enumerable.Range(study.Experiment.Seed, study.Experiment.Ablation.Seeds).Select(s => (p, s))).ToList();
        var runs = result.Runs.Where(r => r.Finished && wanted.Contains((r.Preset, r.Seed))).ToList();
        return runs.Count == wanted.Count ? result with { Runs = [.. wanted.Select(w => runs.First(r => (r.Preset, r.Seed) == w))] } : null;
    }
}

/// <summary>An ablation to look at while it runs: which runs are done, and the curves of all so far.</summary>
internal sealed class LiveAblation : IDisposable
{
    private readonly Experiment experiment;
    private readonly LiveOutput output = Notebook.Live();
    private readonly ChartView losses;
    private readonly SortedDictionary<string, ChartView> metrics = [];
    private readonly List<string> lines = [];
    private string now = "loading data";

    public LiveAblation(Experiment experiment)
    {
        this.experiment = experiment;
        losses = Chart("flow-matching loss", log: true);
        Messages = new Lines(this);
        Show();
    }

    /// <summary>Takes the runner's messages.</summary>
    public TextWriter Messages { get; }

    public IRunWatcher Watch(string run) => new Watcher(this, run);

    public void Dispose() => output.Dispose();

    private ChartView Chart(string title, bool log) => new() { XTitle = "training step", YTitle = title, Log = log, XEnd = experiment.Training.Steps };

    private void Show() => output.Update(View.Column([new TextView(string.Join('\n', lines.Append(now))), losses, .. metrics.Values]));

    private sealed class Watcher(LiveAblation ablation, string run) : IRunWatcher
    {
        public void Logged(long step, TrainingValues values)
        {
            ablation.losses.Point(run, step, values.Flow);
            ablation.now = FormattableString.Invariant($"{run}: step {step} of {ablation.experiment.Training.Steps}, {values.ImagesPerSecond:0} pictures/s");
            ablation.Show();
        }

        public void Evaluated(long step, IReadOnlyList<(string Name, double Value)> values, Tensor samples)
        {
            foreach (var (name, value) in values)
            {
                if (MetricName.Parse(name) is not { Family: "fid" or "is" } metric) continue;
                if (!ablation.metrics.TryGetValue(name, out var chart)) ablation.metrics[name] = chart = ablation.Chart(metric.HeadingWithArrow, log: false);
                chart.Point(run, step, value);
            }
            if (step == ablation.experiment.Training.Steps) ablation.lines.Add($"{run}: done");
            ablation.Show();
        }
    }

    private sealed class Lines(LiveAblation ablation) : StringWriter(System.Globalization.CultureInfo.InvariantCulture)
    {
        public override void WriteLine(string? value)
        {
            ablation.lines.Add(value ?? "");
            ablation.Show();
        }
    }
}
