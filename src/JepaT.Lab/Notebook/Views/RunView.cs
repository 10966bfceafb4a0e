using System.Globalization;

namespace JepaT.Lab;

/// <summary>A run of the tracking store: state, latest metrics, and behind a fold params and tags.</summary>
internal sealed class RunView(Run run) : View
{
    private static readonly string[] Shown = ["fid", "is", "alignment"];

    private string Title => $"{run.Info.Name}: {Status(run)}, {Started(run)}{(Duration(run) is { Length: > 0 } d ? $", {d}" : "")}";

    /// <summary>Runs as a table, with the metrics that their last evaluations logged.</summary>
    public static View Table(IEnumerable<Run> runs)
    {
        var all = runs.ToList();
        var metrics = all.SelectMany(r => r.Metrics.Keys).Distinct().Where(k => k.StartsWith("eval/", StringComparison.Ordinal))
            .Select(MetricName.Of).Where(m => Shown.Contains(m.Family)).OrderBy(m => Array.IndexOf(Shown, m.Family)).ToList();
        return new TableView(
            ["run", "status", "started", "duration", "fusion", .. metrics.Select(m => m.HeadingWithArrow), "loss", "id"],
            [.. all.Select(IReadOnlyList<TableCell> (r) =>
                [new(r.Info.Name), new(Status(r)), new(Started(r)), new(Duration(r)), new(r.Params.GetValueOrDefault("fusion", "")),
                 .. metrics.Select(m => new TableCell(r.Metrics.TryGetValue(m.Key, out var v) ? m.Format(v.Value) : "–")),
                 new(r.Metrics.TryGetValue("train/loss", out var loss) ? ChartView.Number(Math.Round(loss.Value, 4)) : "–"), new(r.Info.RunId[..8])])],
            all.Count == 0 ? "no runs" : null);
    }

    public override string ToHtml()
    {
        var metrics = TableView.Of(Metrics().Select(m => (m.Key, Value(m))));
        return Html.Of($"""<div style="{Html.Font}"><div style="font-weight:600">{Title}</div><div style="opacity:.75">{run.Info.RunId}</div>{new Html(metrics.ToHtml())}{Fold("Params", run.Params)}{Fold("Tags", run.Tags)}</div>""").Markup;
    }

    public override string ToString() => string.Join('\n', Metrics().Select(m => $"  {m.Key} {Value(m)}").Prepend(Title));

    private IEnumerable<Metric> Metrics() => run.Metrics.Values.Where(m => !m.Key.StartsWith("system/", StringComparison.Ordinal)).OrderBy(m => m.Key, StringComparer.Ordinal);

    private static Html Fold(string title, IReadOnlyDictionary<string, string> entries) => entries.Count == 0 ? Html.None
        : Html.Of($"<details><summary>{title} ({entries.Count})</summary>{new Html(TableView.Of(entries.Select(e => (e.Key, e.Value.Length > 120 ? e.Value[..120] + "…" : e.Value))).ToHtml())}</details>");

    private static string Value(Metric m) => string.Create(CultureInfo.InvariantCulture, $"{ChartView.Number(m.Value)} (step {m.Step})");

    private static string Status(Run run) => run.Info.Status.ToString().ToLowerInvariant();

    private static string Started(Run run) => DateTimeOffset.FromUnixTimeMilliseconds(run.Info.StartTime).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private static string Duration(Run run) => run.Info.EndTime is { } end ? Progress.Duration(TimeSpan.FromMilliseconds(end - run.Info.StartTime)) : "";
}
