using static TorchSharp.torch.nn;

namespace JepaT.Model;

// Shapes: … any leading axes, D token channels, C width of z, W width of the head.

/// <summary>
/// The network of both heads: an MLP on one noisy token with adaptive LayerNorm from time and z (adaLN, as DiT and MAR). What its
/// outputs mean is the head's affair.
/// </summary>
internal sealed class DenoisingMlp : Module<Tensor, Tensor, Tensor>
{
    private const int Sinusoids = 256;

    [ComponentName(Name = "time_embed")] private readonly TimeEmbedding time;
    [ComponentName(Name = "cond_embed")] private readonly Linear condition;
    [ComponentName(Name = "input_proj")] private readonly Linear input;
    [ComponentName(Name = "res_blocks")] private readonly ModuleList<HeadBlock> blocks;
    [ComponentName(Name = "final_layer")] private readonly FinalLayer final;

    /// <param name="config">Sizes.</param>
    /// <param name="outputs">Numbers it gives for each token.</param>
    /// <param name="init">Makes the weights.</param>
    public DenoisingMlp(ModelConfig config, long outputs, Init init) : base(nameof(DenoisingMlp))
    {
        long w = config.HeadWidth;
        time = new TimeEmbedding(Sinusoids, w, init);
        condition = init.Linear(config.Dim, w);
        input = init.Linear(config.TokenDim, w);
        blocks = new ModuleList<HeadBlock>([.. Enumerable.Range(0, config.HeadDepth).Select(_ => new HeadBlock(w, init))]);
        final = new FinalLayer(w, outputs, init);
        RegisterComponents();
    }

    /// <summary>t (…), made for 0 to 1,000 → (…, W).</summary>
    public Tensor EmbedTime(Tensor t) => time.call(t);

    /// <summary>z (…, C) → (…, W).</summary>
    public Tensor EmbedCondition(Tensor z) => condition.call(z);

    /// <summary>
    /// xt (…, D), y = time + condition (…, W) → (…, outputs). With guidance y has twice the rows (conditional, then
    /// unconditional) of xt, and so has the result: the two halves see the same noisy tokens.
    /// </summary>
    public override Tensor forward(Tensor xt, Tensor y)
    {
        using var scope = NewDisposeScope();
        var h = input.Wide(xt);
        if (y.shape[0] != h.shape[0]) h = cat([h, h], 0);
        var modulation = functional.silu(y);            // shared: each adaLN layer starts with it
        foreach (var block in blocks) h = block.Call(h, modulation);
        return final.Call(h, modulation).MoveToOuterDisposeScope();
    }
}

/// <summary>Linear, SiLU, linear.</summary>
internal sealed class SiluMlp : Module<Tensor, Tensor>
{
    [ComponentName(Name = "0")] private readonly Linear first;
    [ComponentName(Name = "2")] private readonly Linear second;

    public SiluMlp(Linear first, Linear second) : base(nameof(SiluMlp))
    {
        (this.first, this.second) = (first, second);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return second.call(functional.silu(first.call(x))).MoveToOuterDisposeScope();
    }
}

/// <summary>Shift, scale and gate from the modulation vector; starts as zero, so that a block starts as the identity.</summary>
internal sealed class Modulation : Module
{
    private readonly int parts;
    [ComponentName(Name = "1")] private readonly Linear linear;

    public Modulation(long width, int parts, Init init) : base(nameof(Modulation))
    {
        this.parts = parts;
        linear = init.NormalLinear(width, parts * width, std: 0);
        RegisterComponents();
    }

    public Tensor[] Call(Tensor modulation) => linear.call(modulation).chunk(parts, -1);
}

internal sealed class HeadBlock : Module
{
    [ComponentName(Name = "in_ln")] private readonly LayerNorm norm;
    [ComponentName(Name = "mlp")] private readonly SiluMlp mlp;
    [ComponentName(Name = "adaLN_modulation")] private readonly Modulation modulate;

    public HeadBlock(long width, Init init) : base(nameof(HeadBlock))
    {
        norm = init.LayerNorm(width);
        mlp = new SiluMlp(init.Linear(width, width), init.Linear(width, width));
        modulate = new Modulation(width, 3, init);
        RegisterComponents();
    }

    /// <summary>x and modulation (…, W) → (…, W).</summary>
    public Tensor Call(Tensor x, Tensor modulation)
    {
        using var scope = NewDisposeScope();
        var m = modulate.Call(modulation);
        var (shift, scale, gate) = (m[0], m[1], m[2]);
        return addcmul(x, gate, mlp.call(addcmul(shift, norm.call(x), scale + 1, 1)), 1).MoveToOuterDisposeScope();
    }
}

internal sealed class FinalLayer : Module
{
    private readonly long[] width;
    [ComponentName(Name = "linear")] private readonly Linear linear;
    [ComponentName(Name = "adaLN_modulation")] private readonly Modulation modulate;

    public FinalLayer(long width, long outputs, Init init) : base(nameof(FinalLayer))
    {
        this.width = [width];
        linear = init.NormalLinear(width, outputs, std: 0);
        modulate = new Modulation(width, 2, init);
        RegisterComponents();
    }

    public Tensor Call(Tensor x, Tensor modulation)
    {
        using var scope = NewDisposeScope();
        var m = modulate.Call(modulation);
        return linear.Wide(addcmul(m[0], functional.layer_norm(x, width, eps: 1e-6), m[1] + 1, 1)).MoveToOuterDisposeScope();
    }
}
