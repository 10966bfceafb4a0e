namespace JepaT.Lab;

/// <summary>Autoencoders from the user's files.</summary>
internal static class Autoencoders
{
    /// <summary>Loads the KL-16 autoencoder.</summary>
    /// <param name="path">The file, of any format that <see cref="WeightFile"/> reads; null or empty for the published one in the cache folder.</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="UserException">The file is missing (with where to get it), or holds something else.</exception>
    public static (Autoencoder Network, string Hash) Load(string? path, Device device)
    {
        var (file, hash) = PublicWeights.Kl16.Find(string.IsNullOrEmpty(path) ? null : path);
        using var scope = NewDisposeScope();
        using var weights = WeightFile.Open(file);
        var tensors = weights.ReadAll();
        try
        {
            return (Autoencoder.From(tensors, file, device), hash);
        }
        finally
        {
            foreach (var t in tensors.Values) t.Dispose();
        }
    }

    /// <summary>Its encoder, for a latent cache.</summary>
    /// <exception cref="UserException">As <see cref="Load"/>.</exception>
    public static IMomentsEncoder Open(string path, Device device)
    {
        var (network, hash) = Load(path, device);
        return new Encoder(network, hash);
    }

    private sealed class Encoder(Autoencoder network, string hash) : IMomentsEncoder
    {
        public string Hash => hash;

        public Tensor Encode(Tensor images) => network.Encode(images);

        public void Dispose() => network.Dispose();
    }
}
