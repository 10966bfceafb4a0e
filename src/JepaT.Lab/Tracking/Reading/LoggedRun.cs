using System.Globalization;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>A run read from the tracking store: values, curves, pictures by step, files.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class LoggedRun
{
    internal LoggedRun(ITrackingStore store, Run run, string experiment) => (Store, Run, Experiment) = (store, run, experiment);

    internal ITrackingStore Store { get; }

    /// <summary>All that the store holds in one record.</summary>
    public Run Run { get; }

    /// <summary>MLflow's id.</summary>
    public string Id => Run.Info.RunId;

    /// <summary>The beginning of its id, enough for people.</summary>
    internal string ShortId => Id[..Math.Min(8, Id.Length)];

    /// <summary>Name of its experiment.</summary>
    public string Experiment { get; }

    /// <summary>Its name.</summary>
    public string Name => Run.Info.Name;

    /// <summary>Whether it came to its end.</summary>
    public bool IsFinished => Run.Info.Status == RunStatus.Finished;

    /// <summary>Names of its metrics.</summary>
    public IReadOnlyList<string> Metrics => [.. Run.Metrics.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Paths of its files.</summary>
    public IReadOnlyList<string> Artifacts => [.. Store.Artifacts(Id).Select(a => a.Path)];

    /// <summary>A param, or "".</summary>
    public string Param(string name) => Run.Params.GetValueOrDefault(name, "");

    /// <summary>The latest value of a metric; NaN where it was not logged.</summary>
    public double Metric(string name) => Run.Metrics.TryGetValue(name, out var value) ? value.Value : double.NaN;

    /// <summary>All values of a metric, in the order of steps; of a step that was logged twice, as after a resume, the later one.</summary>
    public IReadOnlyList<CurvePoint> Curve(string metric) =>
        [.. Store.MetricHistory(Id, metric).GroupBy(m => m.Step).OrderBy(g => g.Key).Select(g => new CurvePoint(g.Key, g.Last().Value))];

    /// <summary>The text of a file.</summary>
    /// <exception cref="UserException">There is no such file.</exception>
    public string Text(string artifact)
    {
        using var reader = new StreamReader(OpenArtifact(artifact));
        return reader.ReadToEnd();
    }

    /// <summary>The logged pictures of a key, with a slider over the steps.</summary>
    public View Pictures(string key = "eval/samples")
    {
        var pictures = PicturesOf(key);
        return pictures.Count == 0 ? new TextView($"{Name} has no pictures '{key}'")
            : View.Slider(pictures.Select(p => ($"{key}, step {p.Step}", (object)new PictureView(Bytes(p.Path), text: $"{key}, step {p.Step}", scale: 1))));
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Run.ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => Run.ToString();

    /// <summary>Pictures of a key in the order of steps; of a step that was drawn twice the later one.</summary>
    internal IReadOnlyList<LoggedPicture> PicturesOf(string key) => [.. LoggedPicture.Of(Artifacts).Where(p => p.Key == key)];

    /// <summary>The whole of a file.</summary>
    internal byte[] Bytes(string artifact)
    {
        using var stream = OpenArtifact(artifact);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    /// <summary>A file to read on.</summary>
    internal Stream OpenArtifact(string artifact) => Store.OpenArtifact(Id, artifact);

    /// <summary>Where a metric stands among others: 0 those of evaluations, 1 those of training and all others, 2 those of the machine.</summary>
    internal static int Rank(string metric) =>
        metric.StartsWith("eval/", StringComparison.Ordinal) ? 0 : metric.StartsWith("system/", StringComparison.Ordinal) ? 2 : 1;
}

/// <summary>A picture that was logged with a step, under MLflow's name for such files.</summary>
/// <param name="Key">Name with sections, e.g. <c>eval/samples</c>.</param>
/// <param name="Step">Training step.</param>
/// <param name="Path">The file among the run's artifacts.</param>
internal sealed partial record LoggedPicture(string Key, long Step, string Path)
{
    /// <summary>Those among the files of a run, by key and step; of a step that was drawn twice the later one.</summary>
    public static IReadOnlyList<LoggedPicture> Of(IEnumerable<string> artifacts) =>
        [.. artifacts.Select(a => (Path: a, Match: ImageFile().Match(a))).Where(a => a.Match.Success)
            .Select(a => (a.Path, Key: a.Match.Groups["key"].Value.Replace('~', '/'), Step: Number(a.Match.Groups["step"]), Time: Number(a.Match.Groups["time"])))
            .GroupBy(a => (a.Key, a.Step)).OrderBy(g => g.Key.Key, StringComparer.Ordinal).ThenBy(g => g.Key.Step)
            .Select(g => new LoggedPicture(g.Key.Key, g.Key.Step, g.MaxBy(a => a.Time).Path))];

    private static long Number(Group digits) => long.Parse(digits.Value, CultureInfo.InvariantCulture);

    // The small twins have another ending; 18 digits always fit.
    [GeneratedRegex(@"^images/(?<key>[^/]+)\+step\+(?<step>-?[0-9]{1,18})\+timestamp\+(?<time>[0-9]{1,18})\+[0-9A-Za-z-]+\.png$")]
    private static partial Regex ImageFile();
}
