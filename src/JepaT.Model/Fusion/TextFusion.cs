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

    /// <summary>z (B, m, C), text (B, C) → (B, m, C); z as it came when both switches are off.</summary>
    public Tensor Call(Tensor z, Tensor text)
    {
        using var scope = NewDisposeScope();
        var y = z.alias();
        if (fusion.PostCrossAttention) y = y + crossAttention.Call(y.shape[1], text);
        if (fusion.RawText) y = rawTextProjection.call(cat([y, text.unsqueeze(1).expand(-1, y.shape[1], -1)], -1));
        return y.MoveToOuterDisposeScope();
    }
}

/// <summary>
/// Attention of every token to one pooled text vector, repeated L times in the published code. With equal keys the softmax is
/// uniform whatever the queries are, so the output is the constant <c>out(value(text))</c> and W_q, W_k get no gradient
/// (reference, oddity 2); it is computed as such. Dropout on L equal weights is a binomial factor for each head and query.
/// </summary>
internal sealed class CrossAttention : Module
{
    private readonly int heads, keys;
    private readonly double dropout;
    [ComponentName(Name = "in_proj_weight")] private readonly Parameter inputWeight;
    [ComponentName(Name = "in_proj_bias")] private readonly Parameter inputBias;
    [ComponentName(Name = "out_proj")] private readonly Linear output;

    public CrossAttention(ModelConfig config, Init init) : base(nameof(CrossAttention))
    {
        long c = config.Dim;
        (heads, keys, dropout) = (config.CrossHeads, config.Tokens, config.AttentionDropout);
        inputWeight = init.Uniform(Math.Sqrt(6.0 / (3 * c + c)), 3 * c, c);
        inputBias = init.Zeros(3 * c);
        output = init.Linear(c, c);
        RegisterComponents();
    }

    /// <summary>text (B, C) → what is added to each of n tokens: (B, 1, C), with dropout (B, n, C).</summary>
    public Tensor Call(long n, Tensor text)
    {
        using var scope = NewDisposeScope();
        long b = text.shape[0], c = text.shape[1], h = heads;
        var value = functional.linear(text, inputWeight.narrow(0, 2 * c, c), inputBias.narrow(0, 2 * c, c));
        if (!training || dropout == 0) return output.call(value).unsqueeze(1).MoveToOuterDisposeScope();
        var count = full([b, n, h, 1], keys, dtype: text.dtype, device: text.device);
        var keep = binomial(count, full_like(count, 1 - dropout)).div_(keys * (1 - dropout));
        return output.call((value.reshape(b, 1, h, c / h) * keep).reshape(b, n, c)).MoveToOuterDisposeScope();
    }
}
