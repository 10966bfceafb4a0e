using System.Globalization;
using Plotly.NET;

namespace JepaT.Lab;

/// <summary>How a series is drawn.</summary>
internal enum SeriesKind
{
    Line,
    Bars,
    Dots,
}

/// <summary>A line, a set of bars, or dots. With categories on the horizontal axis x is the category's number.</summary>
/// <param name="Name">What the legend says.</param>
/// <param name="X">Horizontal values.</param>
/// <param name="Y">Vertical values; where one is not finite the line is broken.</param>
internal sealed record Series(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    public SeriesKind Kind { get; init; }

    /// <summary><c>#rrggbb</c>; by default the next of the palette.</summary>
    public string? Colour { get; init; }

    /// <summary>A colour for each bar, in place of one for all.</summary>
    public IReadOnlyList<string>? Colours { get; init; }

    /// <summary>Lower and upper end of a band around a line.</summary>
    public (IReadOnlyList<double> X, IReadOnlyList<double> Low, IReadOnlyList<double> High)? Band { get; init; }

    /// <summary>Half length of each error bar; NaN for none.</summary>
    public IReadOnlyList<double>? Error { get; init; }

    /// <summary>solid, dash, dot, …: plotly's words.</summary>
    public string Dash { get; init; } = "solid";

    public bool Markers { get; init; }
}

/// <summary>
/// A chart that is a drawing first: inline SVG, legible on light and dark pages, which needs no script. Where the page holds plotly.js
/// (see <see cref="Interactive"/>) a chart that came from Plotly.NET turns into its interactive form.
/// </summary>
public sealed class ChartView : View
{
    private readonly List<Series> series = [];
    private readonly Dictionary<string, (List<double> X, List<double> Y)> growing = [];

    /// <summary>Above the chart.</summary>
    public string Title { get; init; } = "";

    /// <summary>Beneath the chart.</summary>
    public string Caption { get; init; } = "";

    /// <summary>What the horizontal axis shows.</summary>
    public string XTitle { get; init; } = "";

    /// <summary>What the vertical axis shows.</summary>
    public string YTitle { get; init; } = "";

    /// <summary>Whether the vertical axis is logarithmic; values that are not positive are then left out.</summary>
    public bool Log { get; init; }

    /// <summary>Whether the vertical axis shows fractions as percent.</summary>
    public bool Percent { get; init; }

    /// <summary>Whether the vertical axis begins at zero.</summary>
    public bool FromZero { get; init; }

    /// <summary>Names on the horizontal axis, in place of numbers.</summary>
    public IReadOnlyList<string>? Categories { get; init; }

    /// <summary>The end of the horizontal axis, when it is known before the values are.</summary>
    public double? XEnd { get; init; }

    internal IReadOnlyList<Series> Series => [.. series, .. growing.Select(g => new Series(g.Key, g.Value.X, g.Value.Y))];

    /// <summary>The figure as plotly.js reads it, or null.</summary>
    internal string? Figure { get; init; }

    /// <summary>
    /// plotly.js itself (4 MB), as a view: shown once in a notebook, it makes the charts of the same page that come after it interactive.
    /// </summary>
    public static View Interactive { get; } = new PlotlyScript();

    /// <summary>A chart of an ablation.</summary>
    public static ChartView Of(TitledChart chart) => PlotlyFigure.Read(chart);

    /// <summary>Logged values over their steps, a line for each name.</summary>
    public static ChartView Of(IEnumerable<Metric> metrics)
    {
        var chart = new ChartView { XTitle = "step" };
        foreach (var metric in metrics.OrderBy(m => m.Step)) chart.Point(metric.Key, metric.Step, metric.Value);
        return chart;
    }

    /// <summary>Adds a point to a line, which begins with its first point.</summary>
    public void Point(string line, double x, double y)
    {
        if (!growing.TryGetValue(line, out var points)) growing[line] = points = ([], []);
        points.X.Add(x);
        points.Y.Add(y);
    }

    internal ChartView Add(Series one)
    {
        series.Add(one);
        return this;
    }

    /// <inheritdoc/>
    public override string ToHtml() => SvgChart.Figure(this).Markup;

    /// <summary>The last value of each line, or all bars.</summary>
    public override string ToString()
    {
        var lines = Series.Select(s => s.Kind == SeriesKind.Bars && Categories is not null
            ? $"{s.Name}: {string.Join(", ", s.X.Select((x, i) => $"{Categories[(int)x]} {Text(s.Y[i])}"))}"
            : s.Y.Count == 0 ? $"{s.Name}: no values"
            : $"{s.Name}: {Text(s.Y[^1])} at {Number(s.X[^1])} ({s.Y.Count} points, {Text(Lab.Colours.RangeOf(s.Y).Low)} … {Text(Lab.Colours.RangeOf(s.Y).High)})");
        return string.Join('\n', lines.Prepend(Title.Length > 0 ? Title : YTitle).Where(l => l.Length > 0));
    }

    internal string Text(double value) => !double.IsFinite(value) ? "–" : Percent ? value.ToString("0.#%", CultureInfo.InvariantCulture) : Number(value);

    internal static string Number(double value) => value == 0 ? "0"
        : Math.Abs(value) is >= 1e6 or < 1e-4 ? value.ToString("0.##e0", CultureInfo.InvariantCulture) : value.ToString("0.#####", CultureInfo.InvariantCulture);

    /// <summary>The library that Plotly.NET carries, made a global of the page even where a module loader would catch it.</summary>
    private sealed class PlotlyScript : View
    {
        public override string ToHtml()
        {
            var name = typeof(Trace).Assembly.GetManifestResourceNames().Single(n => n.Contains("plotly-", StringComparison.Ordinal) && n.EndsWith(".js", StringComparison.Ordinal));
            using var reader = new StreamReader(typeof(Trace).Assembly.GetManifestResourceStream(name)!);
            var script = reader.ReadToEnd().Replace("</script", "<\\/script", StringComparison.OrdinalIgnoreCase);
            return $"<div style=\"{Html.Font};opacity:.75\">Charts below can be zoomed where this page may run scripts.</div><script>if (!window.Plotly) (function (define, module, exports) {{ {script}\n}}).call(window);</script>";
        }

        public override string ToString() => "(plotly.js: only on a page)";
    }
}
