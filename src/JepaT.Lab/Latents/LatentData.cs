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
    /// <param name="numbered">Whether captions of classes say the number in place of the name (oddity 4).</param>
    /// <exception cref="UserException">They are to, and it is not known whether they are of classes.</exception>
    public LatentData(LatentCache cache, Device? device = null, bool numbered = false)
    {
        this.cache = cache;
        if (numbered && cache.HasClasses is null)
        {
            cache.Dispose();
            throw ClassesUnknown(cache.Folder);
        }
        Captions = numbered && cache.HasClasses == true ? [.. cache.Captions.Select((_, i) => ImageFolder.NumberedTemplate.Replace("{number}", $"{i}", StringComparison.Ordinal))] : cache.Captions;
        CaptionIds = tensor(cache.CaptionIds.Select(id => (long)id).ToArray()).to(device ?? CPU).DetachFromDisposeScope();
    }

    /// <summary>What is said where it would have to be known.</summary>
    internal static UserException ClassesUnknown(string? folder) => new(
        $"{folder}: does not say whether its captions are of classes or of single pictures; the same ./lab cache-latents command adds that, and encodes nothing again");

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
    public IReadOnlyList<string> Captions { get; }

    /// <inheritdoc/>
    public bool? HasClasses => cache.HasClasses;

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
