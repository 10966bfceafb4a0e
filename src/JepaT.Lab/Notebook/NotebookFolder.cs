namespace JepaT.Lab;

/// <summary>Where notebooks' files belong when the host does not say.</summary>
internal static class NotebookFolder
{
    /// <summary>Hosts keep the shell's working folder: that may be the clone, a folder in it, or somewhere else.</summary>
    public static string Guess()
    {
        var home = Environment.GetEnvironmentVariable("JEPAT_HOME");
        for (var at = new DirectoryInfo(string.IsNullOrEmpty(home) ? Environment.CurrentDirectory : home); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "JepaT.sln")))
                return Path.Combine(at.FullName, "notebooks");
        return Environment.CurrentDirectory;
    }
}
