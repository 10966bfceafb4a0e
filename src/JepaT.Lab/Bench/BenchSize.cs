namespace JepaT.Lab;

/// <summary>A size of the speed benchmark. The sizes, and the work of a step, are those of the peer script <c>tests/peer/bench.py</c>.</summary>
/// <param name="Name">As the peer calls it.</param>
/// <param name="Model">The network; with the published errata, as the peer.</param>
/// <param name="Batch">Images in a training step.</param>
/// <param name="SampleBatch">Images made at once.</param>
/// <param name="Iterations">Masked iterations of a sample.</param>
internal sealed record BenchSize(string Name, ModelConfig Model, int Batch, int SampleBatch, int Iterations = 16)
{
    /// <summary>25 knots of the ODE (24 steps), guidance 3, linear.</summary>
    public SamplingConfig Sampling => new() { Iterations = Iterations, OdeSteps = 24, Guidance = 3 };

    /// <summary>The sizes by name.</summary>
    public static IReadOnlyDictionary<string, BenchSize> All { get; } = new[]
    {
        new BenchSize("tiny", ModelConfig.Tiny with { Errata = Errata.Published }, Batch: 64, SampleBatch: 16),
        new BenchSize("base-64", ModelConfig.Base with { ImageSize = 8, Errata = Errata.Published }, Batch: 4, SampleBatch: 2),
        new BenchSize("base", ModelConfig.Base with { Errata = Errata.Published }, Batch: 2, SampleBatch: 1, Iterations: 4),
    }.ToDictionary(s => s.Name);
}
