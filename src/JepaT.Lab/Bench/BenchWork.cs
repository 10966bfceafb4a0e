using System.Diagnostics;

namespace JepaT.Lab;

/// <summary>The two kinds of work, on random data: a training step and a batch of samples. Measured in a process of its own.</summary>
internal sealed class BenchWork : IDisposable
{
    private const double LearningRate = 1e-4, WeightDecay = 0.02, Clip = 3, EmaRate = 0.9999, LabelDrop = 0.1, Eps = 1e-6, MaskDraw = 0.5;

    private readonly BenchSize size;
    private readonly JepaModel model;
    private readonly Lazy<JepaModel> ema;                      // what only training needs
    private readonly Lazy<AdamW> optimizer;
    private readonly Generator generator = new(0);

    public BenchWork(BenchSize size)
    {
        this.size = size;
        model = new JepaModel(size.Model);
        using (no_grad())
        using (NewDisposeScope())
            foreach (var (_, p) in model.NamedWeights())            // zero-initialised layers would make the net trivial
                if (!p.any().item<bool>()) p.copy_(randn(p.shape, generator: generator) * 0.02);
        ema = new(() => Ema.Create(model));
        optimizer = new(() => new AdamW(model.UsedWeights(), eps: Eps));
    }

    /// <summary>Number of the model's parameters.</summary>
    public long Parameters => model.NamedWeights().Sum(p => p.Value.numel());

    /// <summary>Times <paramref name="what"/>, <c>train</c> or <c>sample</c>, after one repetition for warming up.</summary>
    public BenchResult Measure(string what, int repeats)
    {
        var (work, batch, count) = what switch
        {
            "train" => ((Action)Train, size.Batch, repeats),
            "sample" => (Sample, size.SampleBatch, repeats / 2 + 1),
            _ => throw new ArgumentException($"unknown work {what}"),
        };
        work();
        var times = new double[count];
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            times[i] = Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
        return new(what, BenchFlavours.Ours, batch, times, PeakMib(), Parameters, Environment.CpuUsage.TotalTime.TotalSeconds, "TorchSharp " + typeof(torch).Assembly.GetName().Version?.ToString(3));
    }

    /// <summary>One training step.</summary>
    public void Train()
    {
        using var scope = NewDisposeScope();
        var (config, b) = (size.Model, (long)size.Batch);
        var m = Masking.Count(Masking.Ratio(MaskDraw), config.Tokens);
        var draws = new LossDraws(Orders(b), m, rand(b, generator: generator) < LabelDrop,
            rand([config.NoiseCopies, b * m], generator: generator), randn([config.NoiseCopies, b * m, config.TokenDim], generator: generator));
        var images = randn([b, config.Channels, config.ImageSize, config.ImageSize], generator: generator);
        var text = randn([b, config.TextDim], generator: generator);
        model.train();
        var targets = ema.Value.TargetFeatures(images, text, Masking.First(draws.Orders, m));
        var losses = model.Loss(images, text, draws, targets);
        (losses.Flow + losses.Jepa).backward();
        optimizer.Value.Step(LearningRate, WeightDecay, Clip);
        Ema.Update(ema.Value, model, EmaRate);
    }

    private void Sample()
    {
        using var scope = NewDisposeScope();
        var (config, b) = (size.Model, (long)size.SampleBatch);
        model.eval();
        var text = randn([b, config.TextDim], generator: generator);
        var noise = randn([b, config.Tokens, config.TokenDim], generator: generator);
        var draws = new SampleDraws(Orders(b), noise, zeros(0, b, config.Tokens, config.TokenDim));             // the flow head draws no more
        foreach (var step in Sampler.Steps(model, text, draws, size.Sampling))
        {
            if (step.Iteration == size.Iterations - 1) ImageTokens.Unpatchify(step.Tokens, config.PatchSize);
            step.Dispose();
        }
    }

    private Tensor Orders(long batch) =>
        stack([.. Enumerable.Range(0, (int)batch).Select(_ => randperm(size.Model.Tokens, ScalarType.Int64, generator: generator))]);

    /// <summary>Largest resident size so far; Windows and macOS tell it through the process, Linux only through /proc.</summary>
    private static double? PeakMib()
    {
        const string status = "/proc/self/status";
        if (File.Exists(status))
            return File.ReadLines(status).Where(l => l.StartsWith("VmHWM:", StringComparison.Ordinal))
                .Select(l => double.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2]) / 1024).Cast<double?>().FirstOrDefault();
        using var self = Process.GetCurrentProcess();
        return self.PeakWorkingSet64 > 0 ? self.PeakWorkingSet64 / (double)(1 << 20) : null;
    }

    public void Dispose()
    {
        if (optimizer.IsValueCreated) optimizer.Value.Dispose();
        if (ema.IsValueCreated) ema.Value.Dispose();
        model.Dispose();
        generator.Dispose();
    }
}
