using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>Visible tokens behind K buffer tokens that carry the text → features (paper: the context encoder).</summary>
internal sealed class Encoder : Module
{
    [ComponentName(Name = "buffer")] private readonly Parameter buffer;
    [ComponentName(Name = "encoder_pos_embed_learned")] private readonly Parameter position;
    [ComponentName(Name = "z_proj")] private readonly Linear tokenProjection;
    [ComponentName(Name = "z_proj_ln")] private readonly LayerNorm inputNorm;
    [ComponentName(Name = "encoder_blocks")] private readonly ModuleList<Block> blocks;
    [ComponentName(Name = "encoder_norm")] private readonly LayerNorm norm;
    private readonly bool recompute;

    public Encoder(ModelConfig config, Init init) : base(nameof(Encoder))
    {
        long c = config.Dim, k = config.BufferTokens;
        recompute = config.Recompute;
        // Started at zero, the buffer tokens would stay equal for ever: nothing tells them apart (reference, oddity 10).
        buffer = config.Errata.IdenticalBufferTokens ? init.Zeros(1, k, c) : init.Normal(0.02, 1, k, c);
        position = init.Normal(0.02, 1, config.Tokens, c);
        tokenProjection = init.Linear(config.TokenDim, c);
        inputNorm = init.LayerNorm(c);
        blocks = new ModuleList<Block>([.. Enumerable.Range(0, config.EncoderDepth).Select(_ => new Block(config, init))]);
        norm = init.LayerNorm(c);
        RegisterComponents();
    }

    /// <summary>
    /// tokens (B, L, D), visible (B, n) or null for all, text for the buffer (B, C) → (B, K + n, C).
    /// With <paramref name="wanted"/> (B, m), places among the n visible ones, only those: (B, m, C), without buffer.
    /// </summary>
    public Tensor Call(Tensor tokens, Tensor? visible, Tensor text, Tensor? wanted = null)
    {
        using var scope = NewDisposeScope();
        long b = tokens.shape[0], k = buffer.shape[1];
        Tensor places = position.expand(b, -1, -1);
        if (visible is not null) (tokens, places) = (ImageTokens.Take(tokens, visible), ImageTokens.Take(places, visible));
        var x = tokenProjection.call(tokens) + places;              // (B, n, C)
        x = cat([buffer + text.unsqueeze(1), x], 1);                // (B, K + n, C)
        x = Block.Run(blocks, inputNorm.call(x), wanted is null ? null : wanted + k, recompute);
        return norm.call(x).MoveToOuterDisposeScope();
    }
}
