namespace JepaT.Lab;

/// <summary>Artifacts on this machine's disk.</summary>
internal static class MlflowFiles
{
    /// <summary>A path below a root, by checked parts; never outside of it, nor through a link that leads outside.</summary>
    public static string Inside(string root, string[] parts)
    {
        var whole = Path.GetFullPath(root).TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar;
        var path = Path.GetFullPath(Path.Combine([whole, .. parts]));
        if (!path.StartsWith(whole, StringComparison.Ordinal)) throw new ArgumentException("the artifact's path leads out of its folder");
        for (var folder = path; folder.Length > whole.Length; folder = Path.GetDirectoryName(folder)!)
            if (new FileInfo(folder).LinkTarget is not null) throw new ArgumentException("the artifact's path leads through a link");
        return path;
    }

    /// <summary>Writes a file, readable by its user only, that appears when whole.</summary>
    public static async Task WriteAsync(string path, Stream content, CancellationToken cancel)
    {
        var part = Path.Combine(Path.GetDirectoryName(path)!, $".{Guid.NewGuid():N}.part");
        try
        {
            MakeFolder(Path.GetDirectoryName(path)!);
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous };
            if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var file = new FileStream(part, options);
            await using (file.ConfigureAwait(false))
            {
                var buffer = new byte[1 << 17];
                for (int count; (count = await ReadAsync(content, buffer, cancel).ConfigureAwait(false)) > 0;)
                    await file.WriteAsync(buffer.AsMemory(0, count), cancel).ConfigureAwait(false);
            }
            File.Move(part, path, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MlflowException($"{path} cannot be written: {MlflowNames.Plain(e.Message)}", e);
        }
        finally
        {
            if (File.Exists(part)) File.Delete(part);
        }
    }

    /// <summary>Reads on; an error of the stream is told apart from one of where its bytes go.</summary>
    public static async ValueTask<int> ReadAsync(Stream content, Memory<byte> buffer, CancellationToken cancel)
    {
        try
        {
            return await content.ReadAsync(buffer, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ObjectDisposedException or NotSupportedException)
        {
            throw new MlflowException($"the content to write cannot be read: {MlflowNames.Plain(e.Message)}", e);
        }
    }

    private static void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Opens a file to read.</summary>
    public static Stream Open(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 1 << 16, useAsync: true);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MlflowException($"there is no artifact {path}", e) { ErrorCode = "RESOURCE_DOES_NOT_EXIST" };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MlflowException($"{path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Deletes a file, if there.</summary>
    public static void Delete(string path)
    {
        try
        {
            if (File.Exists(path)) File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MlflowException($"{path} cannot be deleted: {e.Message}", e);
        }
    }
}
