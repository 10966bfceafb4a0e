using System.Text.Json;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>The files of runs as a page needs them: each list is asked for once, each file has a link, and what cannot be had is a sentence.</summary>
/// <param name="folder">Where the page lies.</param>
internal sealed class RunFiles(string folder)
{
    private readonly Dictionary<LoggedRun, (IReadOnlyList<string> Paths, string? Problem)> lists = [];

    /// <summary>Paths of the files of a run; none when they cannot be listed.</summary>
    public IReadOnlyList<string> Of(LoggedRun run) => List(run).Paths;

    /// <summary>Why the files cannot be listed, or null.</summary>
    public string? Problem(LoggedRun run) => List(run).Problem;

    /// <summary>Reads a file of at most so many bytes.</summary>
    /// <returns>The bytes, or why there are none.</returns>
    public static (byte[]? Bytes, string Problem) Read(LoggedRun run, string path, int most)
    {
        try
        {
            using var stream = run.OpenArtifact(path);
            var bytes = new byte[most + 1];
            var count = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            return count <= most ? (bytes[..count], "") : (null, $"larger than {most / 1_000_000} MB");
        }
        catch (Exception e) when (e is UserException or MlflowException or IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
    }

    /// <summary>
    /// Where a file is, for a link: relative to the page for a store of this machine, else its place on the server's pages; null when neither
    /// is known. Every part is encoded, so that no name becomes another scheme, host or folder.
    /// </summary>
    public string? Link(LoggedRun run, string path)
    {
        if (run.Store.Folder is null) return MlflowPages.Artifact(run.Store.Uri, run.Run.Info.ExperimentId, run.Id, path);
        var name = string.Join('/', path.Split('/').Select(Uri.EscapeDataString));
        if (run.Store is not SqliteStore local || path.Split('/').Any(p => p is "" or "." or "..")) return null;
        var root = Path.GetRelativePath(Path.GetFullPath(folder), local.ArtifactFolder(run.Id));
        return Path.IsPathRooted(root) ? $"{new Uri(root).AbsoluteUri.TrimEnd('/')}/{name}"                // another drive
            : $"{string.Join('/', root.Split(Path.DirectorySeparatorChar).Select(Uri.EscapeDataString))}/{name}";
    }

    private (IReadOnlyList<string> Paths, string? Problem) List(LoggedRun run)
    {
        if (lists.TryGetValue(run, out var list)) return list;
        try
        {
            return lists[run] = (run.Artifacts, null);
        }
        catch (UserException e)                                                 // kept elsewhere, or the server is gone: the values are still worth a page
        {
            return lists[run] = ([], $"The files cannot be listed: {e.Message}");
        }
    }
}

/// <summary>From which state of the code, by whom, and with which versions a run was made, as far as it says so.</summary>
internal static partial class EnvironmentRows
{
    private const string File = RunEnvironment.FileName;
    private const int MostBytes = 1_000_000;

    private static readonly Dictionary<string, string> Tags = new()
    {
        ["mlflow.source.git.commit"] = "git commit",
        ["mlflow.source.git.dirty"] = "changes not committed",
        ["mlflow.source.git.branch"] = "git branch",
        ["jepat.command"] = "command",
        ["mlflow.source.name"] = "program",
        ["mlflow.user"] = "user",
    };

    /// <summary>Names and values: tags of the source, whatever is called a version, and the artifact environment.json.</summary>
    public static IReadOnlyDictionary<string, string> Of(LoggedRun run, RunFiles files)
    {
        var entries = new OrderedDictionary<string, string>();
        foreach (var (tag, name) in Tags)
            if (run.Run.Tags.TryGetValue(tag, out var value)) entries[name] = value;
        foreach (var (key, value) in run.Run.Tags.Concat(run.Run.Params).OrderBy(e => e.Key, StringComparer.Ordinal))
            if (Version().IsMatch(key)) entries.TryAdd(key, value);
        if (!files.Of(run).Contains(File)) return entries;
        var (bytes, problem) = RunFiles.Read(run, File, MostBytes);
        try
        {
            if (bytes is null) entries[File] = problem;
            else
            {
                using var json = JsonDocument.Parse(bytes);
                Add("", json.RootElement);
            }
        }
        catch (JsonException)
        {
            entries[File] = "is no JSON";
        }
        return entries;

        void Add(string name, JsonElement value)
        {
            if (value.ValueKind == JsonValueKind.Object) foreach (var part in value.EnumerateObject()) Add(name.Length > 0 ? $"{name}.{part.Name}" : part.Name, part.Value);
            else entries[name.Length > 0 ? name : File] = value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText();
        }
    }

    [GeneratedRegex("version", RegexOptions.IgnoreCase)]
    private static partial Regex Version();
}
