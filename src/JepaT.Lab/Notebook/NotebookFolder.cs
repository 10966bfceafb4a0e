namespace JepaT.Lab;

/// <summary>Where notebooks' files belong when the host does not say.</summary>
internal static class NotebookFolder
{
    /// <summary>Runs, checkpoints and the tracking store: the clone that holds the notebooks, as for the command line; else the folder itself.</summary>
    public static string Results => Clone(Notebook.Folder) ?? Notebook.Folder;

    /// <summary>
    /// <c>JEPAT_FOLDER</c>, else the notebooks of the clone: hosts keep the shell's working folder, which may be the clone, a folder in it,
    /// or somewhere else.
    /// </summary>
    public static string Guess()
    {
        if (Environment.GetEnvironmentVariable("JEPAT_FOLDER") is { Length: > 0 } folder) return Path.GetFullPath(folder);
        var home = Environment.GetEnvironmentVariable("JEPAT_HOME");
        return Clone(string.IsNullOrEmpty(home) ? Environment.CurrentDirectory : home) is { } clone ? Path.Combine(clone, "notebooks") : Environment.CurrentDirectory;
    }

    /// <summary>The clone that a folder is in, or null.</summary>
    public static string? Clone(string folder)
    {
        for (var at = new DirectoryInfo(folder); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "JepaT.sln")))
                return at.FullName;
        return null;
    }
}
