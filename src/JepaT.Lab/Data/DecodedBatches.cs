namespace JepaT.Lab;

/// <summary>Batches in order, the next always begun while one is used. Owns the decoder.</summary>
internal sealed class DecodedBatches : IDisposable
{
    private readonly PictureDecoder decoder;
    private readonly IEnumerator<long[]> wanted;
    private readonly Queue<DecodedPictures> begun = new();

    public DecodedBatches(PictureDecoder decoder, IEnumerable<long[]> wanted)
    {
        (this.decoder, this.wanted) = (decoder, wanted.GetEnumerator());
        Begin();
    }

    public DecodedPictures Next()
    {
        Begin();
        return begun.Dequeue();
    }

    public string WhyCorrupt(long picture) => decoder.Corrupt[picture];

    public void Dispose()
    {
        decoder.Dispose();                          // first, so that nobody decodes for those that nobody waits for
        foreach (var batch in begun) batch.Dispose();
        wanted.Dispose();
    }

    private void Begin()
    {
        if (wanted.MoveNext()) begun.Enqueue(decoder.Begin(wanted.Current));
    }
}

/// <summary>Pictures of a folder as bytes, decoded ahead, for what looks at each once.</summary>
internal static class PictureBytes
{
    private const int Batch = 32;

    /// <summary>(B, 3, side, side) uint8 of all pictures in order; each batch belongs to the caller.</summary>
    public static IEnumerable<Tensor> Of(ImageFolder folder, int side, CorruptPictures corrupt, int threads)
    {
        var decoder = new PictureDecoder(folder, side, corrupt, threads > 0 ? threads : Environment.ProcessorCount, ahead: 2 * Batch);
        using var batches = new DecodedBatches(decoder, Enumerable.Range(0, folder.Files.Count).Select(i => (long)i).Chunk(Batch));
        for (var at = 0; at < folder.Files.Count; at += Batch)
        {
            using var batch = batches.Next();
            if (Bytes(batch) is { } bytes) yield return bytes;
        }
    }

    private static Tensor? Bytes(DecodedPictures batch)
    {
        using var scope = NewDisposeScope();
        var images = batch.Wait();
        var there = Enumerable.Range(0, batch.Index.Length).Where(i => batch.Index[i] != DecodedPictures.Skipped).Select(i => (long)i).ToArray();
        return there.Length == 0 ? null : Pictures.Bytes(images.index_select(0, tensor(there))).DetachFromDisposeScope();
    }
}
