namespace JepaT.Lab;

/// <summary>
/// The Gaussian over latents that the autoencoder's encoder gives: moments (B, 2z, h, w) are the mean, then the log-variance.
/// Cached moments need nothing else, so training from a cache needs no autoencoder.
/// </summary>
public static class Posterior
{
    /// <summary>Makes the latents' standard deviation about 1; the published value for KL-16.</summary>
    public const double Scale = 0.2325;

    /// <summary>A latent of each picture, (mean + exp(logvar / 2) · noise) × 0.2325, logvar clipped to [-30, 20]: (B, z, h, w).</summary>
    /// <param name="moments">(B, 2z, h, w).</param>
    /// <param name="noise">(B, z, h, w) standard normal; one seed a picture makes it independent of the batch.</param>
    public static Tensor Sample(Tensor moments, Tensor noise)
    {
        using var scope = NewDisposeScope();
        var (mean, logvar) = Halves(moments);
        if (!noise.shape.SequenceEqual(mean.shape))
            throw new ArgumentException($"noise is ({string.Join(", ", noise.shape)}), wanted ({string.Join(", ", mean.shape)})", nameof(noise));
        var std = logvar.clamp(-30, 20).mul_(0.5).exp_();
        return mean.addcmul(std, noise.to(mean.dtype, mean.device), 1).mul_(Scale).MoveToOuterDisposeScope();
    }

    /// <summary>As <see cref="Sample(Tensor, Tensor)"/> with noise drawn on the CPU, so that a seed means the same on every device.</summary>
    public static Tensor Sample(Tensor moments, Generator generator)
    {
        using var scope = NewDisposeScope();
        var shape = moments.shape;
        return Sample(moments, randn([shape[0], shape[1] / 2, .. shape[2..]], generator: generator)).MoveToOuterDisposeScope();
    }

    /// <summary>The most likely latents, mean × 0.2325: (B, z, h, w).</summary>
    public static Tensor Mean(Tensor moments)
    {
        using var scope = NewDisposeScope();
        return Halves(moments).Mean.mul(Scale).MoveToOuterDisposeScope();
    }

    private static (Tensor Mean, Tensor LogVariance) Halves(Tensor moments)
    {
        if (moments.dim() != 4 || moments.shape[1] % 2 != 0)
            throw new ArgumentException($"moments must be (B, 2z, h, w), not ({string.Join(", ", moments.shape)})", nameof(moments));
        var parts = moments.chunk(2, 1);
        return (parts[0], parts[1]);
    }
}
