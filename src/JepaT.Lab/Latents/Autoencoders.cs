namespace JepaT.Lab;

/// <summary>The autoencoders that this program knows.</summary>
internal static class Autoencoders
{
    /// <summary>Opens an autoencoder's file.</summary>
    /// <exception cref="UserException">The file is missing, or none that this program reads.</exception>
    public static IMomentsEncoder Open(string path, Device device)
    {
        if (!File.Exists(path)) throw new UserException($"{path}: no such file; give the autoencoder's weights");
        throw new UserException($"{path}: this build has no autoencoder to put on {device}");
    }
}
