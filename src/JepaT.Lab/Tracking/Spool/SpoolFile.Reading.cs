using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace JepaT.Lab;

// What can be read without having the file to oneself, and how its ends are found.
internal sealed partial class SpoolFile
{
    /// <summary>The spool files of a folder, oldest run first; their heads are read without locking.</summary>
    public static IReadOnlyList<(string Path, SpoolHead? Head)> In(string folder) => !Directory.Exists(folder) ? []
        : [.. Directory.EnumerateFiles(folder, "*.jsonl").Where(f => !f.EndsWith(".refused.jsonl", StringComparison.Ordinal))
            .Select(f => (Path: f, Head: HeadOf(f))).OrderBy(f => f.Head?.Started).ThenBy(f => f.Path, StringComparer.Ordinal)];

    private static SpoolHead? HeadOf(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return FirstLine(file.SafeFileHandle) is { } line ? SpoolJson.Read<SpoolHead>(line) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static byte[]? FirstLine(SafeFileHandle handle)
    {
        var size = RandomAccess.GetLength(handle);
        for (var take = Math.Min(1 << 16, size); ; take = Math.Min(take * 4, size))
        {
            var buffer = new byte[take];
            ReadAll(handle, buffer, 0);
            if (buffer.AsSpan().IndexOf((byte)'\n') is >= 0 and var end) return buffer[..(end + 1)];
            if (take == size) return null;
        }
    }

    /// <summary>The length without a half line at the end.</summary>
    private static long Whole(SafeFileHandle handle, long least)
    {
        var end = RandomAccess.GetLength(handle);
        while (end > least)
        {
            var buffer = new byte[Math.Min(ReadSize, end - least)];
            ReadAll(handle, buffer, end - buffer.Length);
            if (buffer.AsSpan().LastIndexOf((byte)'\n') is >= 0 and var at) return end - buffer.Length + at + 1;
            end -= buffer.Length;
        }
        return least;
    }

    private static long OffsetOf(string path)
    {
        var file = System.IO.Path.ChangeExtension(path, ".offset");
        return File.Exists(file) && long.TryParse(File.ReadAllText(file), NumberStyles.None, CultureInfo.InvariantCulture, out var offset) ? offset : 0;
    }

    private static void ReadAll(SafeFileHandle handle, byte[] buffer, long from)
    {
        for (var done = 0; done < buffer.Length;)
        {
            var count = RandomAccess.Read(handle, buffer.AsSpan(done), from + done);
            if (count == 0) throw new EndOfStreamException("the spool file has been cut");
            done += count;
        }
    }
}
