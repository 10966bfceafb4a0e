using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>A file of weights that others publish and every user gets for himself.</summary>
/// <param name="What">What it is, for messages.</param>
/// <param name="FileName">Its published name.</param>
/// <param name="Url">Where to get it.</param>
/// <param name="Sha256">SHA-256 of the published file in lower-case hex; null where none is known.</param>
/// <param name="OtherNames">Names under which the same content is published elsewhere.</param>
public sealed record PublicWeights(string What, string FileName, string Url, string? Sha256, params IReadOnlyList<string> OtherNames)
{
    /// <summary>The FID Inception; pytorch-fid and torch-fidelity publish the same bytes.</summary>
    public static readonly PublicWeights Inception = new(
        "the FID Inception network",
        "pt_inception-2015-12-05-6726825d.pth",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        "weights-inception-2015-12-05-6726825d.pth");

    /// <summary>The KL-16 autoencoder that MAR's authors publish.</summary>
    public static readonly PublicWeights Kl16 = new(
        "the KL-16 autoencoder",
        "kl16.ckpt",
        "https://www.dropbox.com/scl/fi/hhmuvaiacrarfg28qxhwz/kl16.ckpt?rlkey=l44xipsezc8atcffdp4q7mwmh&dl=1",
        null);

    /// <summary><c>jepat/weights</c> in the user's cache folder: where files are looked for.</summary>
    public static string Folder => CacheFolder.Of("weights");

    /// <summary>Whether <see cref="Find"/> would find a file by itself.</summary>
    public bool IsThere => Candidates(Folder).Any(File.Exists);

    /// <summary>The file and its SHA-256 in lower-case hex.</summary>
    /// <param name="path">The user's file; by default any of the published names, or one of them as <c>.safetensors</c>, in the folder.</param>
    /// <param name="folder">Where to look; <see cref="Folder"/> by default.</param>
    /// <exception cref="UserException">
    /// There is none: says which file, where to get it, its hash and where to put it. Or it has a published name, but another content
    /// (a file under a name of its own may hold anything: its hash goes with every number).
    /// </exception>
    public (string Path, string Sha256) Find(string? path = null, string? folder = null)
    {
        folder ??= Folder;
        var found = path ?? Candidates(folder).FirstOrDefault(File.Exists);
        if (found is null || !File.Exists(found))
            throw new UserException($"{(path is null ? FileName : path)}: {What} is not there; get it from {Url} "
                + (Sha256 is null ? "(its SHA-256 is not published)" : $"(SHA-256 {Sha256})") + $" and put it into {folder}");
        string hash;
        try
        {
            using var file = File.OpenRead(found);
            hash = Convert.ToHexStringLower(SHA256.HashData(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{found}: cannot be read ({e.Message})", e);
        }
        if (Sha256 is not null && hash != Sha256 && Published.Contains(Path.GetFileName(found)))
            throw new UserException($"{found}: SHA-256 is {hash[..8]}…, the published file's is {Sha256[..8]}…; get it again from {Url}, or rename it if other weights are meant");
        return (found, hash);
    }

    private IEnumerable<string> Published => OtherNames.Prepend(FileName);

    private IEnumerable<string> Candidates(string folder) =>
        Published.Concat(Published.Select(n => Path.ChangeExtension(n, ".safetensors"))).Select(n => Path.Combine(folder, n));
}
