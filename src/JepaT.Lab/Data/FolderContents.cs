using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// SHA-256 of a folder's pictures, for what is kept of them and must never be taken for that of others. Reading them all takes a while, so
/// the hash is noted down together with the paths, sizes and times that it was computed at, and believed as long as these stay.
/// </summary>
internal static class FolderContents
{
    private static readonly byte[] Unreadable = new byte[SHA256.HashSizeInBytes];
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(2);            // the coarsest clock of a file system

    /// <summary>64 hex digits that change with path and content of any picture, and with nothing else.</summary>
    /// <param name="folder">The pictures. One that cannot be read changes the hash, too; it is for the decoder to complain.</param>
    /// <param name="cacheFolder">Where hashes are noted; by default <c>jepat/contents</c> in the user's cache folder.</param>
    /// <param name="stop">Ends it.</param>
    public static string Hash(ImageFolder folder, string? cacheFolder = null, CancellationToken stop = default)
    {
        var root = Path.GetFullPath(folder.Root);
        var note = Path.Combine(cacheFolder ?? CacheFolder.Of("contents"), LatentIndex.Sha256(root)[..16]);
        var start = TimeProvider.System.GetUtcNow().UtcDateTime;
        var (state, newest) = State(folder);
        if (Noted(note, state) is { } known) return known;

        var hashes = new byte[folder.Files.Count][];
        var done = 0L;
        using (var progress = new Progress($"hashing {folder.Name}", hashes.Length, "pictures"))
            Parallel.For(0, hashes.Length, new() { CancellationToken = stop, MaxDegreeOfParallelism = Environment.ProcessorCount }, i =>
            {
                hashes[i] = HashOf(folder.PathOf(i));
                lock (progress) progress.Report(++done);
            });
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var i = 0; i < hashes.Length; i++)
        {
            Append(sha, folder.Files[i]);
            sha.AppendData(hashes[i]);
        }
        var hash = Convert.ToHexStringLower(sha.GetHashAndReset());
        // A file written this moment may be written again without another time.
        if (newest < start - Tick && !hashes.Contains(Unreadable)) Note(note, $"{state} {hash}\n");
        return hash;
    }

    /// <summary>When a picture was last written; behind a link, what it leads to. Null: it is not there.</summary>
    public static DateTime? WrittenAt(string path) => Target(path)?.LastWriteTimeUtc;

    private static (string State, DateTime Newest) State(ImageFolder folder)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var newest = DateTime.MinValue;
        var numbers = new byte[3 * sizeof(long)];
        for (var i = 0; i < folder.Files.Count; i++)
        {
            var file = Target(folder.PathOf(i));
            Append(sha, folder.Files[i]);
            BinaryPrimitives.WriteInt64LittleEndian(numbers, file?.Length ?? -1);
            BinaryPrimitives.WriteInt64LittleEndian(numbers.AsSpan(sizeof(long)), file?.LastWriteTimeUtc.Ticks ?? -1);
            BinaryPrimitives.WriteInt64LittleEndian(numbers.AsSpan(2 * sizeof(long)), file?.CreationTimeUtc.Ticks ?? -1);       // another file moved here may bring an old time
            sha.AppendData(numbers);
            if (file?.LastWriteTimeUtc > newest) newest = file.LastWriteTimeUtc;
        }
        return (Convert.ToHexStringLower(sha.GetHashAndReset()), newest);
    }

    private static FileInfo? Target(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.Exists && file.LinkTarget is not null) file = (FileInfo)file.ResolveLinkTarget(returnFinalTarget: true)!;
            return file.Exists ? file : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static byte[] HashOf(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
            return SHA256.HashData(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unreadable;
        }
    }

    private static string? Noted(string note, string state)
    {
        try
        {
            return File.Exists(note) && File.ReadAllText(note).Split(' ', '\n') is [var then, { Length: 2 * SHA256.HashSizeInBytes } hash, ""] && then == state ? hash : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void Note(string path, string text)
    {
        try
        {
            AtomicFile.Write(path, text);
        }
        catch (UserException e)
        {
            Console.Error.WriteLine($"{e.Message}; the pictures will be hashed again next time");
        }
    }

    private static void Append(IncrementalHash sha, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        var length = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
        sha.AppendData(length);
        sha.AppendData(bytes);
    }
}
