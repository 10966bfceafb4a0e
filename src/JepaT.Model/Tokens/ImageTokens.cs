namespace JepaT.Model;

/// <summary>Images or latents to tokens and back. A token is a patch, channels slowest; tokens go row by row (the order of unfold).</summary>
public static class ImageTokens
{
    /// <summary>(B, c, H, W) → (B, L, c·p·p).</summary>
    public static Tensor Patchify(Tensor images, int patchSize)
    {
        using var scope = NewDisposeScope();
        var (b, c, h, w, p) = (images.shape[0], images.shape[1], images.shape[2], images.shape[3], patchSize);
        return images.reshape(b, c, h / p, p, w / p, p)
            .permute(0, 2, 4, 1, 3, 5)                  // (B, rows, columns, c, p, p)
            .reshape(b, h / p * (w / p), c * p * p)
            .MoveToOuterDisposeScope();
    }

    /// <summary>(B, L, c·p·p) → (B, c, H, W) of a square image.</summary>
    public static Tensor Unpatchify(Tensor tokens, int patchSize)
    {
        using var scope = NewDisposeScope();
        var (b, l, d, p) = (tokens.shape[0], tokens.shape[1], tokens.shape[2], patchSize);
        var side = (long)Math.Round(Math.Sqrt(l));
        return tokens.reshape(b, side, side, d / (p * p), p, p)
            .permute(0, 3, 1, 4, 2, 5)                  // (B, c, rows, p, columns, p)
            .reshape(b, d / (p * p), side * p, side * p)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The tokens at these places: (B, L, C) and (B, n) → (B, n, C).</summary>
    internal static Tensor Take(Tensor x, Tensor places)
    {
        using var index = places.unsqueeze(-1);
        using var wide = index.expand(-1, -1, x.shape[^1]);
        return x.gather(1, wide);
    }
}
