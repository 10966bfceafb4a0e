using static TorchSharp.torch.nn;

namespace JepaT.Lab;

/// <summary>A part of the Inception network: the whole is a list of them, run in order.</summary>
internal abstract record InceptionLayer
{
    /// <summary>Channels that come out for <paramref name="channels"/> that go in; tells each convolution on the way with its inputs.</summary>
    public abstract long Channels(long channels, Action<InceptionConvolution, long> visit);

    /// <summary>(B, C, H, W) to the layer's output, a fresh tensor in the caller's scope.</summary>
    public abstract Tensor Run(Tensor x, IReadOnlyDictionary<string, Tensor> weights);

    /// <summary>Runs layers in order, freeing what lies between them.</summary>
    public static Tensor Run(IReadOnlyList<InceptionLayer> layers, Tensor x, IReadOnlyDictionary<string, Tensor> weights)
    {
        using var scope = NewDisposeScope();
        var first = true;
        foreach (var layer in layers)
        {
            var y = layer.Run(x, weights);
            if (!first) x.Dispose();
            (x, first) = (y, false);
        }
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>Channels after layers in order; tells each convolution with its inputs.</summary>
    public static long Channels(IReadOnlyList<InceptionLayer> layers, long channels, Action<InceptionConvolution, long> visit) =>
        layers.Aggregate(channels, (c, layer) => layer.Channels(c, visit));
}

/// <summary>Convolution with a bias (its batch norm, folded), then ReLU.</summary>
/// <param name="Name">Path in the public weights, e.g. <c>Mixed_5b.branch1x1</c>.</param>
/// <param name="Outputs">Channels that come out.</param>
/// <param name="Height">Of the kernel.</param>
/// <param name="Width">Of the kernel.</param>
/// <param name="Stride">In both directions.</param>
/// <param name="Keep">Whether the border is padded, so that stride 1 keeps the size.</param>
internal sealed record InceptionConvolution(string Name, long Outputs, long Height, long Width, long Stride, bool Keep) : InceptionLayer
{
    public override long Channels(long channels, Action<InceptionConvolution, long> visit)
    {
        visit(this, channels);
        return Outputs;
    }

    public override Tensor Run(Tensor x, IReadOnlyDictionary<string, Tensor> weights) =>
        functional.conv2d(x, weights[Name + ".weight"], weights[Name + ".bias"], [Stride, Stride],
            Keep ? [(Height - 1) / 2, (Width - 1) / 2] : [0, 0]).relu_();
}

/// <summary>The three poolings, all 3 × 3.</summary>
internal enum InceptionPool
{
    /// <summary>Mean, size kept; the border's zeros do not count, as in TensorFlow and unlike torchvision.</summary>
    Mean,

    /// <summary>Maximum, size kept: only in the last block, where the FID variant differs from every other Inception.</summary>
    Max,

    /// <summary>Maximum, size halved.</summary>
    Halve,
}

/// <summary>A pooling.</summary>
internal sealed record InceptionPooling(InceptionPool Kind) : InceptionLayer
{
    public override long Channels(long channels, Action<InceptionConvolution, long> visit) => channels;

    public override Tensor Run(Tensor x, IReadOnlyDictionary<string, Tensor> weights) => Kind switch
    {
        InceptionPool.Mean => functional.avg_pool2d(x, [3, 3], [1, 1], [1, 1], count_include_pad: false),
        InceptionPool.Max => functional.max_pool2d(x, [3, 3], [1, 1], [1, 1]),
        _ => functional.max_pool2d(x, [3, 3], [2, 2]),
    };
}

/// <summary>Branches side by side, joined along the channels.</summary>
internal sealed record InceptionBranches(params InceptionLayer[][] Branches) : InceptionLayer
{
    public override long Channels(long channels, Action<InceptionConvolution, long> visit) => Branches.Sum(b => Channels(b, channels, visit));

    public override Tensor Run(Tensor x, IReadOnlyDictionary<string, Tensor> weights)
    {
        using var scope = NewDisposeScope();
        return cat([.. Branches.Select(b => Run(b, x, weights))], 1).MoveToOuterDisposeScope();
    }
}

/// <summary>The layers of the FID Inception-v3 of December 2015 under the names of its public PyTorch weights.</summary>
internal static class InceptionArchitecture
{
    /// <summary>Features a picture.</summary>
    public const int Features = 2048;

    /// <summary>Classes of the 2015 network, of which ImageNet's thousand are a part.</summary>
    public const int Classes = 1008;

    private static readonly InceptionLayer Mean = new InceptionPooling(InceptionPool.Mean);
    private static readonly InceptionLayer Max = new InceptionPooling(InceptionPool.Max);
    private static readonly InceptionLayer Halve = new InceptionPooling(InceptionPool.Halve);

    /// <summary>From pictures (B, 3, 299, 299) to (B, 2048, 8, 8).</summary>
    public static readonly IReadOnlyList<InceptionLayer> Layers =
    [
        Stem("Conv2d_1a_3x3", 32, 3, stride: 2), Stem("Conv2d_2a_3x3", 32, 3), Stem("Conv2d_2b_3x3", 64, 3, keep: true), Halve,
        Stem("Conv2d_3b_1x1", 80, 1), Stem("Conv2d_4a_3x3", 192, 3), Halve,
        BlockA("5b", 32), BlockA("5c", 64), BlockA("5d", 64),
        BlockB("6a"), BlockC("6b", 128), BlockC("6c", 160), BlockC("6d", 160), BlockC("6e", 192),
        BlockD("7a"), BlockE("7b", Mean), BlockE("7c", Max),
    ];

    private static InceptionConvolution Stem(string name, long outputs, long kernel, long stride = 1, bool keep = false) =>
        new(name, outputs, kernel, kernel, stride, keep);

    private static InceptionBranches BlockA(string block, long pooled)
    {
        var n = Names(block);
        return new(
            [n("branch1x1", 64, 1, 1)],
            [n("branch5x5_1", 48, 1, 1), n("branch5x5_2", 64, 5, 5)],
            [n("branch3x3dbl_1", 64, 1, 1), n("branch3x3dbl_2", 96, 3, 3), n("branch3x3dbl_3", 96, 3, 3)],
            [Mean, n("branch_pool", pooled, 1, 1)]);
    }

    private static InceptionBranches BlockB(string block)
    {
        var n = Names(block);
        return new(
            [Halving(n("branch3x3", 384, 3, 3))],
            [n("branch3x3dbl_1", 64, 1, 1), n("branch3x3dbl_2", 96, 3, 3), Halving(n("branch3x3dbl_3", 96, 3, 3))],
            [Halve]);
    }

    private static InceptionBranches BlockC(string block, long inner)
    {
        var n = Names(block);
        return new(
            [n("branch1x1", 192, 1, 1)],
            [n("branch7x7_1", inner, 1, 1), n("branch7x7_2", inner, 1, 7), n("branch7x7_3", 192, 7, 1)],
            [
                n("branch7x7dbl_1", inner, 1, 1), n("branch7x7dbl_2", inner, 7, 1), n("branch7x7dbl_3", inner, 1, 7),
                n("branch7x7dbl_4", inner, 7, 1), n("branch7x7dbl_5", 192, 1, 7),
            ],
            [Mean, n("branch_pool", 192, 1, 1)]);
    }

    private static InceptionBranches BlockD(string block)
    {
        var n = Names(block);
        return new(
            [n("branch3x3_1", 192, 1, 1), Halving(n("branch3x3_2", 320, 3, 3))],
            [n("branch7x7x3_1", 192, 1, 1), n("branch7x7x3_2", 192, 1, 7), n("branch7x7x3_3", 192, 7, 1), Halving(n("branch7x7x3_4", 192, 3, 3))],
            [Halve]);
    }

    private static InceptionBranches BlockE(string block, InceptionLayer pool)
    {
        var n = Names(block);
        return new(
            [n("branch1x1", 320, 1, 1)],
            [n("branch3x3_1", 384, 1, 1), new InceptionBranches([n("branch3x3_2a", 384, 1, 3)], [n("branch3x3_2b", 384, 3, 1)])],
            [
                n("branch3x3dbl_1", 448, 1, 1), n("branch3x3dbl_2", 384, 3, 3),
                new InceptionBranches([n("branch3x3dbl_3a", 384, 1, 3)], [n("branch3x3dbl_3b", 384, 3, 1)]),
            ],
            [pool, n("branch_pool", 192, 1, 1)]);
    }

    private static Func<string, long, long, long, InceptionConvolution> Names(string block) =>
        (name, outputs, height, width) => new($"Mixed_{block}.{name}", outputs, height, width, 1, true);

    private static InceptionConvolution Halving(InceptionConvolution c) => c with { Stride = 2, Keep = false };
}
