namespace JepaT.Lab;

/// <summary>Pictures and the text features of their captions.</summary>
/// <param name="Images">(B, C, H, W) float32 in [-1, 1].</param>
/// <param name="Text">Features of B captions.</param>
internal sealed record Batch(Tensor Images, TextFeatures Text);

/// <summary>Batches and draws of any step, from the seed and the step alone: equal for all presets of an ablation.</summary>
internal sealed class Batches : IDisposable
{
    private readonly ITrainingData data;
    private readonly CaptionFeatures captions;
    private readonly TrainingConfig config;
    private readonly long seed;
    private Tensor? order;
    private long orderEpoch = -1;

    public Batches(ITrainingData data, ITextEncoder text, TrainingConfig config, long seed, TextForm form = TextForm.Pooled, bool encodeEachStep = false)
    {
        (this.data, this.config, this.seed) = (data, config, seed);
        RequireFit(config, data);
        captions = new(data.Captions, text, form, data.CaptionIds.device, encodeEachStep);
    }

    /// <exception cref="UserException">A batch is larger than the data.</exception>
    public static void RequireFit(TrainingConfig config, ITrainingData data)
    {
        if (config.BatchSize > data.Count)
            throw new UserException($"training.batch_size {config.BatchSize} is more than the {data.Count} pictures of {data.Name}");
    }

    /// <summary>Steps of an epoch; what is left over is not used in it.</summary>
    public long StepsPerEpoch => data.Count / config.BatchSize;

    public Batch Next(long step)
    {
        using var scope = NewDisposeScope();
        var (images, ids) = data.Take(IndexOf(step), Seeds.Of(seed, SeedUse.Pictures, step));
        data.Prepare(IndexOf(step + 1), Seeds.Of(seed, SeedUse.Pictures, step + 1));
        return new(images.MoveToOuterDisposeScope(), captions.Of(ids).Each(t => t.MoveToOuterDisposeScope()));
    }

    /// <summary>(B) int64: the pictures of a step.</summary>
    private Tensor IndexOf(long step)
    {
        var (epoch, at) = Math.DivRem(step, StepsPerEpoch);
        if (epoch != orderEpoch)
        {
            using var g = new Generator((ulong)Seeds.Of(seed, SeedUse.DataOrder, epoch));
            order?.Dispose();
            order = randperm(data.Count, generator: g).to(data.CaptionIds.device).DetachFromDisposeScope();
            orderEpoch = epoch;
        }
        return order!.narrow(0, at * config.BatchSize, config.BatchSize);
    }

    public LossDraws Draws(long step, ModelConfig model)
    {
        using var g = new Generator((ulong)Seeds.Of(seed, SeedUse.Draws, step));
        return Draw(model, config.BatchSize, config.MinimumMaskRatio, config.LabelDrop, g, data.CaptionIds.device);
    }

    /// <summary>Draws of a step; the mask ratio is one number for the batch (reference, oddity 11).</summary>
    internal static LossDraws Draw(ModelConfig model, int batch, double minimumMaskRatio, double labelDrop, Generator g, Device device, double? maskUniform = null)
    {
        using var scope = NewDisposeScope();
        var masked = Masking.Count(Masking.Ratio(maskUniform ?? rand(1, generator: g).ToDouble(), minimumMaskRatio), model.Tokens);
        long rows = (long)batch * masked, copies = model.NoiseCopies;
        return new LossDraws(
            Own(rand([batch, model.Tokens], generator: g).argsort(1)),
            masked,
            Own(rand([batch], generator: g) < labelDrop),
            Own(rand([copies, rows], generator: g)),
            Own(randn([copies, rows, model.TokenDim], generator: g)));

        Tensor Own(Tensor t) => t.to(device).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        order?.Dispose();
        captions.Dispose();
    }
}
