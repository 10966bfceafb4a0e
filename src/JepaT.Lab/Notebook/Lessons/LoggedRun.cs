using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>A run read from the tracking store: values, curves, pictures by step, files.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed partial class LoggedRun
{
    private readonly ITrackingStore store;

    internal LoggedRun(ITrackingStore store, Run run, string experiment) => (this.store, Run, Experiment) = (store, run, experiment);

    /// <summary>All that the store holds in one record.</summary>
    public Run Run { get; }

    /// <summary>Name of its experiment.</summary>
    public string Experiment { get; }

    /// <summary>Its name.</summary>
    public string Name => Run.Info.Name;

    /// <summary>Whether it came to its end.</summary>
    public bool IsFinished => Run.Info.Status == RunStatus.Finished;

    /// <summary>Names of its metrics.</summary>
    public IReadOnlyList<string> Metrics => [.. Run.Metrics.Keys.Order(StringComparer.Ordinal)];

    /// <summary>Paths of its files.</summary>
    public IReadOnlyList<string> Artifacts => [.. store.Artifacts(Run.Info.RunId).Select(a => a.Path)];

    /// <summary>A param, or "".</summary>
    public string Param(string name) => Run.Params.GetValueOrDefault(name, "");

    /// <summary>The latest value of a metric; NaN where it was not logged.</summary>
    public double Metric(string name) => Run.Metrics.TryGetValue(name, out var value) ? value.Value : double.NaN;

    /// <summary>All values of a metric, in the order of steps; of a step that was logged twice, as after a resume, the later one.</summary>
    public IReadOnlyList<CurvePoint> Curve(string metric) =>
        [.. store.MetricHistory(Run.Info.RunId, metric).GroupBy(m => m.Step).OrderBy(g => g.Key).Select(g => new CurvePoint(g.Key, g.Last().Value))];

    /// <summary>The text of a file.</summary>
    /// <exception cref="UserException">There is no such file.</exception>
    public string Text(string artifact)
    {
        using var reader = new StreamReader(store.OpenArtifact(Run.Info.RunId, artifact));
        return reader.ReadToEnd();
    }

    /// <summary>The logged pictures of a key, with a slider over the steps.</summary>
    public View Pictures(string key = "eval/samples")
    {
        var pictures = Artifacts.Select(a => (Path: a, Match: ImageFile().Match(a)))
            .Where(a => a.Match.Success && a.Match.Groups["key"].Value == key.Replace('/', '~'))
            .Select(a => (a.Path, Step: long.Parse(a.Match.Groups["step"].Value, System.Globalization.CultureInfo.InvariantCulture), Time: a.Match.Groups["time"].Value))
            .GroupBy(a => a.Step).OrderBy(g => g.Key).Select(g => g.MaxBy(a => a.Time)).ToList();
        return pictures.Count == 0 ? new TextView($"{Name} has no pictures '{key}'")
            : View.Slider(pictures.Select(p => ($"{key}, step {p.Step}", (object)new PictureView(Bytes(p.Path), text: $"{key}, step {p.Step}", scale: 1))));
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Run.ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => Run.ToString();

    private byte[] Bytes(string artifact)
    {
        using var stream = store.OpenArtifact(Run.Info.RunId, artifact);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    // MLflow's names of pictures with a step; the small twins have another ending.
    [GeneratedRegex(@"^images/(?<key>.+)\+step\+(?<step>\d+)\+timestamp\+(?<time>\d+)\+[0-9a-f-]{36}\.png$")]
    private static partial Regex ImageFile();
}
