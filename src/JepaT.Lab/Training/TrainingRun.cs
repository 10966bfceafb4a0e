using System.Globalization;

namespace JepaT.Lab;

/// <summary>Someone who looks on while a tracked run trains, in place of the line of progress.</summary>
internal interface IRunWatcher
{
    /// <summary>Values of a step, as they are logged.</summary>
    void Logged(long step, TrainingValues values);

    /// <summary>An evaluation: its metrics, and pictures of the fixed prompts (N, C, H, W), which live until the call returns.</summary>
    void Evaluated(long step, IReadOnlyList<(string Name, double Value)> metrics, Tensor samples);
}

/// <summary>One tracked training run: a <see cref="Trainer"/> whose values, pictures and files go to MLflow and to a folder.</summary>
internal sealed class TrainingRun : ITrainingObserver
{
    private readonly Experiment experiment;
    private readonly Workbench bench;
    private readonly RunLogger log;
    private readonly RunCurves curves;
    private readonly Progress progress;
    private readonly CancellationToken stop;
    private readonly IRunWatcher? watcher;
    private string? loss, fid;                      // as last known, for the progress line
    private byte[][] pictures = [];

    private TrainingRun(Experiment experiment, Workbench bench, RunLogger log, RunCurves curves, Progress progress, IRunWatcher? watcher, CancellationToken stop) =>
        (this.experiment, this.bench, this.log, this.curves, this.progress, this.watcher, this.stop) = (experiment, bench, log, curves, progress, watcher, stop);

    /// <summary>Trains in a new folder, or goes on in one that holds a checkpoint, and returns what came out.</summary>
    /// <exception cref="OperationCanceledException">Stopped by the user; saved, run marked KILLED.</exception>
    /// <exception cref="DivergedException">NaN or infinity; run marked FAILED.</exception>
    /// <exception cref="UserException">The folder is in use, a file cannot be written, or at the end the store could not be; run marked FAILED.</exception>
    public static RunResult Execute(Experiment experiment, Workbench bench, RunFolder folder, string runName, string? parentRun, CancellationToken stop,
        IRunWatcher? watcher = null, string? named = null, Action<RunResult>? trained = null)
    {
        if (named is not null && (folder.RunId ?? named) != named)
            throw new UserException($"MLFLOW_RUN_ID={named} names another run than that of {folder.Path} ({folder.RunId}): unset it");
        using var inUse = folder.Use();
        using var trainer = new Trainer(experiment, bench.Train, bench.Text, folder.Path);
        var store = bench.Store;                                        // may be made only now, and must be before the folder's first file
        if (named is not null && folder.RunId is null) NamedRun.RequireFits(store, named, RunDescription.Params(experiment, bench, trainer.Model));
        if (!folder.HoldsRun) folder.Create(experiment);                // only now: weights to start from may not fit
        if (folder.HasCheckpoint) trainer.Resume();
        var resumed = folder.RunId is not null;
        using var curves = new RunCurves(folder);
        using var log = resumed
            ? RunLogger.Resume(store, folder.RunId!)
            : named is not null ? RunLogger.Resume(store, named)
            : RunLogger.Start(store, TrackingStores.ExperimentOf(experiment.Name), runName, parentRun);
        folder.SetRunId(log.RunId, store.FullUri);
        using var progress = new Progress($"training {runName}", experiment.Training.Steps, "steps", watcher is null ? null : TextWriter.Null);
        try
        {
            if (resumed && curves.IsNew) Recall(store, log.RunId, curves);
            if (resumed && store is not SpooledStore) LogLost(log, curves, trainer.Step);
            if (resumed) log.LogEnvironment($"resumed/step-{trainer.Step}");
            else RunDescription.Log(experiment, bench, trainer.Model, folder, log);
            log.LogSystem(gpu: Gpu(bench.Device));
            progress.Report(trainer.Step);
            var run = new TrainingRun(experiment, bench, log, curves, progress, watcher, stop);
            if (!resumed) run.DrawStart(trainer.Ema);
            trainer.Run(run, stop);
            trained?.Invoke(run.Result(trainer));                       // before the store, which may not take all
            log.Artifact(folder.Checkpoint, "checkpoints/" + Checkpoint.FileName);
            log.Finish(RunStatus.Finished);
            if (folder.RunId != log.RunId) folder.SetRunId(log.RunId);              // the server has given it its id meanwhile
            return run.Result(trainer);
        }
        catch (OperationCanceledException)
        {
            log.Abandon(RunStatus.Killed);
            throw;
        }
        catch (Exception e)
        {
            log.Abandon(RunStatus.Failed, e.Message);
            throw;
        }
    }

    public void Log(long step, TrainingValues v)
    {
        Metric("train/loss", v.Loss, step);
        Metric("train/loss_flow", v.Flow, step);
        Metric("train/loss_jepa", v.Jepa, step);
        Metric("train/grad_norm", v.GradNorm, step);
        Metric("train/learning_rate", v.LearningRate, step);
        Metric("train/weight_decay", v.WeightDecay, step);
        Metric("train/ema_rate", v.EmaRate, step);
        Metric("train/images_per_second", v.ImagesPerSecond, step);
        Metric("train/progress_percentage", 100.0 * step / experiment.Training.Steps, step);
        loss = string.Create(CultureInfo.InvariantCulture, $"loss {v.Loss:0.000}, {v.ImagesPerSecond:0} images/s");
        Report(step);
        watcher?.Logged(step, v);
    }

    public void Evaluate(long step, JepaModel ema)
    {
        var values = Measure(step, ema);
        using var scope = NewDisposeScope();
        if (Draw(step, ema) is not { } samples) return;
        watcher?.Evaluated(step, values, samples);
        if (step == experiment.Training.Steps) pictures = [.. ImageGrid.Each(samples)];
    }

    // MLflow's slider over the pictures starts at step 0, and shows none where none is.
    private void DrawStart(JepaModel ema)
    {
        using var scope = NewDisposeScope();
        Draw(0, ema);
    }

    /// <summary>Logs pictures of the fixed prompts, of the caller's dispose scope; null where latents cannot be decoded.</summary>
    private Tensor? Draw(long step, JepaModel ema)
    {
        if (bench.Evaluation.Samples(ema) is not { } samples) return null;
        if (!log.HadImage("eval/samples", step)) log.Image("eval/samples", step, ImageGrid.Png(samples, SampleTable.Columns(bench.Evaluation.GridPrompts.Count, (int)samples.shape[0])));
        return samples;
    }

    private IReadOnlyList<(string Name, double Value)> Measure(long step, JepaModel ema)
    {
        if (bench.Evaluation.PictureCount == 0) return [];
        using var measuring = new Progress($"measuring after step {step}", bench.Evaluation.PictureCount, "pictures");
        var values = bench.Evaluation.Measure(ema, stop, done => measuring.Report(done));
        foreach (var (name, value) in values) Metric("eval/" + name, value, step);
        fid = string.Create(CultureInfo.InvariantCulture, $"{values[0].Name} {values[0].Value:0.00}");
        measuring.Report(bench.Evaluation.PictureCount, fid);
        Report(step);
        return values;
    }

    private void Report(long step) => progress.Report(step, string.Join(", ", new[] { loss, fid }.Where(s => s is not null)));

    public void Saved(long step, string path) => log.Hurry();

    private void Metric(string name, double value, long step)
    {
        if (!log.HadMetric(name, step)) log.Metric(name, value, step);        // trained again after a kill
        curves.Add(name, step, value);
    }

    /// <summary>The curves of a folder that has none yet, from the store; without them when that is away.</summary>
    private static void Recall(ITrackingStore store, string runId, RunCurves curves)
    {
        try
        {
            foreach (var key in store.GetRun(runId).Metrics.Keys.Where(RunCurves.Shows))
                foreach (var point in store.MetricHistory(runId, key)) curves.Add(key, point.Step, point.Value);
        }
        catch (UserException e) when (store.IsTransient(e))
        {
            Console.Error.WriteLine($"warning: {e.Message}; the result will lack the curves from before");
        }
    }

    /// <summary>Values up to the checkpoint that a database could not take when they came, as far as the folder has them; the evaluation of that step is done again.</summary>
    private static void LogLost(RunLogger log, RunCurves curves, long step)
    {
        foreach (var (key, points) in curves.All())
            foreach (var point in points.Where(p => p.Step <= step && !(p.Step == step && key.StartsWith("eval/", StringComparison.Ordinal)) && !log.HadMetric(key, p.Step))) log.Metric(key, point.Value, point.Step);
    }

    /// <summary>What the run came to.</summary>
    private RunResult Result(Trainer trainer)
    {
        var curves = this.curves.All();
        var final = curves.Where(c => c.Key.StartsWith("eval/", StringComparison.Ordinal)).ToDictionary(c => c.Key["eval/".Length..], c => c.Value[^1].Value);
        final["parameters"] = trainer.Model.UsedWeights().Sum(p => p.Value.numel());
        // A folder that went on without its store may lack what a checkpoint is past.
        if (curves.TryGetValue("train/images_per_second", out var speed)) final["images_per_second"] = Median(speed.Select(p => p.Value));
        return new RunResult(experiment.Fusion.ToString(), experiment.Seed, log.RunId, "FINISHED", null, final, curves, pictures);
    }

    // The driver counts all cards, libtorch those that CUDA_VISIBLE_DEVICES leaves, in its order.
    private static string? Gpu(Device device)
    {
        if (device.type != TorchSharp.DeviceType.CUDA) return null;
        var index = Math.Max(0, device.index);
        var visible = Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES")?.Split(',', StringSplitOptions.TrimEntries);
        return visible is null ? index.ToString(CultureInfo.InvariantCulture) : visible.ElementAtOrDefault(index);
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }
}
