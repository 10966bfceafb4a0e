namespace JepaT.Lab;

/// <summary>How an <see cref="Evaluator"/> measures; the defaults are the published settings.</summary>
public sealed record EvaluatorOptions
{
    /// <summary>Fixes the Inception score's permutation and the kernel distance's subsets.</summary>
    public int Seed { get; init; }

    /// <summary>Number of the kernel distance's subsets.</summary>
    public int KidSubsets { get; init; } = KernelDistance.Subsets;

    /// <summary>Size of the kernel distance's subsets; smaller sets are used whole, which the unbiased distance allows.</summary>
    public int KidSubsetSize { get; init; } = KernelDistance.SubsetSize;
}

/// <summary>
/// All metrics of a set of generated pictures against the real ones.
/// </summary>
/// <param name="reference">The real pictures under the same network as the generated ones.</param>
/// <param name="heldOut">Whether a pair (item, colour) never occurs in training.</param>
/// <param name="options">Seeds and sizes.</param>
public sealed class Evaluator(ReferenceStatistics reference, Func<int, int, bool> heldOut, EvaluatorOptions? options = null)
{
    private readonly EvaluatorOptions options = options ?? new();

    /// <summary>
    /// Name (<see cref="MetricNames"/>) and value of each metric: FID over all real pictures; the Inception score of the item
    /// head's posterior (so at most the number of items, and blind to colour); the kernel distance; precision and recall against as
    /// many real pictures as generated ones, or all kept ones where there are more generated; alignment with the prompts.
    /// Left out, rather than reported as a number that means nothing: the Inception score below 10 pictures, precision and recall
    /// below 4, alignment of a group of prompts that does not occur, of colour where none was asked.
    /// </summary>
    /// <param name="generated">Features and logits of N ≥ 2 generated pictures.</param>
    /// <param name="items">(N) int64, asked items.</param>
    /// <param name="colours">(N) int64, asked colours, −1 where none was asked.</param>
    /// <exception cref="UserException">Fewer than 2 pictures, values that are not finite, or another network's features.</exception>
    public IEnumerable<(string Name, double Value)> Evaluate(FeatureSet generated, Tensor items, Tensor colours)
    {
        // A list, not an iterator: no scope may stay open across a yield.
        List<(string, double)> values = [];
        using var scope = NewDisposeScope();
        var network = reference.Key.Network;
        var features = generated.Features.detach().cpu();
        using var statistics = FeatureStatistics.From(features);
        var count = statistics.Count;
        values.Add((MetricNames.Fid(network, count), Frechet.Distance(statistics, reference.Statistics)));

        if (count >= InceptionScore.Splits)
        {
            using var generator = new Generator((ulong)options.Seed);
            var (mean, std) = InceptionScore.Compute(generated.ItemLogits, randperm(count, ScalarType.Int64, generator: generator));
            values.Add((MetricNames.InceptionScore(network, count), mean));
            values.Add((MetricNames.InceptionScoreStd(network, count), std));
        }

        var subset = (int)Math.Min(options.KidSubsetSize, Math.Min(count, reference.Sample.shape[0]));
        var kid = KernelDistance.Compute(features, reference.Sample, options.Seed, options.KidSubsets, subset);
        values.Add((MetricNames.Kid(network, count), kid.Mean));
        values.Add((MetricNames.KidStd(network, count), kid.Std));

        var real = reference.Sample[..(int)Math.Min(count, reference.Sample.shape[0])];
        if (real.shape[0] > PrecisionRecall.Neighbour)
        {
            var manifold = PrecisionRecall.Compute(features, real);
            values.Add((MetricNames.Precision(network, count), manifold.Precision));
            values.Add((MetricNames.Recall(network, count), manifold.Recall));
        }

        var (seen, unseen) = Alignment.Compute(generated.ItemLogits, generated.ColourLogits, items, colours, heldOut);
        Add(seen, false);
        Add(unseen, true);
        return values;

        void Add(Alignment? group, bool isHeldOut)
        {
            if (group is null) return;
            values.Add((MetricNames.Alignment(isHeldOut, network, count), group.Both));
            values.Add((MetricNames.AlignmentItem(isHeldOut, network, count), group.Item));
            if (group.Colour is { } colour) values.Add((MetricNames.AlignmentColour(isHeldOut, network, count), colour));
        }
    }
}
