namespace JepaT.Lab;

/// <summary>Where downloads and computed statistics are kept between runs.</summary>
internal static class CacheFolder
{
    /// <summary><c>jepat/NAME</c> below <c>XDG_CACHE_HOME</c>, <c>~/.cache</c> or, on Windows, the local application data.</summary>
    public static string Of(string name)
    {
        var xdg = Environment.GetEnvironmentVariable("XDG_CACHE_HOME");
        var root = Path.IsPathFullyQualified(xdg ?? "") ? xdg!                  // the standard says: a relative one is to be ignored
            : OperatingSystem.IsWindows() ? Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData)
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        return Path.Combine(root, "jepat", name);
    }
}
