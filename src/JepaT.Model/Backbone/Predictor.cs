using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>Features of the visible tokens → features of the wanted ones (paper: the feature predictor; published code: decoder).</summary>
internal sealed class Predictor : Module
{
    [ComponentName(Name = "mask_token")] private readonly Parameter maskToken;
    [ComponentName(Name = "decoder_pos_embed_learned")] private readonly Parameter position;
    [ComponentName(Name = "decoder_embed")] private readonly Linear embed;
    [ComponentName(Name = "decoder_blocks")] private readonly ModuleList<Block> blocks;
    [ComponentName(Name = "decoder_norm")] private readonly LayerNorm norm;
    private readonly int bufferTokens;
    private readonly bool recompute;

    public Predictor(ModelConfig config, Init init) : base(nameof(Predictor))
    {
        long c = config.Dim;
        recompute = config.Recompute;
        bufferTokens = config.BufferTokens;
        maskToken = init.Normal(0.02, 1, 1, c);
        position = init.Normal(0.02, 1, config.Tokens, c);
        embed = init.Linear(c, c);
        blocks = new ModuleList<Block>([.. Enumerable.Range(0, config.PredictorDepth).Select(_ => new Block(config, init))]);
        norm = init.LayerNorm(c);
        RegisterComponents();
    }

    /// <summary>encoded (B, K + n, C), visible (B, n), wanted (B, m), text (B, C) or null → (B, m, C).</summary>
    public Tensor Call(Tensor encoded, Tensor visible, Tensor wanted, Tensor? text)
    {
        using var scope = NewDisposeScope();
        long b = encoded.shape[0], k = bufferTokens, n = visible.shape[1], l = position.shape[1], c = encoded.shape[2];
        var x = embed.Wide(encoded);
        if (text is not null) x = x + text.unsqueeze(1);            // mask tokens get no text themselves (oddity 7)
        var image = maskToken.expand(b, l, c)
            .scatter(1, visible.unsqueeze(-1).expand(-1, -1, c), x.narrow(1, k, n)) + position;
        x = cat([x.narrow(1, 0, k), image], 1);                     // (B, K + L, C); the buffer has no position
        x = Block.Run(blocks, x, wanted + k, recompute);
        return norm.call(x).MoveToOuterDisposeScope();
    }
}
