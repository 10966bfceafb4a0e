namespace JepaT.Lab;

/// <summary>How the prompts of an evaluation's pictures are chosen.</summary>
public enum PromptChoice
{
    /// <summary>Equally many of each class, class by class.</summary>
    Classes,

    /// <summary>Captions of the data set's pictures, drawn by chance.</summary>
    Captions,
}

/// <summary>
/// Which pictures an evaluation makes, and how it measures them; the defaults are the published FID-50K: 50 pictures of each of
/// ImageNet's 1,000 classes, class by class. Pictures with captions of their own have no classes: see <see cref="OfCaptions"/>.
/// </summary>
public sealed record FidProtocol
{
    /// <summary>Seed of the splits in torch-fidelity, whose Inception score is thus ours for equal logits.</summary>
    public const uint TorchFidelitySeed = 2020;

    private int[]? drawn;

    /// <summary>How prompts are chosen.</summary>
    public PromptChoice Prompts => drawn is null ? PromptChoice.Classes : PromptChoice.Captions;

    /// <summary>Classes, each as often as the next: fewer classes change what the numbers mean. Without meaning for drawn captions.</summary>
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

    /// <summary>Fixes which features are kept, and which captions are drawn.</summary>
    public int Seed { get; init; }

    /// <summary>Pictures in all.</summary>
    public int Count => drawn?.Length ?? Classes * PerClass;

    /// <summary>
    /// The prompt of picture <paramref name="number"/>. Of classes 0 for the first 50, 1 for the next, … as the published code orders
    /// them; of captions the number of the one that was drawn.
    /// </summary>
    public int PromptOf(int number) => drawn?[number] ?? number / PerClass;

    /// <summary>The protocol for <paramref name="count"/> pictures in all.</summary>
    /// <exception cref="UserException">The classes do not divide it.</exception>
    public FidProtocol WithCount(int count) => count > 0 && count % Classes == 0 ? this with { PerClass = count / Classes }
        : throw new UserException($"{count} pictures cannot be shared out among {Classes} classes: take a multiple of {Classes}");

    /// <summary>
    /// The protocol for pictures with captions of their own: <paramref name="count"/> of the data set's pictures are drawn without
    /// replacement, and their captions are the prompts, so these have the distribution of the data. Where more are asked for than there
    /// are, each further pass goes over all in a new order.
    /// </summary>
    /// <param name="captionIds">The caption of each picture of the data set, by number.</param>
    /// <param name="count">Pictures to make.</param>
    /// <param name="seed">Decides what is drawn.</param>
    public static FidProtocol OfCaptions(IReadOnlyList<int> captionIds, int count, int seed)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(captionIds.Count, 1);
        var drawn = new int[count];
        for (var at = 0; at < count; at += captionIds.Count)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator((ulong)Seeds.Of(seed, SeedUse.Prompts, at / captionIds.Count));
            var order = randperm(captionIds.Count, ScalarType.Int64, generator: generator).data<long>().ToArray();
            for (var i = 0; i < order.Length && at + i < count; i++) drawn[at + i] = captionIds[(int)order[i]];
        }
        return new() { drawn = drawn, Seed = seed };
    }
}
