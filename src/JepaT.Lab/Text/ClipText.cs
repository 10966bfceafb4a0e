using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// The frozen text tower of CLIP as text encoder: pooled, the projected vector at the end of the text, not normalised, as the
/// published code conditions on; as tokens, the last hidden states from the start to the end of the text.
/// </summary>
/// <remarks>A text longer than the network's context (77 tokens) is cut and keeps its end; the original refuses it (oddity 6).</remarks>
public sealed class ClipText : ITextEncoder, IDisposable
{
    private const int Batch = 64;                       // texts at a time: 64 of 77 tokens need some 200 MB

    private readonly ClipTextNetwork network;
    private readonly ClipTokenizer tokenizer;
    private readonly Lazy<string> fingerprint;
    private readonly bool refuseLong;

    /// <param name="weights">A dictionary with OpenAI's or Hugging Face's names, also that of a whole CLIP. Not kept.</param>
    /// <param name="source">Where it is from, for messages.</param>
    /// <param name="tokenizer">Its vocabulary must be the one that the weights were trained with.</param>
    /// <param name="device">Where to compute; the CPU by default.</param>
    /// <param name="dtype">What to compute in; results are float32 whatever it is.</param>
    /// <param name="heads">Attention heads; 0 for OpenAI's rule, one for 64 of the width.</param>
    /// <param name="errata">Oddities 3 (its layers re-initialised) and 6 (texts longer than the context refused) may be kept.</param>
    /// <exception cref="UserException">The weights are not those of a text tower, or have another vocabulary.</exception>
    public ClipText(IReadOnlyDictionary<string, Tensor> weights, string source, ClipTokenizer tokenizer, Device? device = null,
        ScalarType dtype = ScalarType.Float32, int heads = 0, Errata? errata = null)
    {
        this.tokenizer = tokenizer;
        refuseLong = errata?.LongPromptsFail ?? false;
        network = new ClipTextNetwork(weights, source, device, dtype, heads, errata?.ReinitialisedClip ?? false);
        var size = network.VocabularySize;
        if (size != tokenizer.Size)
        {
            network.Dispose();
            throw new UserException($"{source}: its embedding has {size:N0} tokens, the vocabulary {tokenizer.Size:N0}; take the two of one model");
        }
        fingerprint = new(Hash);
    }

    /// <inheritdoc/>
    public string Name => "clip";

    /// <inheritdoc/>
    public int Dim => (int)network.OutputWidth;

    /// <summary>SHA-256 of all that decides what a text becomes: weights, their type, heads, vocabulary.</summary>
    public string Fingerprint => fingerprint.Value;

    /// <inheritdoc/>
    public void Check(IReadOnlyList<string> captions)
    {
        foreach (var caption in captions)
        {
            HashedText.Require(caption);
            if (refuseLong) tokenizer.Tokenize(caption, network.Context, refuseLong);
        }
    }

    /// <inheritdoc/>
    public Tensor Encode(IReadOnlyList<string> captions)
    {
        using var scope = NewDisposeScope();
        var pooled = captions.Chunk(Batch).Select(part => Run(part).Pooled).ToList();
        return (pooled.Count == 0 ? empty(0, Dim) : cat(pooled)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
    {
        if (network.Width != Dim) return new(Encode(captions), null, null);
        using var scope = NewDisposeScope();
        var pooled = new List<Tensor>();
        var tokens = new List<float[]>();
        foreach (var part in captions.Chunk(Batch))
        {
            var (vectors, hidden, ends) = Run(part);
            pooled.Add(vectors);
            for (var i = 0; i < ends.Length; i++) tokens.Add([.. hidden[i].narrow(0, 0, ends[i] + 1).contiguous().data<float>()]);
        }
        var features = TextPadding.Pad(pooled.Count == 0 ? empty(0, Dim) : cat(pooled), tokens);
        foreach (var t in new[] { features.Pooled, features.Tokens!, features.Mask! }) t.MoveToOuterDisposeScope();
        return features;
    }

    /// <inheritdoc/>
    public void Dispose() => network.Dispose();

    /// <summary>Pooled (B, output) and hidden (B, n, C), float32 on the CPU, and the place of each end; n is the longest text's.</summary>
    private (Tensor Pooled, Tensor Hidden, long[] Ends) Run(string[] captions)
    {
        using var scope = NewDisposeScope();
        foreach (var caption in captions) HashedText.Require(caption);
        var ids = captions.Select(c => tokenizer.Tokenize(c, network.Context, refuseLong)).ToArray();
        var longest = ids.Max(row => row.Length);
        var padded = ids.SelectMany(row => row.Concat(Enumerable.Repeat(0, longest - row.Length)).Select(id => (long)id)).ToArray();
        var ends = Array.ConvertAll(ids, row => (long)Array.IndexOf(row, tokenizer.EndId));     // the first, should the text name one
        var hidden = network.Hidden(tensor(padded, [captions.Length, longest], device: network.Device));
        var pooled = network.Pooled(hidden, tensor(ends, device: network.Device));
        return (pooled.cpu().to(float32).MoveToOuterDisposeScope(), hidden.cpu().to(float32).MoveToOuterDisposeScope(), ends);
    }

    private string Hash()
    {
        using var scope = NewDisposeScope();
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        sha.AppendData(Encoding.UTF8.GetBytes($"1 {network.Heads} {tokenizer.Fingerprint}"));
        foreach (var (name, w) in network.Weights)
        {
            sha.AppendData(Encoding.UTF8.GetBytes($"{name} {w.dtype} {string.Join(',', w.shape)}\n"));
            sha.AppendData(MemoryMarshal.AsBytes(w.cpu().contiguous().bytes));
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset());
    }
}
