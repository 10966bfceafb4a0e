using System.Text.Json;

namespace JepaT.Lab;

/// <summary>One call of <c>./lab ablate</c> that worked on a folder.</summary>
/// <param name="Command">What was typed.</param>
/// <param name="Started">When.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Commit">Git commit of the code, with a mark if the tree was not clean; null if unknown.</param>
public sealed record AblationCall(string Command, DateTimeOffset Started, TimeSpan Duration, string? Commit);

/// <summary>
/// The calls that made what is in a folder, kept in its <c>calls.json</c>. One that was stopped or failed is in it; one that was
/// killed could not write itself down.
/// </summary>
internal sealed class AblationCalls(string folder, string command, string? commit) : IDisposable
{
    private const string FileName = "calls.json";

    private readonly DateTimeOffset started = TimeProvider.System.GetLocalNow();
    private readonly long start = TimeProvider.System.GetTimestamp();
    private readonly string path = Path.Combine(folder, FileName);
    private readonly List<AblationCall> before = Read(Path.Combine(folder, FileName));      // a broken file is told now, not after the work
    private bool ended;

    /// <summary>Ends the present call and returns all, the oldest first.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public IReadOnlyList<AblationCall> End()
    {
        ended = true;
        List<AblationCall> calls = [.. before, new(command, started, TimeProvider.System.GetElapsedTime(start), commit)];
        AtomicFile.Write(path, file => JsonSerializer.Serialize(file, calls, AblationResult.Json));
        return calls;
    }

    /// <summary>Writes down a call that did not come to its end.</summary>
    public void Dispose()
    {
        if (ended) return;
        try
        {
            End();
        }
        catch (UserException)           // what ended the call is on its way to the user; it must not be covered by this
        {
        }
    }

    /// <summary>The commands that make these runs from the start in an empty folder: one, unless presets differ in their seeds.</summary>
    /// <param name="start">The command without <c>--seeds</c> and <c>--only</c>.</param>
    /// <param name="presets">All presets of the experiment.</param>
    /// <param name="runs">The runs there are.</param>
    public static IReadOnlyList<string> Repetition(string start, IReadOnlyList<string> presets, IEnumerable<RunResult> runs) =>
        [.. runs.GroupBy(r => r.Preset).GroupBy(preset => preset.Count(), preset => preset.Key)
            .Select(group => $"{start} --seeds {group.Key}" + (group.Count() < presets.Count ? $" --only {string.Join(',', group)}" : ""))];

    private static List<AblationCall> Read(string path)
    {
        try
        {
            if (!File.Exists(path)) return [];
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize<List<AblationCall>>(file, AblationResult.Json) ?? throw new JsonException("it holds null");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new UserException($"{path}: is not the list of an ablation's calls ({e.Message.ReplaceLineEndings(" ")}); remove it, and its calls are forgotten", e);
        }
    }
}
