namespace JepaT.Lab;

/// <summary>
/// Which pictures an evaluation makes, and how it measures them; the defaults are the published FID-50K: 50 pictures of each of
/// ImageNet's 1,000 classes, class by class.
/// </summary>
public sealed record FidProtocol
{
    /// <summary>Seed of the splits in torch-fidelity, whose Inception score is thus ours for equal logits.</summary>
    public const uint TorchFidelitySeed = 2020;

    /// <summary>Classes, each as often as the next: fewer classes change what the numbers mean.</summary>
    public int Classes { get; init; } = 1000;

    /// <summary>Pictures of a class.</summary>
    public int PerClass { get; init; } = 50;

    /// <summary>Splits of the Inception score.</summary>
    public int Splits { get; init; } = InceptionScore.Splits;

    /// <summary>Decides which picture falls into which split, by NumPy's <c>RandomState</c>.</summary>
    public uint SplitSeed { get; init; } = TorchFidelitySeed;

    /// <summary>
    /// Most generated pictures whose features are kept for precision and recall, against as many real ones at most: 10,000 as in ADM's
    /// batch of real pictures. All 50,000 would cost 25 times the time; the metric's name carries the number that was compared.
    /// </summary>
    public int Kept { get; init; } = ReferenceStatistics.SampleSize;

    /// <summary>Fixes which features are kept.</summary>
    public int Seed { get; init; }

    /// <summary>Pictures in all.</summary>
    public int Count => Classes * PerClass;

    /// <summary>The class of picture <paramref name="number"/>: 0 for the first 50, 1 for the next, … as the published code orders them.</summary>
    public int ClassOf(int number) => number / PerClass;

    /// <summary>The protocol for <paramref name="count"/> pictures in all.</summary>
    /// <exception cref="UserException">The classes do not divide it.</exception>
    public FidProtocol WithCount(int count) => count > 0 && count % Classes == 0 ? this with { PerClass = count / Classes }
        : throw new UserException($"{count} pictures cannot be shared out among {Classes} classes: take a multiple of {Classes}");
}
