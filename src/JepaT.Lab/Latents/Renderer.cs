namespace JepaT.Lab;

/// <summary>What a model generates as pictures: pixels as they are, latents through the autoencoder's decoder.</summary>
internal sealed class Renderer : IDisposable
{
    private readonly Autoencoder? autoencoder;

    private Renderer(Autoencoder? autoencoder) => this.autoencoder = autoencoder;

    /// <summary>Whether there is a decoder, or none is needed: training on cached latents goes without.</summary>
    public static bool IsPossible(DataConfig data) => !data.IsLatent || data.Autoencoder is not null || PublicWeights.Kl16.IsThere;

    /// <exception cref="UserException">The autoencoder is missing: says where to get it.</exception>
    public static Renderer Of(DataConfig data, Device device) => new(data.IsLatent ? Autoencoders.Load(data.Autoencoder, device).Network : null);

    /// <summary>(B, C, h, w) of the model → pictures (B, 1 or 3, H, W), in [-1, 1] but for overshoot.</summary>
    public Tensor Render(Tensor generated) => autoencoder is null ? generated.alias() : autoencoder.Decode(generated);

    public void Dispose() => autoencoder?.Dispose();
}
