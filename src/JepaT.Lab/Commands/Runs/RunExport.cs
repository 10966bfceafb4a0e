using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>Runs as files for other programs. All times are UTC.</summary>
internal static class RunExport
{
    private static readonly JsonWriterOptions Indented = new() { Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A line a run, a column for each param, metric (its latest value) and tag.</summary>
    public static void Csv(RunSet runs, string path)
    {
        var (parameters, metrics) = (runs.Params, runs.Metrics);
        var tags = runs.SelectMany(r => r.Run.Tags.Keys).Distinct().Order(StringComparer.Ordinal).ToList();
        Write(path,
            ["run_id", "run_name", "experiment_id", "experiment", "status", "start_time", "end_time", "artifact_uri",
             .. metrics.Select(m => $"metrics.{m}"), .. parameters.Select(p => $"params.{p}"), .. tags.Select(t => $"tags.{t}")],
            runs.Select(r => (IEnumerable<string>)[
                r.Id, r.Name, r.Run.Info.ExperimentId, r.Experiment, Status(r), Time(r.Run.Info.StartTime), r.Run.Info.EndTime is { } end ? Time(end) : "", r.Run.Info.ArtifactUri,
                .. metrics.Select(m => r.Run.Metrics.TryGetValue(m, out var v) ? PlainText.Number(v.Value) : ""), .. parameters.Select(r.Param),
                .. tags.Select(t => r.Run.Tags.GetValueOrDefault(t, ""))]));
    }

    /// <summary>A line for each value that was ever logged.</summary>
    public static void Histories(RunSet runs, string path, CancellationToken stop) =>
        Write(path, ["run_id", "run_name", "metric", "step", "timestamp", "value"], runs.SelectMany(r => History(r, stop).SelectMany(h => h.Values.Select(v => (IEnumerable<string>)[
            r.Id, r.Name, h.Metric, v.Step.ToString(CultureInfo.InvariantCulture), Time(v.Timestamp), PlainText.Number(v.Value)]))));

    /// <summary>A list of runs, each with all that the store holds of it. NaN and infinities are texts, since JSON has no word for them.</summary>
    public static void Json(RunSet runs, string path, bool histories, CancellationToken stop) => AtomicFile.Write(path, file =>
    {
        using var json = new Utf8JsonWriter(file, Indented);
        json.WriteStartArray();
        foreach (var run in runs)
        {
            json.WriteStartObject();
            var info = run.Run.Info;
            json.WriteString("run_id", info.RunId);
            json.WriteString("run_name", info.Name);
            json.WriteString("experiment_id", info.ExperimentId);
            json.WriteString("experiment", run.Experiment);
            json.WriteString("status", Status(run));
            json.WriteString("start_time", Time(info.StartTime));
            json.WriteString("end_time", info.EndTime is { } end ? Time(end) : null);
            json.WriteString("artifact_uri", info.ArtifactUri);
            Texts(json, "params", run.Run.Params);
            json.WriteStartObject("metrics");
            foreach (var metric in run.Run.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal))
            {
                json.WritePropertyName(metric.Key);
                Value(json, metric);
            }
            json.WriteEndObject();
            Texts(json, "tags", run.Run.Tags);
            Inputs(json, run.Run.Inputs);
            if (histories) Courses(json, History(run, stop));
            json.WriteEndObject();
            json.Flush();
        }
        json.WriteEndArray();
    });

    private static IEnumerable<(string Metric, IReadOnlyList<Metric> Values)> History(LoggedRun run, CancellationToken stop)
    {
        foreach (var metric in run.Metrics)
        {
            stop.ThrowIfCancellationRequested();
            yield return (metric, run.Store.MetricHistory(run.Id, metric));
        }
    }

    private static void Courses(Utf8JsonWriter json, IEnumerable<(string Metric, IReadOnlyList<Metric> Values)> histories)
    {
        json.WriteStartObject("histories");
        foreach (var (metric, values) in histories)
        {
            json.WriteStartArray(metric);
            foreach (var value in values) Value(json, value);
            json.WriteEndArray();
        }
        json.WriteEndObject();
    }

    private static void Value(Utf8JsonWriter json, Metric metric)
    {
        json.WriteStartObject();
        if (double.IsFinite(metric.Value)) json.WriteNumber("value", metric.Value);
        else json.WriteString("value", PlainText.Number(metric.Value));
        json.WriteNumber("step", metric.Step);
        json.WriteString("timestamp", Time(metric.Timestamp));
        json.WriteEndObject();
    }

    private static void Texts(Utf8JsonWriter json, string name, IReadOnlyDictionary<string, string> texts)
    {
        json.WriteStartObject(name);
        foreach (var (key, text) in texts.OrderBy(t => t.Key, StringComparer.Ordinal)) json.WriteString(key, text);
        json.WriteEndObject();
    }

    private static void Inputs(Utf8JsonWriter json, IReadOnlyList<DatasetInput> inputs)
    {
        json.WriteStartArray("datasets");
        foreach (var data in inputs)
        {
            json.WriteStartObject();
            json.WriteString("name", data.Name);
            json.WriteString("digest", data.Digest);
            json.WriteString("context", data.Context);
            json.WriteString("source_type", data.SourceType);
            json.WriteString("source", data.Source);
            json.WriteString("schema", data.Schema);
            json.WriteString("profile", data.Profile);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void Write(string path, IEnumerable<string> columns, IEnumerable<IEnumerable<string>> rows) => AtomicFile.Write(path, file =>
    {
        using var text = new StreamWriter(file, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { NewLine = "\n" };
        foreach (var row in rows.Prepend(columns)) text.WriteLine(string.Join(',', row.Select(Cell)));
    });

    /// <summary>
    /// A cell of a CSV file. A text that a spreadsheet would run as a formula gets an apostrophe in front, which it takes for "this is text";
    /// numbers with a sign stay what they are.
    /// </summary>
    internal static string Cell(string text)
    {
        if (text.Length > 0 && "=+-@\t\r\n".Contains(text[0]) && !double.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out _))
            text = "'" + text;
        return text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static string Status(LoggedRun run) => run.Run.Info.Status.ToString().ToUpperInvariant();

    private static string Time(long milliseconds) => PlainText.Instant(milliseconds).ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
}
