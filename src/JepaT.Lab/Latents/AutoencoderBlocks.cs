using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch.nn;

namespace JepaT.Lab;

// Shapes: B images, C channels, H × W places. Inference only: activations are overwritten where nobody else holds them.

/// <summary>Small layers that the autoencoder's blocks share.</summary>
internal static class Layers
{
    /// <summary>Group norm of 32 groups, as everywhere in the autoencoder.</summary>
    public static GroupNorm Norm(long channels) => GroupNorm(32, channels, 1e-6);

    /// <summary>A square convolution that keeps the size.</summary>
    public static Conv2d Conv(long inputs, long outputs, long kernel = 3) => Conv2d(inputs, outputs, kernel, padding: (kernel - 1) / 2);

    /// <summary>Norm, then swish.</summary>
    public static Tensor Activate(GroupNorm norm, Tensor x) => functional.silu(norm.call(x), inplace: true);
}

/// <summary>Two convolutions, each after norm and swish, around a shortcut.</summary>
internal sealed class ResidualBlock : Module<Tensor, Tensor>
{
    private readonly GroupNorm norm1, norm2;
    private readonly Conv2d conv1, conv2;
    [ComponentName(Name = "nin_shortcut")] private readonly Conv2d? shortcut;

    public ResidualBlock(long inputs, long outputs) : base(nameof(ResidualBlock))
    {
        (norm1, conv1) = (Layers.Norm(inputs), Layers.Conv(inputs, outputs));
        (norm2, conv2) = (Layers.Norm(outputs), Layers.Conv(outputs, outputs));
        if (inputs != outputs) shortcut = Layers.Conv(inputs, outputs, 1);
        RegisterComponents();
    }

    /// <summary>(B, inputs, H, W) → (B, outputs, H, W).</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var h = conv1.call(Layers.Activate(norm1, x));
        h = conv2.call(Layers.Activate(norm2, h));
        return h.add_(shortcut is null ? x : shortcut.call(x)).MoveToOuterDisposeScope();
    }
}

/// <summary>Single-head attention of every place to every place.</summary>
internal sealed class PlaceAttention : Module<Tensor, Tensor>
{
    private readonly GroupNorm norm;
    private readonly Conv2d q, k, v;
    [ComponentName(Name = "proj_out")] private readonly Conv2d projection;

    public PlaceAttention(long channels) : base(nameof(PlaceAttention))
    {
        norm = Layers.Norm(channels);
        (q, k, v) = (Layers.Conv(channels, channels, 1), Layers.Conv(channels, channels, 1), Layers.Conv(channels, channels, 1));
        projection = Layers.Conv(channels, channels, 1);
        RegisterComponents();
    }

    /// <summary>(B, C, H, W) → the same.</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        var h = norm.call(x);
        var y = functional.scaled_dot_product_attention(Places(q), Places(k), Places(v));                 // (B, 1, HW, C), scale C^-0.5
        return projection.call(y.squeeze(1).transpose(1, 2).reshape(x.shape)).add_(x).MoveToOuterDisposeScope();

        Tensor Places(Conv2d layer) => layer.call(h).flatten(2).transpose(1, 2).unsqueeze(1);
    }
}

/// <summary>Halves the size by a convolution; the border is one row below and one column to the right only.</summary>
internal sealed class Downsample : Module<Tensor, Tensor>
{
    private readonly Conv2d conv;

    public Downsample(long channels) : base(nameof(Downsample))
    {
        conv = Conv2d(channels, channels, 3, stride: 2);
        RegisterComponents();
    }

    /// <summary>(B, C, H, W) → (B, C, H/2, W/2).</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return conv.call(functional.pad(x, [0, 1, 0, 1])).MoveToOuterDisposeScope();
    }
}

/// <summary>Doubles the size by repetition, then a convolution.</summary>
internal sealed class Upsample : Module<Tensor, Tensor>
{
    private readonly Conv2d conv;

    public Upsample(long channels) : base(nameof(Upsample))
    {
        conv = Layers.Conv(channels, channels);
        RegisterComponents();
    }

    /// <summary>(B, C, H, W) → (B, C, 2H, 2W).</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return conv.call(functional.interpolate(x, scale_factor: [2, 2], mode: InterpolationMode.Nearest)).MoveToOuterDisposeScope();
    }
}

/// <summary>All blocks of one resolution, then the change to the next one.</summary>
internal sealed class Level : Module<Tensor, Tensor>
{
    private readonly ModuleList<ResidualBlock> block = new();
    private readonly ModuleList<PlaceAttention> attn = new();
    private readonly Downsample? downsample;
    private readonly Upsample? upsample;

    public Level(long inputs, long outputs, int blocks, bool attention = false, bool down = false, bool up = false) : base(nameof(Level))
    {
        for (var i = 0; i < blocks; i++)
        {
            block.Add(new ResidualBlock(i == 0 ? inputs : outputs, outputs));
            if (attention) attn.Add(new PlaceAttention(outputs));
        }
        if (down) downsample = new Downsample(outputs);
        if (up) upsample = new Upsample(outputs);
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < block.Count; i++)
        {
            x = block[i].call(x);
            if (attn.Count > 0) x = attn[i].call(x);
        }
        if (downsample is not null) x = downsample.call(x);
        if (upsample is not null) x = upsample.call(x);
        return x.MoveToOuterDisposeScope();
    }
}

/// <summary>Residual block, attention, residual block at the lowest resolution.</summary>
internal sealed class Middle : Module<Tensor, Tensor>
{
    [ComponentName(Name = "block_1")] private readonly ResidualBlock first;
    [ComponentName(Name = "attn_1")] private readonly PlaceAttention attention;
    [ComponentName(Name = "block_2")] private readonly ResidualBlock second;

    public Middle(long channels) : base(nameof(Middle))
    {
        (first, attention, second) = (new ResidualBlock(channels, channels), new PlaceAttention(channels), new ResidualBlock(channels, channels));
        RegisterComponents();
    }

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return second.call(attention.call(first.call(x))).MoveToOuterDisposeScope();
    }
}
