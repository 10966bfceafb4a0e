namespace JepaT.Lab;

/// <summary>
/// Pictures of a folder as pixels to train on: decoded, cropped (see <see cref="CentreCrop"/>) and mirrored by chance while the step before
/// is trained. In the place of a corrupt picture, where those are skipped, stands the next one in order with its own caption.
/// </summary>
public sealed class FolderData : ITrainingData
{
    private readonly ImageFolder folder;
    private readonly PictureDecoder decoder;
    private (long[] Index, long Seed, DecodedPictures Pictures)? next;

    /// <param name="folder">The pictures.</param>
    /// <param name="side">Height and width to bring them to.</param>
    /// <param name="device">Where the batches go.</param>
    /// <param name="corrupt">What to do about corrupt pictures.</param>
    /// <param name="threads">Threads that decode; 0 takes one a core.</param>
    /// <param name="split">Name of the split.</param>
    public FolderData(ImageFolder folder, int side, Device? device = null, CorruptPictures corrupt = CorruptPictures.Fail, int threads = 0, string split = "train")
    {
        (this.folder, ImageSize, Split) = (folder, side, split);
        decoder = new(folder, side, corrupt, threads > 0 ? threads : Environment.ProcessorCount, ahead: 4096);
        CaptionIds = tensor(folder.CaptionIds.Select(id => (long)id).ToArray()).to(device ?? CPU).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public string Name => folder.Name;

    /// <inheritdoc/>
    public string Split { get; }

    /// <inheritdoc/>
    public string Digest => folder.Digest;

    /// <inheritdoc/>
    public int Count => folder.Files.Count;

    /// <inheritdoc/>
    public int Channels => 3;

    /// <inheritdoc/>
    public int ImageSize { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Captions => folder.Captions;

    /// <inheritdoc/>
    public bool? HasClasses => folder.HasClasses;

    /// <inheritdoc/>
    public Tensor CaptionIds { get; }

    /// <summary>How many pictures were skipped so far.</summary>
    public int SkippedCount => decoder.Corrupt.Count;

    /// <inheritdoc/>
    public TrainingImages Take(Tensor index, long seed)
    {
        using var scope = NewDisposeScope();
        Prepare(index, seed);
        using var pictures = next!.Value.Pictures;
        next = null;
        var images = pictures.Wait().to(CaptionIds.device, copy: true);
        var ids = CaptionIds.index_select(0, tensor(pictures.Index).to(CaptionIds.device));
        return new(images.MoveToOuterDisposeScope(), ids.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public void Prepare(Tensor index, long seed)
    {
        using var scope = NewDisposeScope();
        var wanted = index.cpu().data<long>().ToArray();
        if (next is { } ready && ready.Seed == seed && ready.Index.AsSpan().SequenceEqual(wanted)) return;
        next?.Pictures.Dispose();
        next = null;
        using var g = new Generator((ulong)seed);
        var mirror = Mirroring.Draw(wanted.Length, g).data<bool>().ToArray();
        next = (wanted, seed, decoder.Begin(wanted, mirror, replace: true));
    }

    /// <summary>Ends the threads and frees the tensors.</summary>
    public void Dispose()
    {
        decoder.Dispose();
        next?.Pictures.Dispose();
        CaptionIds.Dispose();
    }
}

/// <summary>The only augmentation of the published training: left and right change places, for half of the pictures.</summary>
internal static class Mirroring
{
    /// <summary>(count) bool.</summary>
    public static Tensor Draw(int count, Generator g) => rand([count], generator: g) < 0.5f;
}
