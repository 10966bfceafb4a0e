using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// Captioned pictures of 28 × 28, kept once as grey bytes on the device; a batch is rendered when it is asked for, so tinted
/// data take no more memory than plain and need no loader. N pictures, B a batch, C = 1 (plain) or 3 (tinted) channels.
/// </summary>
public sealed class ImageDataset : ITrainingData
{
    private readonly Tensor grey;                                               // (N, 28, 28) uint8
    private readonly Tensor? scale;                                             // (8, 3, 1, 1): grey byte × scale - 1 is the picture

    internal ImageDataset(string name, string split, byte[] images, byte[] items, byte[]? colours, Device device)
    {
        (Name, Split, Count, Channels) = (name, split, items.Length, colours is null ? 1 : 3);
        Pair[] kinds = colours is null ? [.. Enumerable.Range(0, Vocabulary.Items.Count).Select(i => new Pair(i, Vocabulary.NoColour))]
            : [.. Vocabulary.SeenPairs];
        Captions = [.. kinds.Select(k => Vocabulary.Caption(k.Item, k.Colour))];
        Digest = DigestOf(name, split, images, items, colours, Vocabulary.Colours.Zip(Vocabulary.Rgb), Vocabulary.HeldOutPairs);

        var idOf = kinds.Select((kind, id) => (kind, id)).ToDictionary(k => k.kind, k => k.id);
        var pairs = items.Select((item, i) => new Pair(item, colours?[i] ?? Vocabulary.NoColour)).ToArray();
        using var scope = NewDisposeScope();
        grey = Own(tensor(images, [Count, ImageSize, ImageSize]));
        Items = Own(tensor(Array.ConvertAll(pairs, p => (long)p.Item)));
        Colours = Own(tensor(Array.ConvertAll(pairs, p => (long)p.Colour)));
        CaptionIds = Own(tensor(Array.ConvertAll(pairs, p => (long)idOf[p])));
        scale = colours is null ? null : Own(Palette() / 127.5f);

        Tensor Own(Tensor t) => t.to(device).DetachFromDisposeScope();
    }

    /// <summary>Name of the data set, e.g. <c>fashion-mnist-tinted</c>.</summary>
    public string Name { get; }

    /// <summary><c>train</c> or <c>test</c>.</summary>
    public string Split { get; }

    /// <summary>
    /// Eight hex digits that change with pictures, labels, colours chosen (so with the tint seed), the colours' red, green and
    /// blue, and the pairs held out: two data sets of one digest give the same batches.
    /// </summary>
    public string Digest { get; }

    /// <summary>N, the number of pictures.</summary>
    public int Count { get; }

    /// <summary>1 for plain, 3 for tinted pictures.</summary>
    public int Channels { get; }

    /// <summary>Height and width in pixels.</summary>
    public int ImageSize { get; } = IdxFile.Side;

    /// <summary>The distinct captions: 10 plain, or the 64 seen pairs; <see cref="CaptionIds"/> points into it.</summary>
    public IReadOnlyList<string> Captions { get; }

    /// <inheritdoc/>
    public bool? HasClasses => true;

    /// <summary>(N) int64: the caption of each picture. Owned by the data set.</summary>
    public Tensor CaptionIds { get; }

    /// <summary>(N) int64, 0 to 9: the item of each picture. Owned by the data set.</summary>
    public Tensor Items { get; }

    /// <summary>(N) int64, 0 to 7, or -1 where plain: the colour of each picture. Owned by the data set.</summary>
    public Tensor Colours { get; }

    /// <summary>(8, 3, 1, 1) float32 in [0, 1]: the colours.</summary>
    internal static Tensor Palette() => tensor(Vocabulary.Rgb.SelectMany(rgb => rgb).ToArray()).view(-1, 3, 1, 1);

    /// <summary>
    /// Renders pictures: index (B) int64 on the data set's device -> (B, C, 28, 28) float32 in [-1, 1]. A tinted picture is
    /// grey/255 × colour, so the background stays black.
    /// </summary>
    public Tensor Images(Tensor index)
    {
        using var scope = NewDisposeScope();
        var images = grey.index_select(0, index).unsqueeze(1).to(ScalarType.Float32);                 // (B, 1, 28, 28)
        images = scale is null ? images.mul_(1 / 127.5f) : images * scale.index_select(0, Colours.index_select(0, index));
        return images.sub_(1f).MoveToOuterDisposeScope();
    }

    /// <summary>Pictures and caption numbers of a batch; nothing about them is random.</summary>
    public TrainingImages Take(Tensor index, long seed) => new(Images(index), CaptionIds.index_select(0, index));

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        grey.Dispose();
        scale?.Dispose();
        Items.Dispose();
        Colours.Dispose();
        CaptionIds.Dispose();
    }

    internal static string DigestOf(string name, string split, byte[] images, byte[] items, byte[]? colours,
        IEnumerable<(string Name, IReadOnlyList<float> Rgb)> palette, IEnumerable<Pair> heldOut)
    {
        var text = FormattableString.Invariant($"{name} {split}");
        if (colours is not null)
            text += string.Concat(palette.Select(c => FormattableString.Invariant($"\n{c.Name} {c.Rgb[0]:R} {c.Rgb[1]:R} {c.Rgb[2]:R}")))
                + string.Concat(heldOut.Select(p => FormattableString.Invariant($"\nnot {p.Colour} {p.Item}")));
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in new[] { Encoding.UTF8.GetBytes(text), images, items, colours ?? [] })
        {
            sha.AppendData(BitConverter.GetBytes((long)part.Length));
            sha.AppendData(part);
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset())[..8];
    }
}
