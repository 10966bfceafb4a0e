namespace JepaT.Lab;

/// <summary>
/// A latent cache as data to train on, without its autoencoder: each batch draws, from its seed, whether a picture is mirrored and a latent
/// from its posterior.
/// </summary>
public sealed class LatentData : ITrainingData
{
    private readonly LatentCache cache;

    /// <param name="cache">The cache; owned from now on.</param>
    /// <param name="device">Where the batches go.</param>
    public LatentData(LatentCache cache, Device? device = null)
    {
        this.cache = cache;
        CaptionIds = tensor(cache.CaptionIds.Select(id => (long)id).ToArray()).to(device ?? CPU).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public string Name => cache.Source;

    /// <inheritdoc/>
    public string Split => "train";

    /// <inheritdoc/>
    public string Digest => cache.Digest;

    /// <inheritdoc/>
    public int Count => cache.Count;

    /// <inheritdoc/>
    public int Channels => cache.Shape[0] / 2;

    /// <inheritdoc/>
    public int ImageSize => cache.Shape[1];

    /// <inheritdoc/>
    public IReadOnlyList<string> Captions => cache.Captions;

    /// <inheritdoc/>
    public Tensor CaptionIds { get; }

    /// <inheritdoc/>
    public TrainingImages Take(Tensor index, long seed)
    {
        using var scope = NewDisposeScope();
        using var g = new Generator((ulong)seed);
        var mirrored = Mirroring.Draw((int)index.shape[0], g);
        var moments = cache.Moments(index.cpu(), mirrored);
        var latents = Posterior.Sample(moments, g).to(CaptionIds.device);
        return new(latents.MoveToOuterDisposeScope(), CaptionIds.index_select(0, index).MoveToOuterDisposeScope());
    }

    /// <summary>Closes the cache and frees the tensors.</summary>
    public void Dispose()
    {
        cache.Dispose();
        CaptionIds.Dispose();
    }
}

/// <summary>The diagonal Gaussian that an autoencoder's moments describe.</summary>
internal static class Posterior
{
    /// <summary>Brings the latents of KL-16 to about unit variance (published: 0.2325).</summary>
    public const float Scale = 0.2325f;

    /// <summary>Moments (B, 2C, H, W) on the CPU -> latents (B, C, H, W) = (mean + exp(logvar / 2) × noise) × scale, logvar within [-30, 20].</summary>
    public static Tensor Sample(Tensor moments, Generator g)
    {
        using var scope = NewDisposeScope();
        var parts = moments.chunk(2, 1);
        var noise = randn(parts[0].shape, generator: g);
        return (parts[0] + parts[1].clamp(-30, 20).mul(0.5f).exp() * noise).mul(Scale).MoveToOuterDisposeScope();
    }
}
