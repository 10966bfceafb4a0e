using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>What joins the text to the predictor's output: residual cross-attention, then concatenation and projection.</summary>
/// <remarks>Both modules always exist, so that every checkpoint loads into every preset; one that is off gets no gradient.</remarks>
internal sealed class TextFusion : Module
{
    private readonly Fusion fusion;
    [ComponentName(Name = "cross_attention")] private readonly CrossAttention crossAttention;
    [ComponentName(Name = "fuse_proj")] private readonly Linear rawTextProjection;

    public TextFusion(ModelConfig config, Init init) : base(nameof(TextFusion))
    {
        fusion = config.Fusion;
        crossAttention = new CrossAttention(config, init);
        rawTextProjection = init.Linear(2 * config.Dim, config.Dim);
        RegisterComponents();
    }

    /// <summary>z (B, m, C), text of B rows → (B, m, C); z as it came when both switches are off.</summary>
    public Tensor Call(Tensor z, TextCondition text)
    {
        using var scope = NewDisposeScope();
        var y = z.alias();
        if (fusion.PostCrossAttention) y = y + crossAttention.Call(y, text);
        if (fusion.RawText) y = rawTextProjection.Wide(cat([y, text.Pooled.unsqueeze(1).expand(-1, y.shape[1], -1)], -1));
        return y.MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Attention of every image token to the text. With text tokens it is attention: queries from z, keys and values from the tokens. The
/// text has no positions here; what a text encoder knows of the order of words is in its tokens.
/// </summary>
/// <remarks>
/// The pooled form is the published one: one vector, repeated L times. With equal keys the softmax is uniform whatever the queries
/// are, so the output is the constant <c>out(value(text))</c> and W_q, W_k get no gradient (reference, oddity 2; <c>text: pooled</c> keeps
/// it, there is no other switch); it is computed as such. Dropout on L equal weights is a binomial factor for each head and query.
/// </remarks>
internal sealed class CrossAttention : Module
{
    private readonly int heads, keys;
    private readonly double dropout;
    private readonly ScalarType precision;
    [ComponentName(Name = "in_proj_weight")] private readonly Parameter inputWeight;
    [ComponentName(Name = "in_proj_bias")] private readonly Parameter inputBias;
    [ComponentName(Name = "out_proj")] private readonly Linear output;

    public CrossAttention(ModelConfig config, Init init) : base(nameof(CrossAttention))
    {
        long c = config.Dim;
        (heads, keys, dropout, precision) = (config.CrossHeads, config.Tokens, config.AttentionDropout, config.Precision);
        inputWeight = init.Uniform(Math.Sqrt(6.0 / (3 * c + c)), 3 * c, c);
        inputBias = init.Zeros(3 * c);
        output = init.Linear(c, c);
        RegisterComponents();
    }

    /// <summary>z (B, n, C), text of B rows → what is added to z: (B, n, C), or (B, 1, C) where it is the same for all tokens.</summary>
    public Tensor Call(Tensor z, TextCondition text) => text is { Tokens: { } tokens, Mask: { } mask } ? Attend(z, tokens, mask) : Call(z.shape[1], text.Pooled);

    // z (B, n, C), tokens (B, T, C), mask (B, T) → (B, n, C)
    private Tensor Attend(Tensor z, Tensor tokens, Tensor mask)
    {
        using var scope = NewDisposeScope();
        long b = z.shape[0], c = z.shape[2];
        var q = Linear.Apply(z, inputWeight.narrow(0, 0, c), inputBias.narrow(0, 0, c), precision);
        var kv = Linear.Apply(tokens, inputWeight.narrow(0, c, 2 * c), inputBias.narrow(0, c, 2 * c), precision).chunk(2, -1);
        var y = functional.scaled_dot_product_attention(Split(q), Split(kv[0]), Split(kv[1]),
            attn_mask: mask.unsqueeze(1).unsqueeze(1), p: training ? dropout : 0);          // (B, h, n, C/h)
        return output.call(y.transpose(1, 2).reshape(b, -1, c)).MoveToOuterDisposeScope();

        Tensor Split(Tensor t) => t.reshape(b, t.shape[1], heads, c / heads).transpose(1, 2);
    }

    /// <summary>text (B, C) → what is added to each of n tokens: (B, 1, C), with dropout (B, n, C).</summary>
    public Tensor Call(long n, Tensor text)
    {
        using var scope = NewDisposeScope();
        long b = text.shape[0], c = text.shape[1], h = heads;
        var value = Linear.Apply(text, inputWeight.narrow(0, 2 * c, c), inputBias.narrow(0, 2 * c, c), precision);
        if (!training || dropout == 0) return output.call(value).unsqueeze(1).MoveToOuterDisposeScope();
        var count = full([b, n, h, 1], keys, dtype: text.dtype, device: text.device);
        var keep = binomial(count, full_like(count, 1 - dropout)).div_(keys * (1 - dropout));
        return output.call((value.reshape(b, 1, h, c / h) * keep).reshape(b, n, c)).MoveToOuterDisposeScope();
    }
}
