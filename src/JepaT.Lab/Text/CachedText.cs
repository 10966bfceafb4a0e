using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>
/// Keeps what a slow encoder made of each caption, in memory and in one file named by the encoder's fingerprint: the 1,000 class
/// captions of ImageNet are encoded once. Meant for captions that come again; all of them are held in memory.
/// </summary>
/// <remarks>
/// The file is safetensors: <c>pooled</c> (N, Dim), <c>tokens</c> (all tokens in a row, Dim), <c>lengths</c> (N), the captions in the
/// metadata. Each call that met new captions replaces it as a whole, so a reader never sees a part; of two processes that
/// write at once the later wins, and the other's captions are encoded again next time. A file that is damaged is named and rebuilt.
/// </remarks>
public sealed class CachedText : ITextEncoder, IDisposable
{
    private readonly ITextEncoder inner;
    private readonly string path, fingerprint;
    private readonly Action<string> note;
    private readonly Dictionary<string, (float[] Pooled, float[]? Tokens)> known = [];

    /// <param name="inner">The encoder; it is disposed with this one.</param>
    /// <param name="fingerprint">Tells its weights from all others, e.g. <see cref="ClipText.Fingerprint"/>.</param>
    /// <param name="folder">Where the file lies; the user's cache by default.</param>
    /// <param name="note">Is told of a damaged file or one that cannot be written; standard error by default.</param>
    public CachedText(ITextEncoder inner, string fingerprint, string? folder = null, Action<string>? note = null)
    {
        (this.inner, this.fingerprint, this.note) = (inner, fingerprint, note ?? Console.Error.WriteLine);
        path = Path.Combine(folder ?? CacheFolder.Of("text"), $"{inner.Name}-{fingerprint[..16]}.safetensors");
        if (File.Exists(path)) Read();
    }

    /// <inheritdoc/>
    public string Name => inner.Name;

    /// <inheritdoc/>
    public int Dim => inner.Dim;

    /// <inheritdoc/>
    public Tensor Encode(IReadOnlyList<string> captions)
    {
        Learn(captions);
        var rows = new float[captions.Count * Dim];
        for (var i = 0; i < captions.Count; i++) known[captions[i]].Pooled.CopyTo(rows.AsSpan(i * Dim));
        return tensor(rows, [captions.Count, Dim]);
    }

    /// <inheritdoc/>
    public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
    {
        var pooled = Encode(captions);
        return captions.Any(c => known[c].Tokens is null) ? new(pooled, null, null)
            : TextPadding.Pad(pooled, [.. captions.Select(c => known[c].Tokens!)]);
    }

    /// <inheritdoc/>
    public void Dispose() => (inner as IDisposable)?.Dispose();

    private void Learn(IReadOnlyList<string> captions)
    {
        var fresh = captions.Where(c => !known.ContainsKey(c)).Distinct().ToList();
        if (fresh.Count == 0) return;
        using var scope = NewDisposeScope();
        var features = inner.EncodeTokens(fresh);
        var lengths = features.Mask?.sum(1).data<long>().ToArray();
        for (var i = 0; i < fresh.Count; i++)
            known[fresh[i]] = ([.. features.Pooled[i].data<float>()], lengths is null ? null : [.. features.Tokens![i].narrow(0, 0, lengths[i]).data<float>()]);
        try
        {
            AtomicFile.Write(path, Write);
        }
        catch (UserException e)
        {
            note($"the text cache is not saved: {e.Message}");
        }
    }

    private void Write(Stream file)
    {
        using var scope = NewDisposeScope();
        var pooled = known.Values.SelectMany(k => k.Pooled).ToArray();
        var tokens = known.Values.SelectMany(k => k.Tokens ?? []).ToArray();
        var lengths = known.Values.Select(k => k.Tokens is { } t ? (long)t.Length / Dim : -1).ToArray();
        Safetensors.Save(file,
            new Dictionary<string, Tensor>
            {
                ["pooled"] = tensor(pooled, [known.Count, Dim]),
                ["tokens"] = tensor(tokens, [tokens.Length / Dim, Dim]),
                ["lengths"] = tensor(lengths),
            },
            new Dictionary<string, string>
            {
                ["fingerprint"] = fingerprint,
                ["captions"] = JsonSerializer.Serialize(known.Keys),
                ["sha256"] = Hash(pooled, tokens, lengths, known.Keys),
            });
    }

    private void Read()
    {
        Dictionary<string, Tensor> file = [];
        try
        {
            var meta = Safetensors.Metadata(path);
            file = Safetensors.Load(path);
            var captions = JsonSerializer.Deserialize<string[]>(meta.GetValueOrDefault("captions", "null")) ?? [];
            var (pooled, tokens, lengths) = (Values<float>("pooled"), Values<float>("tokens"), Values<long>("lengths"));
            if (meta.GetValueOrDefault("sha256") != Hash(pooled, tokens, lengths, captions) || meta.GetValueOrDefault("fingerprint") != fingerprint)
                throw new InvalidDataException("its checksum does not fit");
            for (int i = 0, at = 0; i < captions.Length; i++)
            {
                var length = (int)Math.Max(0, lengths[i]) * Dim;
                known[captions[i]] = (pooled[(i * Dim)..((i + 1) * Dim)], lengths[i] < 0 ? null : tokens[at..(at + length)]);
                at += length;
            }
        }
        catch (Exception e) when (e is UserException or JsonException or InvalidDataException or InvalidOperationException)
        {
            known.Clear();
            note($"{path}: the text cache is damaged and will be rebuilt ({e.Message})");
        }
        finally
        {
            foreach (var t in file.Values) t.Dispose();
        }

        T[] Values<T>(string name) where T : unmanaged =>
            file.TryGetValue(name, out var t) && t.dtype == (typeof(T) == typeof(float) ? ScalarType.Float32 : ScalarType.Int64) ? t.data<T>().ToArray()
            : throw new InvalidDataException($"{name} is missing");
    }

    private static string Hash(float[] pooled, float[] tokens, long[] lengths, IEnumerable<string> captions)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData(MemoryMarshal.AsBytes(pooled.AsSpan()));
        sha.AppendData(MemoryMarshal.AsBytes(tokens.AsSpan()));
        sha.AppendData(MemoryMarshal.AsBytes(lengths.AsSpan()));
        sha.AppendData(Encoding.UTF8.GetBytes(string.Join('\n', captions)));
        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }
}
