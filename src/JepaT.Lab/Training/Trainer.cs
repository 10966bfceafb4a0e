using System.Diagnostics;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>What goes on while training, for those who log, draw and save.</summary>
internal interface ITrainingObserver
{
    /// <summary>Values of a step, once every <see cref="TrainingConfig.LogEvery"/> steps.</summary>
    void Log(long step, TrainingValues values);

    /// <summary>The EMA model after this many steps: at <see cref="EvaluationConfig.Every"/> and at the end.</summary>
    void Evaluate(long step, JepaModel ema);

    /// <summary>A checkpoint was written after this many steps.</summary>
    void Saved(long step, string path);
}

/// <summary>Numbers of one step.</summary>
internal readonly record struct TrainingValues(double Loss, double Flow, double Jepa, double GradNorm, double LearningRate, double WeightDecay, double EmaRate, double ImagesPerSecond);

/// <summary>A loss or gradient became NaN or infinite; no weight was changed by it.</summary>
internal sealed class DivergedException(string message) : Exception(message);

/// <summary>The training loop, top to bottom: batch → EMA features → losses → backward → clip → step → EMA → log.</summary>
internal sealed class Trainer : IDisposable
{
    private readonly Experiment experiment;
    private readonly Batches batches;
    private readonly AdamW optimizer;
    private readonly string checkpoint;

    /// <param name="experiment">What to train.</param>
    /// <param name="data">Training pictures, on the device.</param>
    /// <param name="text">Encoder of their captions.</param>
    /// <param name="folder">Where the checkpoint lies.</param>
    public Trainer(Experiment experiment, ITrainingData data, ITextEncoder text, string folder)
    {
        this.experiment = experiment;
        checkpoint = Path.Combine(folder, Checkpoint.FileName);
        batches = new Batches(data, text, experiment.Training, experiment.Seed, experiment.Text, experiment.Errata.TextEncodedEachStep);
        Model = new JepaModel(experiment.ResolvedModel, Seeds.Of(experiment.Seed, SeedUse.Weights));
        if (experiment.Training.Init is { } init && !File.Exists(checkpoint)) Initialise(init, experiment.Training.InitPartial);
        Model.to(data.CaptionIds.device);               // before the optimizer: moving replaces parameters
        Ema = JepaT.Lab.Ema.Create(Model);
        optimizer = new AdamW(Model.UsedWeights(), experiment.Training.Beta1, experiment.Training.Beta2, experiment.Training.AdamEps);
    }

    public JepaModel Model { get; }

    public JepaModel Ema { get; }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Goes on from the folder's checkpoint.</summary>
    public void Resume() => Step = Checkpoint.Restore(checkpoint, Model, Ema, optimizer);

    /// <summary>Trains to the end, or until stopped; the checkpoint then holds the state.</summary>
    /// <exception cref="OperationCanceledException">Stopped; saved.</exception>
    /// <exception cref="DivergedException">A loss or the gradient norm is NaN or infinite; the last checkpoint is good.</exception>
    public void Run(ITrainingObserver observer, CancellationToken stop)
    {
        var config = experiment.Training;
        var clock = new StepClock(config.EffectiveBatch);
        Model.train();
        try
        {
            while (true)
            {
                stop.ThrowIfCancellationRequested();
                // Before the next step rather than after the last one: a run that was stopped here evaluates when it goes on.
                if (Step > 0 && Every(experiment.Evaluation.Every)) Show(() => observer.Evaluate(Step, Ema));
                if (Step == config.Steps) return;
                clock.Start();
                var values = TrainStep(config);
                clock.Stop();
                Step++;
                if (Every(config.LogEvery)) Show(() => observer.Log(Step, values with { ImagesPerSecond = clock.ImagesPerSecond() }));
                if (Every(config.CheckpointEvery)) Save(observer);
            }
        }
        catch (OperationCanceledException)
        {
            Save(observer);
            throw;
        }

        bool Every(int n) => Step % n == 0 || Step == config.Steps;
    }

    public void Dispose()
    {
        optimizer.Dispose();
        Model.Dispose();
        Ema.Dispose();
        batches.Dispose();
    }

    /// <summary>Refuses weights to start from that would not do, before anything is made.</summary>
    /// <exception cref="UserException">The file is missing, damaged or of another model.</exception>
    public static void RequireInit(Experiment experiment)
    {
        if (experiment.Training.Init is not { } init) return;
        using var file = WeightFile.Open(init);
        using var outline = JepaModel.Outline(experiment.ResolvedModel);
        outline.RequireFit(file, experiment.Training.InitPartial);
    }

    private void Initialise(string path, bool partial)
    {
        using var file = WeightFile.Open(path);
        if (!partial)
        {
            Model.Load(file);
            return;
        }
        foreach (var line in Model.LoadPartial(file).Lines()) Console.Error.WriteLine(line);
    }

    private TrainingValues TrainStep(TrainingConfig config)
    {
        double flow = 0, jepa = 0;
        for (var i = 0; i < config.Accumulate; i++)
        {
            var (batchFlow, batchJepa) = Backward(Step * config.Accumulate + i, config);
            flow += batchFlow / config.Accumulate;
            jepa += batchJepa / config.Accumulate;
        }
        if (!double.IsFinite(flow)) throw Diverged("flow loss", flow);
        if (!double.IsFinite(jepa)) throw Diverged("JEPA loss", jepa);

        var errata = experiment.Errata;
        var rate = Schedules.LearningRate(Step, config.PeakLearningRate, config.WarmupSteps, config.Steps, config.Schedule, config.MinimumLearningRate);
        var decay = errata.WeightDecayVanishes
            ? Schedules.PublishedWeightDecay(Step, config.Steps, config.WeightDecay)
            : Schedules.WeightDecay(Step, config.Steps, config.WeightDecay);
        var norm = optimizer.Step(rate, decay, config.ClipNorm);
        if (!double.IsFinite(norm)) throw Diverged("gradient norm", norm);
        var emaRate = config.EmaSchedule == EmaSchedule.Warmup ? Schedules.EmaRateWithWarmup(Step, config.EmaRate)
            : errata.ConstantEmaRate ? Schedules.EmaRate(Step, config.Steps, config.EmaRate)
            : Schedules.LinearEmaRate(Step, config.Steps, config.EmaRate);
        JepaT.Lab.Ema.Update(Ema, Model, emaRate);
        return new(flow * config.FlowWeight + jepa * config.JepaWeight, flow, jepa, norm, rate, decay, emaRate, 0);
    }

    /// <summary>Losses of one batch, whose gradients are added to what is there.</summary>
    private (double Flow, double Jepa) Backward(long index, TrainingConfig config)
    {
        using var scope = NewDisposeScope();
        manual_seed(Seeds.Of(experiment.Seed, SeedUse.Dropout, index));                 // dropout has no generator of its own
        var batch = batches.Next(index);
        var draws = batches.Draws(index, Model.Config);
        var masked = Masking.First(draws.Orders, draws.MaskedCount);

        var targets = Ema.TargetFeatures(batch.Images, batch.Text, masked);
        var losses = Model.Loss(batch.Images, batch.Text, draws, targets);
        var values = (losses.Flow.ToDouble(), losses.Jepa.ToDouble());
        ((losses.Flow * config.FlowWeight + losses.Jepa * config.JepaWeight) / config.Accumulate).backward();
        return values;
    }

    private void Save(ITrainingObserver observer)
    {
        Checkpoint.Save(checkpoint, experiment, Model, Ema, optimizer, Step);
        observer.Saved(Step, checkpoint);
    }

    /// <summary>Shows values to the observer; when that fails the steps so far are saved first.</summary>
    private void Show(Action show)
    {
        try
        {
            show();
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            try
            {
                Checkpoint.Save(checkpoint, experiment, Model, Ema, optimizer, Step);
            }
            catch (Exception other) when (other is UserException or IOException or UnauthorizedAccessException or ExternalException) { }     // the disk that is full may be this one; the first failure is told
            throw;
        }
    }

    private DivergedException Diverged(string name, double value) =>
        new($"step {Step + 1}: the {name} is {value}; {(File.Exists(checkpoint) ? $"the last good checkpoint is kept ({checkpoint})" : "there is no checkpoint yet")}: lower training.learning_rate and start anew");
}

/// <summary>Rate over the steps since it was last asked, evaluation and saving not counted.</summary>
internal sealed class StepClock(int batchSize)
{
    private readonly Stopwatch watch = new();
    private long steps;

    public void Start() => watch.Start();

    public void Stop()
    {
        watch.Stop();
        steps++;
    }

    public double ImagesPerSecond()
    {
        var rate = steps * batchSize / watch.Elapsed.TotalSeconds;
        watch.Reset();
        steps = 0;
        return rate;
    }
}
