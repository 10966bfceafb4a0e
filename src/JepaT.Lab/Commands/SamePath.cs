namespace JepaT.Lab;

/// <summary>Whether two paths lead to one file.</summary>
internal static class SamePath
{
    /// <summary>True also where one is relative, or leads through symbolic links of files or folders. Neither need exist.</summary>
    public static bool Is(string a, string b) =>
        string.Equals(Real(a), Real(b), OperatingSystem.IsLinux() ? StringComparison.Ordinal : StringComparison.OrdinalIgnoreCase);

    /// <summary>The path without any link.</summary>
    public static string Real(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Path.GetDirectoryName(full) is not { } parent) return full;
        var here = Path.Combine(Real(parent), Path.GetFileName(full));
        return (File.Exists(here) || Directory.Exists(here)) && new FileInfo(here).ResolveLinkTarget(returnFinalTarget: true) is { } target ? Real(target.FullName) : here;
    }
}
