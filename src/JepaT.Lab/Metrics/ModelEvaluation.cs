namespace JepaT.Lab;

/// <summary>
/// Generates pictures of fixed prompts and seeds with a model and measures them. The seen prompts are the captions of the first
/// pictures of the test split, so that they have the distribution of the reference; held-out pairs take turns.
/// </summary>
internal sealed class ModelEvaluation : IModelEvaluation
{
    private const int GridCopies = 2;
    private const long HeldOutSeeds = 1L << 32, GridSeeds = 1L << 33;           // counters far from those of the seen prompts

    private readonly Experiment experiment;
    private readonly FeatureNetwork network;
    private readonly ReferenceStatistics reference;
    private readonly Evaluator evaluator;
    private readonly Prompts seen, grid;
    private readonly Prompts? heldOut;

    /// <param name="experiment">What to sample and measure with.</param>
    /// <param name="test">The real pictures; not owned.</param>
    /// <param name="text">Encodes the prompts.</param>
    /// <param name="network">The judge; owned.</param>
    public ModelEvaluation(Experiment experiment, ImageDataset test, ITextEncoder text, FeatureNetwork network)
    {
        (this.experiment, this.network) = (experiment, network);
        var key = new ReferenceKey(test.Name, test.Split, test.Digest, network.Name, network.Hash);
        reference = ReferenceStatistics.Get(key, test.Count, index =>
        {
            using var scope = NewDisposeScope();
            using var set = network.Extract(test.Images(index.to(test.CaptionIds.device)));
            return set.Features.alias().MoveToOuterDisposeScope();
        });
        evaluator = new Evaluator(reference, Vocabulary.IsHeldOut, new EvaluatorOptions { Seed = experiment.Evaluation.Seed });

        var (items, colours) = (Numbers(test.Items), Numbers(test.Colours));
        var config = experiment.Evaluation;
        seen = new Prompts(text, experiment.Text, Enumerable.Range(0, config.Count).Select(i => new Pair(items[i % items.Length], colours[i % items.Length])));
        var tinted = test.Channels > 1;
        if (tinted) heldOut = new Prompts(text, experiment.Text, Enumerable.Range(0, config.HeldOutCount).Select(i => Vocabulary.HeldOutPairs[i % Vocabulary.HeldOutPairs.Count]));
        var shown = GridPairs(tinted).ToList();
        grid = new Prompts(text, experiment.Text, shown.SelectMany(p => Enumerable.Repeat(p, GridCopies)));
        (GridPrompts, GridHeldOut) = ([.. shown.Select(Caption)], [.. shown.Where(p => Vocabulary.IsHeldOut(p.Item, p.Colour)).Select(Caption)]);
    }

    /// <summary>Every item, and some held-out pairs.</summary>
    public IReadOnlyList<string> GridPrompts { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> GridHeldOut { get; }

    /// <inheritdoc/>
    public int PictureCount => seen.Count + (heldOut?.Count ?? 0);

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, double Value)> Measure(JepaModel model, CancellationToken stop, Action<int>? progress = null)
    {
        using var scope = NewDisposeScope();
        using var made = Extract(model, seen, 0, done => progress?.Invoke(done), stop);
        List<(string, double)> values = [.. evaluator.Evaluate(made, seen.Items, seen.Colours)];
        if (heldOut is null) return values;
        using var unseen = Extract(model, heldOut, HeldOutSeeds, done => progress?.Invoke(seen.Count + done), stop);
        var alignment = Alignment.Compute(unseen.ItemLogits, unseen.ColourLogits, heldOut.Items, heldOut.Colours, Vocabulary.IsHeldOut).HeldOut!;
        values.Add((MetricNames.Alignment(heldOut: true, network.Name, alignment.Count), alignment.Both));
        values.Add((MetricNames.AlignmentItem(heldOut: true, network.Name, alignment.Count), alignment.Item));
        values.Add((MetricNames.AlignmentColour(heldOut: true, network.Name, alignment.Count), alignment.Colour!.Value));
        return values;
    }

    /// <summary>Pictures of <see cref="GridPrompts"/>, two of each: (N, C, H, W) in [-1, 1].</summary>
    public Tensor? Samples(JepaModel model) => Generate(model, grid, GridSeeds, 0, grid.Count);

    public void Dispose()
    {
        network.Dispose();
        reference.Dispose();
        seen.Dispose();
        heldOut?.Dispose();
        grid.Dispose();
    }

    private FeatureSet Extract(JepaModel model, Prompts prompts, long seeds, Action<int> progress, CancellationToken stop)
    {
        using var scope = NewDisposeScope();
        List<FeatureSet> parts = [];
        for (var at = 0; at < prompts.Count; at += experiment.Evaluation.BatchSize)
        {
            stop.ThrowIfCancellationRequested();
            using var batch = NewDisposeScope();
            var part = network.Extract(Generate(model, prompts, seeds, at, Math.Min(experiment.Evaluation.BatchSize, prompts.Count - at)));
            parts.Add(new(Keep(part.Features), Keep(part.ItemLogits), Keep(part.ColourLogits)));
            progress(Math.Min(at + experiment.Evaluation.BatchSize, prompts.Count));
        }
        return new(Join(p => p.Features), Join(p => p.ItemLogits), Join(p => p.ColourLogits));

        static Tensor Keep(Tensor t) => t.alias().MoveToOuterDisposeScope();
        Tensor Join(Func<FeatureSet, Tensor> of) => cat([.. parts.Select(of)], 0).MoveToOuterDisposeScope();
    }

    private Tensor Generate(JepaModel model, Prompts prompts, long seeds, int at, int count)
    {
        using var scope = NewDisposeScope();
        var device = model.Unconditional(1).device;
        var features = prompts.Features.Each(t => t.narrow(0, at, count).to(device));
        var own = Enumerable.Range(at, count).Select(i => Seeds.Of(experiment.Evaluation.Seed, SeedUse.Samples, seeds + i)).ToList();
        var images = Sampler.Images(model, features, own, experiment.Sampling);
        return Pictures.Round(images).MoveToOuterDisposeScope();
    }

    // Every item once, each in another colour, then one held-out pair of each colour.
    private static IEnumerable<Pair> GridPairs(bool tinted) => !tinted
        ? Enumerable.Range(0, Vocabulary.Items.Count).Select(i => new Pair(i, Vocabulary.NoColour))
        : Enumerable.Range(0, Vocabulary.Items.Count)
            .Select(i => new Pair(i, Enumerable.Range(0, Vocabulary.Colours.Count).Select(k => (i + k) % Vocabulary.Colours.Count).First(c => !Vocabulary.IsHeldOut(i, c))))
            .Concat(Vocabulary.HeldOutPairs.DistinctBy(p => p.Item).Take(6));

    private static string Caption(Pair p) => Vocabulary.Caption(p.Item, p.Colour);

    private static int[] Numbers(Tensor t) => [.. t.cpu().data<long>().Select(x => (int)x)];

    /// <summary>Prompts with what they ask for; equal ones are encoded once.</summary>
    private sealed class Prompts : IDisposable
    {
        public Prompts(ITextEncoder text, TextForm form, IEnumerable<Pair> pairs)
        {
            var all = pairs.ToList();
            var distinct = all.Distinct().ToList();
            var idOf = distinct.Select((p, i) => (p, i)).ToDictionary(x => x.p, x => (long)x.i);
            using var scope = NewDisposeScope();
            var ids = tensor(all.ConvertAll(p => idOf[p]));
            Features = text.Encode([.. distinct.Select(Caption)], form).Each(t => t.index_select(0, ids).DetachFromDisposeScope());
            Items = tensor(all.ConvertAll(p => (long)p.Item)).DetachFromDisposeScope();
            Colours = tensor(all.ConvertAll(p => (long)p.Colour)).DetachFromDisposeScope();
            Count = all.Count;
        }

        public int Count { get; }

        public TextFeatures Features { get; }

        public Tensor Items { get; }

        public Tensor Colours { get; }

        public void Dispose()
        {
            Features.Dispose();
            Items.Dispose();
            Colours.Dispose();
        }
    }
}

/// <summary>Generated values as pictures.</summary>
internal static class Pictures
{
    /// <summary>Clipped to [-1, 1] and rounded to the 256 levels that a file can hold, as FID asks: real pictures have no others.</summary>
    public static Tensor Round(Tensor images)
    {
        using var scope = NewDisposeScope();
        return images.clamp(-1, 1).add_(1).mul_(127.5).round_().div_(127.5).sub_(1).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The same levels as uint8. Equal to the published <c>round(clip((x + 1) / 2 · 255, 0, 255))</c> in every bit (halving is exact), ties to even.
    /// </summary>
    public static Tensor Bytes(Tensor images)
    {
        using var scope = NewDisposeScope();
        return images.to(ScalarType.Float32).add(1).mul_(127.5).clamp_(0, 255).round_().to(ScalarType.Byte).MoveToOuterDisposeScope();
    }
}
