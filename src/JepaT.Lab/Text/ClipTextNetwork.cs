using static TorchSharp.torch.nn;

namespace JepaT.Lab;

// Shapes: B texts, n tokens, C width, h heads.

/// <summary>
/// The text tower of CLIP (Radford et al. 2021): a causal pre-norm transformer with quick GELU. It is frozen, so it is its weights,
/// under OpenAI's names, and two functions; there is no module that could be trained or re-initialised by mistake, as the
/// published JEPA-T does (reference, oddity 3).
/// </summary>
internal sealed class ClipTextNetwork : IDisposable
{
    private const double Eps = 1e-5;
    private const int HeadWidth = 64;

    private readonly Dictionary<string, Tensor> weights;
    private readonly int layers;

    /// <param name="file">OpenAI's or Hugging Face's names, also those of a whole CLIP; sizes follow from the shapes. Not kept.</param>
    /// <param name="source">The file's name, for messages.</param>
    /// <param name="device">Where to compute; the CPU by default.</param>
    /// <param name="dtype">What to compute in; the weights may be stored in any floating type.</param>
    /// <param name="heads">0 for OpenAI's rule, a head for 64 of the width.</param>
    /// <param name="reinitialised">Keeps oddity 3: what the published code's initialisation leaves of the weights.</param>
    /// <exception cref="UserException">The file does not hold this network, or the heads do not divide its width.</exception>
    public ClipTextNetwork(IReadOnlyDictionary<string, Tensor> file, string source, Device? device = null, ScalarType dtype = ScalarType.Float32, int heads = 0, bool reinitialised = false)
    {
        var own = ClipWeights.Own(file, source);
        if (reinitialised) ClipWeights.Reinitialise(own);
        Width = own["token_embedding.weight"].shape[1];
        Heads = heads > 0 ? heads : (int)Math.Max(1, Width / HeadWidth);
        if (Width % Heads != 0)
        {
            foreach (var w in own.Values) w.Dispose();
            throw new UserException($"{source}: its width {Width} does not divide into {Heads} heads");
        }
        weights = own.ToDictionary(w => w.Key, w => Moved(w.Value, dtype, device ?? CPU));
        layers = weights.Keys.Count(k => k.EndsWith(".ln_1.bias", StringComparison.Ordinal));
    }

    /// <summary>Vectors of tokens have this width, the pooled one <see cref="OutputWidth"/>.</summary>
    public long Width { get; }

    public int Heads { get; }

    public long OutputWidth => weights["text_projection"].shape[1];

    /// <summary>The longest text, in tokens.</summary>
    public int Context => (int)weights["positional_embedding"].shape[0];

    public int VocabularySize => (int)weights["token_embedding.weight"].shape[0];

    public Device Device => weights["text_projection"].device;

    /// <summary>In the order of the forward pass.</summary>
    public IEnumerable<KeyValuePair<string, Tensor>> Weights => weights;

    /// <summary>Last hidden states: ids (B, n) int64 → (B, n, C). Causal: what comes after a token has no influence on it.</summary>
    public Tensor Hidden(Tensor ids)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        long b = ids.shape[0], n = ids.shape[1];
        var x = weights["token_embedding.weight"].index_select(0, ids.reshape(-1)).reshape(b, n, Width) + weights["positional_embedding"].narrow(0, 0, n);
        for (var i = 0; i < layers; i++) x = Block(x, $"transformer.resblocks.{i}.");
        return Norm(x, "ln_final").MoveToOuterDisposeScope();
    }

    /// <summary>The vector of the whole text, not normalised: hidden (B, n, C), places of the ends (B) int64 → (B, output).</summary>
    public Tensor Pooled(Tensor hidden, Tensor ends)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var at = ends.reshape(-1, 1, 1).expand(-1, 1, Width);
        return functional.linear(hidden.gather(1, at).squeeze(1), weights["text_projection"].t()).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        foreach (var w in weights.Values) w.Dispose();
    }

    private Tensor Block(Tensor x, string name)
    {
        using var scope = NewDisposeScope();
        long b = x.shape[0], n = x.shape[1];
        var qkv = Linear(Norm(x, name + "ln_1"), name + "attn.in_proj_").chunk(3, -1);
        var a = functional.scaled_dot_product_attention(Split(qkv[0]), Split(qkv[1]), Split(qkv[2]), is_casual: true)
            .transpose(1, 2).reshape(b, n, Width);                              // (B, n, C)
        x = x + Linear(a, name + "attn.out_proj.");
        var h = Linear(Norm(x, name + "ln_2"), name + "mlp.c_fc.");
        return (x + Linear(h * (h * 1.702).sigmoid_(), name + "mlp.c_proj.")).MoveToOuterDisposeScope();

        Tensor Split(Tensor t) => t.reshape(b, n, Heads, Width / Heads).transpose(1, 2);        // (B, h, n, C/h)
    }

    private Tensor Norm(Tensor x, string name) => functional.layer_norm(x, [Width], weights[name + ".weight"], weights[name + ".bias"], Eps);

    private Tensor Linear(Tensor x, string name) => functional.linear(x, weights[name + "weight"], weights[name + "bias"]);

    private static Tensor Moved(Tensor weight, ScalarType dtype, Device device)
    {
        if (weight.dtype == dtype && weight.device.type == device.type) return weight;
        var moved = weight.to(dtype, device).DetachFromDisposeScope();
        weight.Dispose();
        return moved;
    }
}
