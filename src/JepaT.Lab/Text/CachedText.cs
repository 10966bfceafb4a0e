using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>
/// Keeps what a slow encoder made of each caption in one file, named by the encoder's fingerprint, for all processes: the 1,000 class
/// captions of ImageNet are encoded once. Of a million captions as well, only those are in memory that are asked for.
/// </summary>
/// <remarks>The file's form is <see cref="TextStore"/>'s. Where it is full or cannot be written, captions are encoded each time they come.</remarks>
public sealed class CachedText : ITextEncoder, IDisposable
{
    /// <summary>The file grows up to this: some 1.3 million captions of 12 tokens by CLIP.</summary>
    internal const long MostBytes = 32L << 30;

    // Captions that are looked up and encoded at once, and those kept in memory since they come again and again.
    internal const int AtOnce = 4096;
    private const int MostRecent = 1024;

    private readonly ITextEncoder inner;
    private readonly TextStore store;
    private readonly Dictionary<string, EncodedText> recent = [];

    /// <param name="inner">The encoder; it is disposed with this one.</param>
    /// <param name="fingerprint">Tells its weights from all others, e.g. <see cref="ClipText.Fingerprint"/>.</param>
    /// <param name="folder">Where the file lies; the user's cache by default.</param>
    /// <param name="note">Is told of a damaged file or one that cannot be written; standard error by default.</param>
    public CachedText(ITextEncoder inner, string fingerprint, string? folder = null, Action<string>? note = null) : this(inner, fingerprint, folder, note, MostBytes) { }

    internal CachedText(ITextEncoder inner, string fingerprint, string? folder, Action<string>? note, long mostBytes)
    {
        this.inner = inner;
        store = new(Path.Combine(folder ?? CacheFolder.Of("text"), $"{inner.Name}-{fingerprint[..16]}.text"), fingerprint, inner.Dim, mostBytes, note ?? Console.Error.WriteLine);
    }

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public int Dim => inner.Dim;

    /// <inheritdoc/>
    public void Check(IReadOnlyList<string> captions) => inner.Check(captions);

    /// <inheritdoc/>
    public Tensor Encode(IReadOnlyList<string> captions)
    {
        using var scope = NewDisposeScope();
        var rows = empty(captions.Count, Dim);
        var at = 0;
        foreach (var part in captions.Chunk(AtOnce))
        {
            using var step = NewDisposeScope();
            rows.narrow(0, at, part.Length).copy_(Pooled(Learn(part)));
            at += part.Length;
        }
        return rows.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
    {
        EncodedText[] texts = [.. captions.Chunk(AtOnce).SelectMany(Learn)];
        var pooled = Pooled(texts);
        return texts.Any(t => t.Tokens is null) ? new(pooled, null, null) : TextPadding.Pad(pooled, [.. texts.Select(t => t.Tokens!)]);
    }

    /// <inheritdoc/>
    public void Dispose() => (inner as IDisposable)?.Dispose();

    private Tensor Pooled(EncodedText[] texts)
    {
        var rows = new float[texts.Length * Dim];
        for (var i = 0; i < texts.Length; i++) texts[i].Pooled.CopyTo(rows.AsSpan(i * Dim));
        return tensor(rows, [texts.Length, Dim]);
    }

    /// <summary>A few captions' encodings: from memory, from the file, or made now.</summary>
    private EncodedText[] Learn(string[] captions)
    {
        var known = captions.Where(recent.ContainsKey).Distinct().ToDictionary(c => c, c => recent[c]);
        string[] wanted = [.. captions.Where(c => !known.ContainsKey(c)).Distinct()];
        if (wanted.Length > 0)
        {
            foreach (var (caption, text) in wanted.Zip(store.Read(wanted)))
                if (text is { } kept) known[caption] = kept;
            string[] fresh = [.. wanted.Where(c => !known.ContainsKey(c))];
            if (fresh.Length > 0)
            {
                Make(fresh, known);
                store.Append(fresh.Select(c => KeyValuePair.Create(c, known[c])));
            }
            if (recent.Count + wanted.Length > MostRecent) recent.Clear();
            foreach (var caption in wanted.Take(MostRecent)) recent[caption] = known[caption];
        }
        return Array.ConvertAll(captions, c => known[c]);
    }

    private void Make(string[] fresh, Dictionary<string, EncodedText> known)
    {
        using var scope = NewDisposeScope();
        var features = inner.EncodeTokens(fresh);
        var lengths = features.Mask?.sum(1).data<long>().ToArray();
        var pooled = Numbers(features.Pooled);
        var tokens = features.Tokens is null ? [] : Numbers(features.Tokens);
        var row = tokens.Length / fresh.Length;                                 // of all tokens of a caption, the padding too
        for (var i = 0; i < fresh.Length; i++)
            known[fresh[i]] = new(pooled.Slice(i * Dim, Dim).ToArray(), lengths is null ? null : tokens.Slice(i * row, (int)lengths[i] * Dim).ToArray());

        static Span<float> Numbers(Tensor t) => t.numel() == 0 ? [] : MemoryMarshal.Cast<byte, float>(t.contiguous().bytes);
    }
}
