using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace JepaT.Notebooks;

/// <summary>
/// Takes out of outputs what does not belong into a file that others get: the folders of this machine, which become neutral names, and
/// scripts that would be fetched from elsewhere.
/// </summary>
internal sealed partial class OutputCleaner
{
    private readonly Regex? paths;
    private readonly Dictionary<string, string> names = new(StringComparer.OrdinalIgnoreCase);
    private readonly Action<string> warn;

    /// <param name="folders">Folders and what they are called instead; empty ones and roots are passed over.</param>
    /// <param name="warn">Takes a line for the user, when something was taken out that a reader will miss.</param>
    public OutputCleaner(IEnumerable<(string? Folder, string Name)> folders, Action<string> warn)
    {
        this.warn = warn;
        foreach (var (folder, name) in folders)
        {
            if (string.IsNullOrWhiteSpace(folder)) continue;
            var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
            if (full == Path.GetPathRoot(full)) continue;
            foreach (var form in new[] { full, full.Replace('\\', '/'), full.Replace("\\", @"\\", StringComparison.Ordinal) }) names.TryAdd(form, name);
        }
        if (names.Count == 0) return;
        // A whole path, the longest first: neither the end of another path nor the beginning of a longer name.
        var any = string.Join('|', names.Keys.OrderByDescending(f => f.Length).Select(Regex.Escape));
        paths = new Regex($@"(?<![\w.~-])(?:{any})(?![\w.-]*\w)", OperatingSystem.IsWindows() ? RegexOptions.IgnoreCase : RegexOptions.None);
    }

    /// <summary>For this machine: the clone, the notebook's folder, the home folder, the folder for temporary files, .NET, this program, the working folder.</summary>
    public static OutputCleaner ForThisMachine(string notebookFolder, Action<string> warn) => new(
        [
            (Environment.GetEnvironmentVariable("JEPAT_HOME"), "JepaT"),
            (notebookFolder, "."),
            (Path.GetTempPath(), "temp"),
            (Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), "~"),
            (Path.GetFullPath("../../..", RuntimeEnvironment.GetRuntimeDirectory()), "dotnet"),
            (AppContext.BaseDirectory, "JepaT"),
            (Environment.CurrentDirectory, "work"),
        ], warn);

    /// <summary>A text without this machine's folders.</summary>
    public string Text(string text) => paths is null ? text : paths.Replace(text, match => names[match.Value]);

    /// <summary>An error without this machine's folders.</summary>
    [return: NotNullIfNotNull(nameof(error))]
    public CellError? Clean(CellError? error) => error is null ? null : new(error.Name, Text(error.Message), [.. error.Traceback.Select(Text)]);

    /// <summary>An output of a MIME type, clean.</summary>
    public string Clean(string mime, string content) => Text(mime switch
    {
        "text/html" or "text/markdown" => ForeignScripts.RemoveFromHtml(content, Warn),
        "image/svg+xml" => ForeignScripts.RemoveFromSvg(content, Warn),
        _ => content,
    });

    private void Warn(string source) => warn($"an output asked for a script from elsewhere ({source}), which was taken out");

    /// <summary>Console text as a reader sees it at the end: what a carriage return let overwrite is gone.</summary>
    public static string WithoutRedraws(string text) => Redrawn().Replace(text, "");

    /// <summary>Text without the terminal's escape sequences.</summary>
    public static string WithoutColours(string text) => Escapes().Replace(text, "");

    [GeneratedRegex(@"[^\n]*\r(?!\n)(?=[^\r\n])")]
    private static partial Regex Redrawn();

    [GeneratedRegex(@"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")]
    private static partial Regex Escapes();
}
