using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// One copy at a time into a store: a locked file beside a database, whoever copies there; for a server one in the user's cache, which keeps
/// the copies of this user on this machine apart. (Copies from elsewhere at the same time find each other when they make the same run.)
/// </summary>
internal static class CopyLock
{
    /// <summary>Takes the lock until the result is disposed, or refuses at once.</summary>
    public static IDisposable Take(ITrackingStore target)
    {
        var file = target is SqliteStore local ? Path.Combine(local.Folder, $".{Path.GetFileName(local.File)}.copying")
            : Path.Combine(CacheFolder.Of("copying"), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(target.FullUri)))[..16]);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            return new FileStream(file, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception e) when (e is IOException && File.Exists(file))
        {
            throw new UserException($"another program is copying runs to {target.Uri}: let it end, then repeat the command ({file} is locked)", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"cannot lock {target.Uri} for the copy ({e.Message}): mend the rights of that folder", e);
        }
    }
}
