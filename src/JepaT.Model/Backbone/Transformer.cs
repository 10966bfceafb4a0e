using static TorchSharp.torch.nn;

namespace JepaT.Model;

// Shapes: B images, n tokens, C width, h heads, m wanted tokens.

/// <summary>Root-mean-square norm of the last axis with a learned gain.</summary>
internal sealed class RmsNorm : Module<Tensor, Tensor>
{
    private const double Eps = 1e-6;
    private readonly Parameter weight;

    public RmsNorm(long width, Init init) : base(nameof(RmsNorm))
    {
        weight = init.Ones(width);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var y = x.to(float32);
        var scale = y.square().mean([-1], keepdim: true).add_(Eps).rsqrt_();
        return (y * scale * weight).to(x.dtype).MoveToOuterDisposeScope();
    }
}

/// <summary>Multi-head self-attention; queries may be asked for at some places only.</summary>
internal sealed class Attention : Module<Tensor, Tensor?, Tensor>
{
    private readonly int heads;
    private readonly double attentionDropout, projectionDropout;
    private readonly Linear qkv, proj;
    [ComponentName(Name = "q_norm")] private readonly RmsNorm? queryNorm;
    [ComponentName(Name = "k_norm")] private readonly RmsNorm? keyNorm;

    public Attention(ModelConfig config, Init init) : base(nameof(Attention))
    {
        heads = config.Heads;
        (attentionDropout, projectionDropout) = (config.AttentionDropout, config.ProjectionDropout);
        qkv = init.Linear(config.Dim, 3 * config.Dim);
        proj = init.Linear(config.Dim, config.Dim);
        if (config.QkNorm)
        {
            queryNorm = new RmsNorm(config.Dim / heads, init);
            keyNorm = new RmsNorm(config.Dim / heads, init);
        }
        RegisterComponents();
    }

    /// <summary>x (B, n, C), wanted (B, m) or null for all → (B, m, C).</summary>
    public override Tensor forward(Tensor x, Tensor? wanted)
    {
        using var scope = NewDisposeScope();
        long b = x.shape[0], c = x.shape[2];
        var (q, k, v) = Project(x, wanted);             // (B, h, n, C/h)
        var y = functional.scaled_dot_product_attention(q, k, v, p: training ? attentionDropout : 0)
            .transpose(1, 2).reshape(b, -1, c);         // (B, m, C)
        return Dropout.Apply(proj.call(y), projectionDropout, training).MoveToOuterDisposeScope();
    }

    /// <summary>What <see cref="forward"/> weighs the values with: (B, h, m, n), each row sums to 1.</summary>
    public Tensor Weights(Tensor x, Tensor? wanted)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (q, k, _) = Project(x, wanted);
        return (einsum("bhmd,bhnd->bhmn", q, k) / Math.Sqrt(q.shape[^1])).softmax(-1).MoveToOuterDisposeScope();
    }

    // No scope of its own: the tensors live in that of the caller.
    private (Tensor Q, Tensor K, Tensor V) Project(Tensor x, Tensor? wanted)
    {
        long b = x.shape[0], c = x.shape[2];
        Tensor q, k, v;
        if (wanted is null)
        {
            var parts = qkv.call(x).chunk(3, -1);       // 3 × (B, n, C)
            (q, k, v) = (parts[0], parts[1], parts[2]);
        }
        else
        {
            q = qkv.Rows(ImageTokens.Take(x, wanted), 0, c);
            var parts = qkv.Rows(x, c, 2 * c).chunk(2, -1);
            (k, v) = (parts[0], parts[1]);
        }
        (q, k, v) = (Split(q), Split(k), Split(v));
        if (queryNorm is not null) (q, k) = (queryNorm.call(q), keyNorm!.call(k));
        return (q, k, v);

        Tensor Split(Tensor t) => t.reshape(b, t.shape[1], heads, c / heads).transpose(1, 2);
    }
}

/// <summary>Two linear layers with exact GELU; in the JEPA head with a LayerNorm between them.</summary>
internal sealed class Mlp : Module<Tensor, Tensor>
{
    private readonly double dropout;
    private readonly Linear fc1, fc2;
    private readonly LayerNorm? norm;

    public Mlp(Linear fc1, Linear fc2, double dropout = 0, LayerNorm? norm = null) : base(nameof(Mlp))
    {
        (this.fc1, this.fc2, this.dropout, this.norm) = (fc1, fc2, dropout, norm);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        x = Dropout.Apply(functional.gelu(fc1.call(x)), dropout, training);
        if (norm is not null) x = norm.call(x.to(norm.weight!.dtype));
        return Dropout.Apply(fc2.call(x), dropout, training).MoveToOuterDisposeScope();
    }
}

/// <summary>Pre-norm transformer block.</summary>
internal sealed class Block : Module<Tensor, Tensor?, Tensor>
{
    private readonly LayerNorm norm1, norm2;
    private readonly Attention attn;
    private readonly Mlp mlp;

    public Block(ModelConfig config, Init init) : base(nameof(Block))
    {
        long c = config.Dim, hidden = c * config.MlpRatio;
        norm1 = init.LayerNorm(c);
        attn = new Attention(config, init);
        norm2 = init.LayerNorm(c);
        mlp = new Mlp(init.Linear(c, hidden), init.Linear(hidden, c), config.ProjectionDropout);
        RegisterComponents();
    }

    /// <summary>x (B, n, C), wanted (B, m) or null for all → (B, m, C).</summary>
    public override Tensor forward(Tensor x, Tensor? wanted)
    {
        using var scope = NewDisposeScope();
        var a = attn.call(norm1.call(x), wanted);
        x = (wanted is null ? x : ImageTokens.Take(x, wanted)) + a;
        return (x + mlp.call(norm2.call(x))).MoveToOuterDisposeScope();
    }

    /// <summary>All blocks in turn; the last one computes only the wanted places. With <paramref name="recompute"/> each runs again in the backward pass.</summary>
    public static Tensor Run(ModuleList<Block> blocks, Tensor x, Tensor? wanted, bool recompute)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < blocks.Count; i++)
        {
            var places = i == blocks.Count - 1 ? wanted : null;
            x = recompute && x.requires_grad ? JepaT.Model.Recompute.Run(blocks[i], x, places) : blocks[i].call(x, places);
        }
        return x.MoveToOuterDisposeScope();
    }
}

internal static class Dropout
{
    public static Tensor Apply(Tensor x, double p, bool training) => training && p > 0 ? functional.dropout(x, p, training: true) : x;
}
