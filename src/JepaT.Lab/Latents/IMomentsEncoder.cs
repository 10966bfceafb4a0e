namespace JepaT.Lab;

/// <summary>The encoder of an autoencoder, as the latent cache wants it.</summary>
public interface IMomentsEncoder : IDisposable
{
    /// <summary>Hash of the weights: a cache that was begun with others is not gone on with.</summary>
    string Hash { get; }

    /// <summary>
    /// Pictures (B, 3, H, W) float32 in [-1, 1] on the CPU -> moments of the posterior (B, C, h, w) float32 on any device: C/2 means, then
    /// C/2 log-variances.
    /// </summary>
    Tensor Encode(Tensor images);
}
