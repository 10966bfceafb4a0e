namespace JepaT.Lab;

/// <summary>The text weights of CLIP under OpenAI's names, float32 on the CPU, from a file with OpenAI's or Hugging Face's.</summary>
internal static class ClipWeights
{
    private const string HuggingFace = "text_model.";

    /// <summary>What a full CLIP holds besides its text tower.</summary>
    private static readonly string[] Others =
    [
        "visual.", "logit_scale", "logit_bias", "input_resolution", "context_length", "vocab_size", "attn_mask",
        "vision_model.", "visual_projection.", HuggingFace + "embeddings.position_ids",
    ];

    /// <summary>The name below <c>transformer.resblocks.N.</c> for the one below <c>text_model.encoder.layers.N.</c></summary>
    private static readonly (string Theirs, string Ours)[] Renames =
    [
        ("layer_norm1.", "ln_1."), ("layer_norm2.", "ln_2."), ("mlp.fc1.", "mlp.c_fc."), ("mlp.fc2.", "mlp.c_proj."), ("self_attn.out_proj.", "attn.out_proj."),
    ];

    /// <summary>New tensors, detached from any dispose scope; nothing is kept unless names and shapes fit the sizes they imply.</summary>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape.</exception>
    public static Dictionary<string, Tensor> Own(IReadOnlyDictionary<string, Tensor> file, string source)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var text = file.Where(w => !Others.Any(o => w.Key.StartsWith(o, StringComparison.Ordinal))).ToList();
        foreach (var (name, w) in text) WeightMatch.RequireFinite(w, name, source);                     // here it has the name of the file
        var named = text.Any(w => w.Key.StartsWith(HuggingFace, StringComparison.Ordinal)) ? Rename(text) : text.ToDictionary();
        var weights = named.ToDictionary(w => w.Key, w => w.Value.is_floating_point() ? w.Value.cpu().to(float32) : w.Value);
        var own = Shapes(weights, source).ToDictionary(s => s.Name, s => empty(s.Shape, dtype: float32));
        WeightMatch.Copy([.. own.Select(w => (w.Key, w.Value))], weights, source, "wanted is the text tower of CLIP, e.g. ViT-B/32");
        foreach (var w in own.Values) w.DetachFromDisposeScope();
        return own;
    }

    /// <summary>
    /// What the published code does to its frozen CLIP (oddity 3): every linear layer becomes Xavier noise with bias 0, every LayerNorm is
    /// reset; embeddings, attention inputs and the projection survive. One seed for all runs.
    /// </summary>
    public static void Reinitialise(IReadOnlyDictionary<string, Tensor> own)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using var g = new Generator(0);
        foreach (var (name, w) in own.OrderBy(w => w.Key, StringComparer.Ordinal))
        {
            var norm = name.Contains(".ln_", StringComparison.Ordinal) || name.StartsWith("ln_final.", StringComparison.Ordinal);
            var linear = name.Contains(".mlp.c_", StringComparison.Ordinal) || name.Contains(".attn.out_proj.", StringComparison.Ordinal);
            if (!norm && !linear) continue;
            if (name.EndsWith(".bias", StringComparison.Ordinal)) w.zero_();
            else if (norm) w.fill_(1);
            else w.copy_(rand(w.shape, generator: g).sub_(0.5).mul_(2 * Math.Sqrt(6.0 / (w.shape[0] + w.shape[1]))));
        }
    }

    /// <summary>Every name and shape, from the sizes of the embeddings, the first block, the projection and the number of blocks.</summary>
    private static IEnumerable<(string Name, long[] Shape)> Shapes(Dictionary<string, Tensor> weights, string source)
    {
        const string blocks = "transformer.resblocks.", hidden = blocks + "0.mlp.c_fc.bias";
        long Size(string name, int dimensions, int i) =>
            weights.TryGetValue(name, out var w) && w.dim() == dimensions ? w.shape[i]
            : throw new UserException($"{source}: does not hold the text tower of CLIP: {name} is missing or has another shape");
        var (vocabulary, c) = (Size("token_embedding.weight", 2, 0), Size("token_embedding.weight", 2, 1));
        var (context, output, f) = (Size("positional_embedding", 2, 0), Size("text_projection", 2, 1), Size(hidden, 1, 0));
        var layers = weights.Keys.Where(k => k.StartsWith(blocks, StringComparison.Ordinal)).Select(k => k.Split('.')[2]).Distinct().Count();

        yield return ("token_embedding.weight", [vocabulary, c]);
        yield return ("positional_embedding", [context, c]);
        for (var i = 0; i < layers; i++)
            foreach (var (name, shape) in (IEnumerable<(string, long[])>)
            [
                ("ln_1.weight", [c]), ("ln_1.bias", [c]), ("ln_2.weight", [c]), ("ln_2.bias", [c]),
                ("attn.in_proj_weight", [3 * c, c]), ("attn.in_proj_bias", [3 * c]), ("attn.out_proj.weight", [c, c]), ("attn.out_proj.bias", [c]),
                ("mlp.c_fc.weight", [f, c]), ("mlp.c_fc.bias", [f]), ("mlp.c_proj.weight", [c, f]), ("mlp.c_proj.bias", [c]),
            ])
                yield return ($"{blocks}{i}.{name}", shape);
        yield return ("ln_final.weight", [c]);
        yield return ("ln_final.bias", [c]);
        yield return ("text_projection", [c, output]);
    }

    /// <summary>Hugging Face's names to OpenAI's: q, k and v become one, the projection is transposed; the unknown keep theirs.</summary>
    private static Dictionary<string, Tensor> Rename(IEnumerable<KeyValuePair<string, Tensor>> file)
    {
        var theirs = file.ToDictionary();
        var ours = new Dictionary<string, Tensor>();
        foreach (var (name, w) in theirs)
        {
            const string layers = HuggingFace + "encoder.layers.";
            if (!name.StartsWith(layers, StringComparison.Ordinal))
            {
                var (key, value) = name switch
                {
                    HuggingFace + "embeddings.token_embedding.weight" => ("token_embedding.weight", w),
                    HuggingFace + "embeddings.position_embedding.weight" => ("positional_embedding", w),
                    HuggingFace + "final_layer_norm.weight" => ("ln_final.weight", w),
                    HuggingFace + "final_layer_norm.bias" => ("ln_final.bias", w),
                    "text_projection.weight" when w.dim() == 2 => ("text_projection", w.t()),
                    _ => (name, w),
                };
                ours[key] = value;
                continue;
            }
            var end = name.IndexOf('.', layers.Length);
            var (block, rest) = end < 0 ? (name[layers.Length..], "") : (name[layers.Length..end], name[(end + 1)..]);
            var to = $"transformer.resblocks.{block}.";
            if (rest is "self_attn.q_proj.weight" or "self_attn.q_proj.bias")
            {
                var kind = rest["self_attn.q_proj.".Length..];
                Tensor? Part(string p) => theirs.GetValueOrDefault($"{layers}{block}.self_attn.{p}_proj.{kind}");
                if (w.dim() > 0 && Part("k") is { } k && Part("v") is { } v && k.shape.SequenceEqual(w.shape) && v.shape.SequenceEqual(w.shape))
                    ours[$"{to}attn.in_proj_{kind}"] = cat([w, k, v]);
                else ours[name] = w;
            }
            else if (!rest.StartsWith("self_attn.k_proj.", StringComparison.Ordinal) && !rest.StartsWith("self_attn.v_proj.", StringComparison.Ordinal))
            {
                var rename = Renames.FirstOrDefault(r => rest.StartsWith(r.Theirs, StringComparison.Ordinal));
                ours[rename.Theirs is null ? name : to + rename.Ours + rest[rename.Theirs.Length..]] = w;
            }
        }
        return ours;
    }
}
