using static TorchSharp.torch.nn;

namespace JepaT.Lab;

/// <summary>
/// How pictures become the network's 299 × 299 input. The two in use differ by up to half a pixel, so numbers of one do not
/// compare with those of the other.
/// </summary>
public enum InceptionConvention
{
    /// <summary>That of TensorFlow, of ADM's reference statistics and of torch-fidelity, with which MAR, D-JEPA and JEPA-T were measured.</summary>
    TorchFidelity,

    /// <summary>That of pytorch-fid.</summary>
    PytorchFid,
}

/// <summary>Prepares pictures for the Inception network.</summary>
internal static class InceptionInput
{
    /// <summary>Height and width of the input.</summary>
    public const int Side = 299;

    /// <summary>Pictures (B, 3, H, W) uint8 → (B, 3, 299, 299) float32 in about [-1, 1].</summary>
    public static Tensor Prepare(Tensor pictures, InceptionConvention convention)
    {
        using var scope = NewDisposeScope();
        var x = pictures.to(ScalarType.Float32);
        x = convention == InceptionConvention.TorchFidelity
            ? (ResizeTensorFlow(x) - 128) / 128
            : functional.interpolate(x / 255, [Side, Side], mode: InterpolationMode.Bilinear, align_corners: false) * 2 - 1;
        return x.MoveToOuterDisposeScope();
    }

    /// <summary>TensorFlow 1's bilinear resizing: source place = index × in / out without the half pixel, neighbours clamped at the edge.</summary>
    private static Tensor ResizeTensorFlow(Tensor x)
    {
        using var scope = NewDisposeScope();
        return Interpolate(Interpolate(x, 3), 2).MoveToOuterDisposeScope();
    }

    private static Tensor Interpolate(Tensor x, int axis)
    {
        using var scope = NewDisposeScope();
        var n = x.shape[axis];
        var place = arange(Side, ScalarType.Float32, x.device) * ((float)n / Side);
        var low = place.to(ScalarType.Int64);
        var share = (place - low).view(axis == 2 ? [-1, 1] : [-1]);
        var a = x.index_select(axis, low);
        var b = x.index_select(axis, (low + 1).clamp_max(n - 1));
        return (a + (b - a) * share).MoveToOuterDisposeScope();
    }
}
