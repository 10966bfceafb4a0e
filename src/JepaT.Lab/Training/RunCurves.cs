using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>
/// The curves that a run's result shows, kept in its folder as lines of JSON: so neither the end of a run nor a resume waits for the
/// tracking store. Of a step that was trained twice the later value counts.
/// </summary>
internal sealed class RunCurves : IDisposable
{
    public const string FileName = "curves.jsonl";

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals };

    private readonly Dictionary<string, SortedDictionary<long, double>> curves = [];
    private readonly string path;
    private readonly StreamWriter file;

    private sealed record Line(string Key, long Step, double Value);

    /// <summary>Opens those of a folder, with what is there.</summary>
    /// <exception cref="UserException">The file cannot be read or written.</exception>
    public RunCurves(RunFolder folder)
    {
        path = folder.Of(FileName);
        file = Guard(() =>
        {
            IsNew = !File.Exists(path);
            if (!IsNew)
                foreach (var line in File.ReadLines(path)) Read(line);
            return new StreamWriter(path, append: true) { AutoFlush = true, NewLine = "\n" };
        });
        if (!IsNew) Guard(() => file.WriteLine());          // a kill may have left half a line
    }

    /// <summary>Whether there were none.</summary>
    public bool IsNew { get; private set; }

    /// <summary>Whether a metric is among them.</summary>
    public static bool Shows(string key) => key.StartsWith("eval/", StringComparison.Ordinal) || key.StartsWith("train/loss", StringComparison.Ordinal) || key == "train/images_per_second";

    public void Add(string key, long step, double value)
    {
        if (!Shows(key)) return;
        Guard(() => file.WriteLine(JsonSerializer.Serialize(new Line(key, step, value), Json)));
        Set(key, step, value);
    }

    public Dictionary<string, IReadOnlyList<CurvePoint>> All() =>
        curves.OrderBy(c => c.Key, StringComparer.Ordinal).ToDictionary(c => c.Key, c => (IReadOnlyList<CurvePoint>)[.. c.Value.Select(p => new CurvePoint(p.Key, p.Value))]);

    public void Dispose() => file.Dispose();

    private void Set(string key, long step, double value)
    {
        if (!curves.TryGetValue(key, out var curve)) curves[key] = curve = [];
        curve[step] = value;
    }

    private void Read(string text)
    {
        try
        {
            if (text.Length > 0 && JsonSerializer.Deserialize<Line>(text, Json) is { Key: { } key } line) Set(key, line.Step, line.Value);
        }
        catch (JsonException) { }           // half a line of a killed process: that step is trained again
    }

    private T Guard<T>(Func<T> use)
    {
        try
        {
            return use();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be used ({e.Message})", e);
        }
    }

    private void Guard(Action use) => Guard(() =>
    {
        use();
        return 0;
    });
}
