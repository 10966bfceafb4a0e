using System.Text;

namespace JepaT.Lab;

/// <summary>Writes a file completely or not at all: a reader sees the old content or the new, never a part.</summary>
public static class AtomicFile
{
    /// <summary>Lets <paramref name="write"/> fill a file beside the target, then puts it in the target's place.</summary>
    /// <exception cref="UserException">The folder or the file cannot be written; the old file is then untouched.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        var full = Path.GetFullPath(path);
        var temporary = $"{full}.{Environment.ProcessId}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            try
            {
                using (var file = File.Create(temporary))
                {
                    write(file);
                    file.Flush(flushToDisk: true);
                }
                File.Move(temporary, full, overwrite: true);
            }
            finally
            {
                File.Delete(temporary);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be written ({e.Message})", e);
        }
    }

    /// <summary>Writes text as UTF-8 without a byte-order mark.</summary>
    /// <exception cref="UserException">The folder or the file cannot be written.</exception>
    public static void Write(string path, string text) => Write(path, file => file.Write(Encoding.UTF8.GetBytes(text)));
}
