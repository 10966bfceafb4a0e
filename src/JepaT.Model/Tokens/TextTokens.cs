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

    /// <summary>(B, text) → (B, C); rows where <paramref name="drop"/> (B, bool) is true become the unconditional vector.</summary>
    public Tensor Project(Tensor text, Tensor? drop = null)
    {
        using var scope = NewDisposeScope();
        var c = projection.call(text);
        if (drop is not null) c = where(drop.unsqueeze(1), unconditional, c);
        return c.MoveToOuterDisposeScope();
    }
}
