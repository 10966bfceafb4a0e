namespace JepaT.Model;

/// <summary>Text features to the width of the model, with the learned vector that stands for "no text".</summary>
internal sealed class TextTokens : nn.Module
{
    [ComponentName(Name = "fake_latent")] private readonly Parameter unconditional;
    [ComponentName(Name = "class_emb")] private readonly Sequential projection;

    public TextTokens(ModelConfig config, Init init) : base(nameof(TextTokens))
    {
        unconditional = init.Normal(0.02, 1, config.Dim);
        projection = nn.Sequential(
            init.Linear(config.TextDim, config.Dim),
            init.LayerNorm(config.Dim, eps: 1e-5),      // the one LayerNorm with PyTorch's default eps
            nn.GELU(),
            init.Linear(config.Dim, config.Dim));
        RegisterComponents();
    }

    /// <summary>The vector that stands for "no text", (1, C).</summary>
    public Tensor Unconditional => unconditional;

    /// <summary>
    /// (B, text) and tokens (B, T, text) → (B, C) and (B, T, C), all through one projection: a token is a text of its own, and the
    /// weights are the published ones in both forms. Rows where <paramref name="drop"/> (B, bool) is true become the unconditional
    /// vector, which is then also their only token.
    /// </summary>
    public TextCondition Project(TextFeatures text, Tensor? drop = null)
    {
        var pooled = Project(text.Pooled, drop);
        if (text.Tokens is null || text.Mask is null) return pooled;
        using var scope = NewDisposeScope();
        var (tokens, mask) = (projection.call(text.Tokens).to(unconditional.dtype), text.Mask);
        if (drop is not null)
        {
            var dropped = drop.unsqueeze(1);                                                // (B, 1)
            var first = arange(mask.shape[1], device: mask.device) == 0;
            tokens = where(dropped.unsqueeze(2), unconditional, tokens);
            mask = where(dropped, first, mask);
        }
        return new(pooled, tokens.MoveToOuterDisposeScope(), (drop is null ? mask.alias() : mask).MoveToOuterDisposeScope());
    }

    /// <summary>(B, text) → (B, C); rows where <paramref name="drop"/> (B, bool) is true become the unconditional vector.</summary>
    public Tensor Project(Tensor text, Tensor? drop = null)
    {
        using var scope = NewDisposeScope();
        var c = projection.call(text).to(unconditional.dtype);
        if (drop is not null) c = where(drop.unsqueeze(1), unconditional, c);
        return c.MoveToOuterDisposeScope();
    }
}
