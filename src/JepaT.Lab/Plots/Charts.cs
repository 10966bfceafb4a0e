using Plotly.NET;

namespace JepaT.Lab;

/// <summary>A chart with what stands above and beneath it in the report.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed record TitledChart(string Title, string Caption, GenericChart Chart)
{
    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(this).ToString();
}

/// <summary>
/// The charts of an ablation. Traces and layouts are Plotly.NET objects whose properties carry plotly.js' own attribute names
/// (https://plotly.com/javascript/reference/), since several of them have no typed member that C# can reach.
/// </summary>
public static class Charts
{
    /// <summary>Longer curves are averaged in equal buckets, or pages of fifteen runs grow to tens of megabytes.</summary>
    private const int MostPoints = 400;

    private static readonly string[] Drawn = ["fid", "is", "alignment", "kid", "precision", "recall"];

    /// <summary>Metrics of the evaluations (FID, IS, alignment, …) against the training step, one chart each.</summary>
    public static IReadOnlyList<TitledChart> Evaluations(AblationResult result) =>
        [.. Keys(result).Select(MetricName.Parse).OfType<MetricName>()
            .Where(m => Drawn.Contains(m.Family)).OrderBy(m => Array.IndexOf(Drawn, m.Family))
            .Select(m => Curve(result, m.Key, m.HeadingWithArrow, m.IsFraction))];

    /// <summary>Every training loss against the step, one chart each.</summary>
    public static IReadOnlyList<TitledChart> Losses(AblationResult result) =>
        [.. Keys(result).Where(k => k.Contains("loss", StringComparison.Ordinal) && MetricName.Parse(k) is null)
            .Select(k => Curve(result, k, k[(k.LastIndexOf('/') + 1)..].Replace('_', ' ').Replace("jepa", "JEPA", StringComparison.Ordinal), percent: false))];

    /// <summary>The last values of the main table's metrics as bars with error bars, the seeds as dots.</summary>
    public static IReadOnlyList<TitledChart> Finals(AblationResult result)
    {
        var table = ResultTable.Of(result);
        return [.. table.Columns.Where(c => c.Better != Better.Neither).GroupBy(c => c.Family == "alignment" ? c.Family : c.Key).Select(g => Bars(result, table, [.. g]))];
    }

    /// <summary>A curve for each preset: the mean over the finished seeds, and a band from the smallest to the largest of them.</summary>
    /// <param name="result">The ablation.</param>
    /// <param name="key">Name of the curve in <see cref="RunResult.Curves"/>.</param>
    /// <param name="title">What the vertical axis shows, with its unit.</param>
    /// <param name="percent">Whether fractions are shown as percent.</param>
    /// <param name="alone">What the caption says where no preset has several seeds.</param>
    public static TitledChart Curve(AblationResult result, string key, string title, bool percent, string alone = "One seed for each preset.")
    {
        var styles = Palette.Of(result.Presets);
        var (bands, lines) = (new List<Trace>(), new List<Trace>());
        var values = new List<double>();
        var bucket = 1L;
        foreach (var preset in result.Presets)
        {
            var seeds = result.Runs.Where(r => r.Finished && r.Preset == preset && r.Curves.ContainsKey(key)).Select(r => r.Curves[key]).ToList();
            if (seeds.Count == 0) continue;
            bucket = Math.Max(bucket, seeds.Max(BucketSize));
            var points = seeds.SelectMany(Thin).GroupBy(p => p.Step).OrderBy(g => g.Key)
                .Select(g => (Step: g.Key, Mean: g.Average(p => p.Value), Low: g.Min(p => p.Value), High: g.Max(p => p.Value), Count: g.Count()))
                .Where(p => double.IsFinite(p.Mean)).ToList();
            values.AddRange(points.SelectMany(p => new[] { p.Low, p.High }));
            var (style, name) = (styles[preset], Plain(preset));
            var few = points.Count <= 40;                                       // on a dense, noisy curve a dash is only more noise
            if (seeds.Count > 1) bands.Add(Trace("scatter",
                ("x", points.Select(p => p.Step).Concat(points.Select(p => p.Step).Reverse()).ToArray()),
                ("y", points.Select(p => p.High).Concat(points.Select(p => p.Low).Reverse()).ToArray()),
                ("fill", "toself"), ("fillcolor", style.Colour + "26"), ("mode", "lines"), ("line", Object(("width", 0))),
                ("name", name), ("legendgroup", name), ("showlegend", false), ("hoverinfo", "skip")));
            lines.Add(Trace("scatter",
                ("x", points.Select(p => p.Step).ToArray()), ("y", points.Select(p => p.Mean).ToArray()),
                ("mode", few ? "lines+markers" : "lines"),
                ("line", Object(("color", style.Colour), ("width", few ? 2 : 1.5), ("dash", few ? style.Dash : "solid"))),
                ("marker", Object(("color", style.Colour), ("symbol", style.Symbol), ("size", 7))),
                ("name", name), ("legendgroup", name),
                ("hovertemplate", $"{name}<br>step %{{x}}: %{{y:{(percent ? ".1%" : ".4~g")}}}<extra></extra>")));
        }
        var log = !percent && values.Count > 0 && values.Min() > 0 && values.Max() / values.Min() > 5;
        var what = title.TrimEnd(' ', '↑', '↓');
        var axis = Axis(log ? $"{what} (log scale)" : what);
        if (log) (axis["type"], axis["tickvals"]) = ("log", LogTicks(values.Min(), values.Max()));
        if (percent) (axis["tickformat"], axis["range"]) = (".0%", new[] { 0, 1.02 });
        var band = bands.Count > 0 ? "Mean over the finished seeds; the band runs from the smallest to the largest seed." : alone;
        var thinned = bucket > 1 ? $" Each point is the mean of {bucket} logged values." : "";
        return new($"{title} against training step", band + thinned, Chart([.. bands, .. lines], Axis("training step"), axis));
    }

    // Bars of one metric, or of the alignments (seen, held-out) side by side.
    private static TitledChart Bars(AblationResult result, ResultTable table, List<MetricName> metrics)
    {
        var styles = Palette.Of(result.Presets);
        var names = result.Presets.Select(Plain).ToArray();
        var alignment = metrics[0].Family == "alignment";
        var traces = new List<Trace>();
        for (var i = 0; i < metrics.Count; i++)
        {
            var metric = metrics[i];
            var column = table.Columns.ToList().IndexOf(metric);
            var cells = table.Rows.Select(r => r.Cells[column]).ToList();
            traces.Add(Trace("bar",
                ("x", names), ("y", cells.Select(c => Finite(c?.Mean)).ToArray()),
                ("error_y", Object(("visible", cells.Any(c => c?.Deviation is not null)), ("type", "data"), ("array", cells.Select(c => Finite(c?.Deviation)).ToArray()), ("thickness", 1.5), ("width", 10), ("color", "#222"))),
                ("name", metric.Heading), ("offsetgroup", metric.Key),
                ("marker", Object(
                    ("color", result.Presets.Select(p => styles[p].Colour).ToArray()),
                    ("pattern", Object(("shape", i == 0 ? "" : "/"), ("fgcolor", "#ffffff"), ("fgopacity", 0.85), ("size", 6), ("solidity", 0.35))))),
                ("customdata", table.Rows.Select((_, row) => table.Text(row, column)).ToArray()),
                ("hovertemplate", "%{x}: %{customdata}<extra>%{fullData.name}</extra>")));
            if (metrics.Count > 1 || table.Rows.All(r => r.Finished < 2)) continue;
            var seeds = result.Runs.Where(r => r.Finished && r.Final.ContainsKey(metric.Key)).ToList();
            traces.Add(Trace("scatter",
                ("x", seeds.Select(r => Plain(r.Preset)).ToArray()), ("y", seeds.Select(r => Finite(r.Final[metric.Key])).ToArray()),
                ("mode", "markers"), ("name", "seeds"),
                ("marker", Object(("color", "rgba(255,255,255,0.8)"), ("size", 5), ("line", Object(("color", "#222"), ("width", 1))))),
                ("text", seeds.Select(r => $"seed {r.Seed}: {metric.Format(r.Final[metric.Key])}").ToArray()), ("hoverinfo", "text")));
        }
        var arrow = metrics[0].Arrow;
        var title = alignment ? $"Prompt alignment {arrow}" : metrics[0].HeadingWithArrow;
        var axis = Axis(alignment ? "item and colour both right" : metrics[0].Heading);
        axis["rangemode"] = "tozero";
        if (alignment) (axis["tickformat"], axis["range"]) = (".0%", new[] { 0, 1.05 });
        var chart = Chart(traces, Axis(""), axis, Object(("barmode", "group"), ("bargap", 0.35), ("showlegend", false)));
        var what = alignment && metrics.Count > 1
            ? $"From left to right in each preset: {string.Join(", ", metrics.Select(m => m.Heading["Alignment".Length..].Trim()))}. "
            : "";
        var spread = table.Rows.All(r => r.Finished < 2) ? "One seed for each preset: no error bars."
            : "Bars: mean over the finished seeds; whiskers: ± sample standard deviation" + (traces.Count > metrics.Count ? "; dots: seeds." : ".");
        return new(title, what + spread, chart);
    }

    /// <summary>All names of curves, in the order in which the runs hold them.</summary>
    private static IEnumerable<string> Keys(AblationResult result) => result.Runs.Where(r => r.Finished).SelectMany(r => r.Curves.Keys).Distinct();

    private static long BucketSize(IReadOnlyList<CurvePoint> curve) => (curve.Count + MostPoints - 1) / MostPoints;

    private static IEnumerable<CurvePoint> Thin(IReadOnlyList<CurvePoint> curve) =>
        curve.Chunk((int)Math.Max(1, BucketSize(curve))).Select(c => new CurvePoint(c[^1].Step, c.Average(p => p.Value)));

    // 1, 2, 5, 10, …: plotly.js itself writes only the first digit between the powers of ten, and a reader takes 200 for 2.
    private static double[] LogTicks(double low, double high)
    {
        double[] steps = high / low > 300 ? [1] : [1, 2, 5];
        var first = (int)Math.Floor(Math.Log10(low));
        return [.. Enumerable.Range(first, (int)Math.Ceiling(Math.Log10(high)) - first + 1).SelectMany(e => steps.Select(s => s * Math.Pow(10, e)))];
    }

    private static double? Finite(double? value) => value is { } v && double.IsFinite(v) ? v : null;

    // plotly.js reads a few tags in names; a preset's name is shown as it is.
    private static string Plain(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static Dictionary<string, object?> Object(params (string Key, object? Value)[] items) => items.ToDictionary(i => i.Key, i => i.Value);

    private static Dictionary<string, object?> Axis(string title) => Object(
        ("title", Object(("text", title), ("standoff", 12), ("font", Object(("size", title.Length > 36 ? 11 : 15))))), ("automargin", true), ("showline", true), ("linecolor", "#999"),
        ("gridcolor", "#e6e6e6"), ("zeroline", false), ("ticks", "outside"), ("tickcolor", "#999"), ("exponentformat", "none"));

    private static Trace Trace(string type, params (string Key, object? Value)[] properties)
    {
        var trace = new Trace(type);
        foreach (var (key, value) in properties) trace.SetProperty(key, value);
        return trace;
    }

    private static GenericChart Chart(List<Trace> traces, Dictionary<string, object?> x, Dictionary<string, object?> y, Dictionary<string, object?>? more = null)
    {
        var layout = new Layout();
        var properties = Object(
            ("xaxis", x), ("yaxis", y), ("paper_bgcolor", "#ffffff"), ("plot_bgcolor", "#ffffff"), ("autosize", true),
            ("font", Object(("family", "system-ui, -apple-system, 'Segoe UI', 'Liberation Sans', sans-serif"), ("size", 13), ("color", "#222"))),
            ("margin", Object(("l", 60), ("r", 16), ("t", 28), ("b", 48))),
            ("legend", Object(("orientation", "h"), ("x", 0), ("y", -0.2), ("yanchor", "top"))), ("hovermode", "closest"));
        foreach (var (key, value) in properties.Concat(more ?? [])) layout.SetProperty(key, value);
        return GenericChart.setLayout(layout, GenericChart.combine(traces.Select(t => GenericChart.ofTraceObject(false, t))));
    }
}
