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

    /// <summary>Says before hours of work, not after, that a file could not be written there. Leaves nothing behind.</summary>
    /// <exception cref="UserException">The path is none, a folder, or below something that takes no files.</exception>
    public static void Require(string path)
    {
        if (Path.GetFileName(path).Length == 0 || Directory.Exists(path))
            throw new UserException(path.Length == 0 ? "the name of the file to write is empty" : $"{path}: is a folder; name a file to write");
        RequireFolder(Path.GetDirectoryName(Path.GetFullPath(path))!, path);
    }

    /// <summary>The same for a folder that will take files, made when it is not there.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="shown">What the message names; by default the folder.</param>
    /// <exception cref="UserException">The path is none, or at or below something that takes no files.</exception>
    public static void RequireFolder(string folder, string? shown = null)
    {
        if (folder.Length == 0) throw new UserException("the name of the folder to write to is empty");
        var path = shown ?? folder;
        folder = Path.GetFullPath(folder);
        while (!Directory.Exists(folder))                                       // what is missing on the way is made by the writing
        {
            if (File.Exists(folder)) throw new UserException($"{path}: cannot be written, {folder} is a file; name another place");
            folder = Path.GetDirectoryName(folder)!;
        }
        var probe = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
        try
        {
            using (File.Create(probe)) { }
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be written, {folder} takes no files ({e.Message.Replace(probe, "…", StringComparison.Ordinal)}); name another place", e);
        }
    }

    /// <summary>Writes text as UTF-8 without a byte-order mark.</summary>
    /// <exception cref="UserException">The folder or the file cannot be written.</exception>
    public static void Write(string path, string text) => Write(path, file => file.Write(Encoding.UTF8.GetBytes(text)));
}
