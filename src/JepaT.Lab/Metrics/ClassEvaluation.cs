namespace JepaT.Lab;

/// <summary>
/// The published protocol: pictures judged by the FID Inception against given statistics. Of captioned classes it makes equally many of
/// each, class by class (FID-50K: 50 of each of 1,000); of pictures with captions of their own it draws the prompts from these. Without a judge
/// pictures are only drawn.
/// </summary>
internal sealed class ClassEvaluation : IModelEvaluation
{
    private const int GridRows = 2, GridColumns = 16;
    private const long GridSeeds = 1L << 33;                                    // a counter far from those of the measured pictures

    private readonly Experiment experiment;
    private readonly Device device;
    private readonly CaptionFeatures captions;                                  // of the classes or pictures
    private readonly Renderer? renderer;                                        // null: nothing is measured, and latents cannot be decoded
    private readonly Inception? network;
    private readonly ReferenceStatistics? reference;
    private readonly FidProtocol protocol;
    private readonly int[] shown;

    /// <param name="experiment">What to sample and measure with.</param>
    /// <param name="data">The captions, of classes or of pictures; not owned.</param>
    /// <param name="text">Encodes them.</param>
    /// <param name="device">Where all runs.</param>
    /// <exception cref="UserException">A file is missing or does not fit, or the pictures cannot be shared out among the classes.</exception>
    public ClassEvaluation(Experiment experiment, ITrainingData data, ITextEncoder text, Device device)
    {
        (this.experiment, this.device) = (experiment, device);
        var config = experiment.Evaluation;
        protocol = new();
        if (config.Network == JudgeChoice.Auto)
        {
            protocol = ProtocolOf(data, config, experiment.Data);
            network = Inception.Load(file => WeightsOf(file), config.Inception, device);
            var (real, source) = (config.Reference!, experiment.Data);
            reference = Directory.Exists(real) ? ReferenceStatistics.FromFolder(real, network, source.Size, source.Corrupt, source.DecodeThreads) : ReferenceStatistics.FromNpz(real, network);
        }
        if (network is not null || Renderer.IsPossible(experiment.Data)) renderer = Renderer.Of(experiment.Data, device);
        else Console.Error.WriteLine($"no sample pictures: {PublicWeights.Kl16.What} is not there (data.autoencoder names it); training needs none");
        captions = new(data.Captions, text, experiment.Text, device);
        var columns = Math.Min(GridColumns, data.Captions.Count);
        shown = [.. Enumerable.Range(0, columns).Select(i => (int)((long)i * data.Captions.Count / columns))];
        GridPrompts = [.. shown.Select(i => data.Captions[i])];
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> GridPrompts { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> GridHeldOut => [];

    /// <inheritdoc/>
    public int PictureCount => network is null ? 0 : protocol.Count;

    /// <inheritdoc/>
    public EvaluationCard? Card => network is null ? null : experiment.Model.Head == HeadKind.Flow
        ? EvaluationCard.Of(network, reference!, protocol, experiment.Sampling, ema: true)
        : EvaluationCard.Of(network, reference!, protocol, experiment.Sampling, ema: true) with
        {
            Temperature = experiment.Sampling.Temperature,
            Steps = new GaussianSchedule(experiment.Sampling.GaussSpacing).Timesteps.Count,
        };

    /// <inheritdoc/>
    public IReadOnlyList<(string Name, double Value)> Measure(JepaModel model, CancellationToken stop, Action<int>? progress = null)
    {
        if (network is null) return [];
        using var evaluation = new FidEvaluation(network, reference!, protocol);
        return evaluation.Run(numbers => Generate(model, [.. numbers.Select(protocol.PromptOf)], numbers[0]), experiment.Evaluation.BatchSize, progress, stop);
    }

    /// <inheritdoc/>
    public Tensor? Samples(JepaModel model)
    {
        if (renderer is null) return null;
        using var scope = NewDisposeScope();
        return Pictures.Round(Generate(model, [.. shown.SelectMany(c => Enumerable.Repeat(c, GridRows))], GridSeeds)).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        renderer?.Dispose();
        captions.Dispose();
        network?.Dispose();
        reference?.Dispose();
    }

    /// <exception cref="UserException">The pictures cannot be shared out among the classes, or it is not known whether there are any.</exception>
    private static FidProtocol ProtocolOf(ITrainingData data, EvaluationConfig config, DataConfig source)
    {
        using var ids = data.CaptionIds.cpu();
        return data.HasClasses switch
        {
            true => new FidProtocol { Classes = data.Captions.Count, Seed = config.Seed }.WithCount(config.Count),
            false => FidProtocol.OfCaptions([.. ids.data<long>().Select(id => (int)id)], config.Count, config.Seed),
            null => throw LatentData.ClassesUnknown(source.Folder),
        };
    }

    private Tensor Generate(JepaModel model, int[] prompts, long first)
    {
        using var scope = NewDisposeScope();
        var rows = tensor(prompts.Select(p => (long)p).ToArray(), device: device);
        var seeds = Enumerable.Range(0, prompts.Length).Select(i => Seeds.Of(experiment.Evaluation.Seed, SeedUse.Samples, first + i)).ToList();
        return renderer!.Render(Sampler.Images(model, captions.Of(rows), seeds, experiment.Sampling)).MoveToOuterDisposeScope();
    }

    private static Dictionary<string, Tensor> WeightsOf(string file)
    {
        using var opened = WeightFile.Open(file);
        return opened.ReadAll();
    }
}
