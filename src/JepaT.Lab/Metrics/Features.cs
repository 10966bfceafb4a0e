namespace JepaT.Lab;

/// <summary>Checks that every metric makes of the features, logits or indices it is given.</summary>
internal static class Features
{
    /// <summary>Requires (N, D) with N ≥ <paramref name="atLeast"/> and finite values.</summary>
    /// <exception cref="UserException">One line that names what is wrong.</exception>
    public static void Require(Tensor x, string name, long atLeast)
    {
        if (x.dim() != 2) throw new UserException($"{name}: expected (samples, width), found ({string.Join(", ", x.shape)})");
        if (x.shape[0] < atLeast) throw new UserException($"{name}: at least {atLeast} samples are needed, there are {x.shape[0]}");
        using var scope = NewDisposeScope();
        if (!isfinite(x).all().item<bool>())
            throw new UserException($"{name}: hold NaN or infinity (did the pictures come out of a diverged model?)");
    }

    /// <summary>Requires two sets of the same width.</summary>
    /// <exception cref="UserException">One line with both widths.</exception>
    public static void RequireSameWidth(long a, long b)
    {
        if (a != b) throw new UserException($"features of width {a} and {b} cannot be compared: take both from the same network");
    }
}
