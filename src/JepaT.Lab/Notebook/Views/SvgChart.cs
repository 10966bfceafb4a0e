using System.Globalization;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// Draws a <see cref="ChartView"/> as inline SVG: axes with round ticks, lines with bands, bars with error bars, dots, a legend. Text and
/// axes take the page's own colour; lines have colours that stand out from light and from dark.
/// </summary>
internal sealed class SvgChart
{
    private const double Width = 640, Height = 300, Left = 62, Right = 14, Top = 10, Bottom = 44;
    private const int MostPoints = 400;

    private readonly ChartView chart;
    private readonly IReadOnlyList<Series> series;
    private readonly double x0, x1, y0, y1;
    private readonly double[] xTicks, yTicks;
    private readonly StringBuilder svg = new();

    private SvgChart(ChartView chart)
    {
        this.chart = chart;
        var spare = 0;
        series = [.. chart.Series.Select(s => s with { Colour = Colours.Legible(s.Colour ?? Spare[spare++ % Spare.Length]) })];
        (x0, x1, xTicks) = chart.Categories is { } names ? (-0.5, names.Count - 0.5, []) : Axis(Xs(), fromZero: false);
        (y0, y1, yTicks) = chart.Log ? LogAxis(Ys()) : Axis(Ys(), chart.FromZero || series.Any(s => s.Kind == SeriesKind.Bars));
    }

    private static string[] Spare { get; } = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7B4EA3", "#8A8A00"];

    /// <summary>The chart with title and caption, and the script that makes it interactive where plotly.js is at hand.</summary>
    public static Html Figure(ChartView chart)
    {
        var title = chart.Title.Length > 0 ? Html.Of($"""<div style="font-weight:600">{chart.Title}</div>""") : Html.None;
        var caption = chart.Caption.Length > 0 ? Html.Of($"""<figcaption style="opacity:.75;max-width:{Width}px">{chart.Caption}</figcaption>""") : Html.None;
        var empty = !chart.Series.Any(s => s.Y.Any(double.IsFinite));
        var drawing = empty ? Html.Of($"""<div style="opacity:.75">no values yet</div>""") : new SvgChart(chart).Draw();
        var id = Html.Id("chart", drawing.Markup);
        return Html.Of($"""<figure style="margin:0;width:{Width}px;max-width:100%;{Html.Font}">{title}<div id="{id}">{drawing}</div>{caption}{Script(chart, id)}</figure>""");
    }

    private Html Draw()
    {
        Frame();
        foreach (var s in series) Band(s);
        var bars = series.Where(s => s.Kind == SeriesKind.Bars).ToList();
        for (var i = 0; i < bars.Count; i++) Bars(bars[i], i, bars.Count);
        foreach (var s in series.Where(s => s.Kind == SeriesKind.Line)) Line(s);
        foreach (var s in series.Where(s => s.Kind == SeriesKind.Dots)) Dots(s);
        var legend = series.Count > 1 || series.Any(s => s.Kind == SeriesKind.Line && s.Name.Length > 0) ? Legend() : Html.None;
        var label = chart.Title.Length > 0 ? chart.Title : chart.YTitle;
        return Html.Of(
            $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" aria-label="{label}" style="width:100%;height:auto;display:block" font-size="12" fill="currentColor">{new Html(svg.ToString())}</svg>{legend}""");
    }

    private void Frame()
    {
        var (bottom, right) = (Height - Bottom, Width - Right);
        foreach (var tick in yTicks)
        {
            Add($"""<line x1="{Left}" x2="{right}" y1="{Y(tick):0.#}" y2="{Y(tick):0.#}" stroke="currentColor" stroke-opacity=".15"/>""");
            Add($"""<text x="{Left - 6}" y="{Y(tick) + 4:0.#}" text-anchor="end">{chart.Text(tick)}</text>""");
        }
        Add($"""<path d="M{Left} {Top}V{bottom}H{right}" fill="none" stroke="currentColor" stroke-opacity=".6"/>""");
        foreach (var tick in xTicks) Add($"""<text x="{X(tick):0.#}" y="{bottom + 16}" text-anchor="middle">{ChartView.Number(tick)}</text>""");
        for (var i = 0; i < (chart.Categories?.Count ?? 0); i++) Add($"""<text x="{X(i):0.#}" y="{bottom + 16}" text-anchor="middle">{chart.Categories![i]}</text>""");
        Add($"""<text x="{(Left + right) / 2}" y="{Height - 8}" text-anchor="middle" opacity=".75">{chart.XTitle}</text>""");
        Add($"""<text transform="translate(12 {(Top + bottom) / 2}) rotate(-90)" text-anchor="middle" opacity=".75">{chart.YTitle}</text>""");
    }

    private void Band(Series s)
    {
        if (s.Band is not { } band) return;
        var points = Enumerable.Range(0, band.X.Count).Where(i => Shown(band.X[i], band.Low[i]) && Shown(band.X[i], band.High[i])).ToList();
        if (points.Count == 0) return;
        var outline = points.Select(i => Place(band.X[i], band.High[i])).Concat(points.AsEnumerable().Reverse().Select(i => Place(band.X[i], band.Low[i])));
        Add($"""<path d="M{string.Join('L', outline)}Z" fill="{s.Colour}" fill-opacity=".18"/>""");
    }

    private void Line(Series s)
    {
        var path = new StringBuilder();
        var pen = 'M';
        foreach (var (x, y) in Thin(s))
        {
            if (!Shown(x, y)) pen = 'M';
            else
            {
                path.Append(pen).Append(Place(x, y));
                pen = 'L';
            }
        }
        var dash = s.Dash switch { "dot" => "2 3", "dash" => "7 4", "dashdot" => "7 3 2 3", "longdash" => "12 4", "longdashdot" => "12 3 2 3", _ => "none" };
        Add($"""<path d="{path}" fill="none" stroke="{s.Colour}" stroke-width="1.8" stroke-linejoin="round" stroke-dasharray="{dash}"/>""");
        if (s.Markers || s.Y.Count == 1) Dots(s);
        ErrorBars(s, Enumerable.Range(0, s.Y.Count).Select(i => X(s.X[i])));
    }

    private void Dots(Series s)
    {
        for (var i = 0; i < s.Y.Count; i++)
            if (Shown(s.X[i], s.Y[i]))
                Add($"""<circle cx="{X(s.X[i]):0.#}" cy="{Y(s.Y[i]):0.#}" r="3.2" fill="{s.Colour}"><title>{s.Name} {ChartView.Number(s.X[i])}: {chart.Text(s.Y[i])}</title></circle>""");
    }

    private void Bars(Series s, int at, int count)
    {
        var step = (X(1) - X(0)) * 0.7 / count;
        var middles = s.X.Select(x => X(x) + step * (at - (count - 1) / 2.0)).ToList();
        for (var i = 0; i < s.Y.Count; i++)
        {
            if (!Shown(s.X[i], s.Y[i])) continue;
            var colour = s.Colours is { } colours ? Colours.Legible(colours[i]) : s.Colour;
            var (from, to) = (Y(Math.Max(y0, Math.Min(0, y1))), Y(s.Y[i]));
            // The first set is full, the next ones lighter: with a colour a category, this is what tells the sets apart.
            var title = $"{s.Name}, {chart.Categories?[(int)s.X[i]]}: {chart.Text(s.Y[i])}";
            Add($"""
                <rect x="{middles[i] - step * 0.45:0.#}" y="{Math.Min(from, to):0.#}" width="{step * 0.9:0.#}" height="{Math.Abs(from - to):0.#}"
                fill="{colour}" fill-opacity="{(at == 0 ? 0.9 : 0.45)}" stroke="{colour}"><title>{title}</title></rect>
                """);
        }
        ErrorBars(s, middles);
    }

    private void ErrorBars(Series s, IEnumerable<double> places)
    {
        if (s.Error is null) return;
        var i = 0;
        foreach (var x in places)
        {
            var (y, e) = (s.Y[i], s.Error[i]);
            i++;
            if (!double.IsFinite(y) || !(e > 0)) continue;
            var (high, low) = (Y(Math.Min(y + e, y1)), Y(Math.Max(y - e, y0)));
            Add($"""<path d="M{x:0.#} {low:0.#}V{high:0.#}M{x - 5:0.#} {low:0.#}h10M{x - 5:0.#} {high:0.#}h10" fill="none" stroke="currentColor" stroke-width="1.4"/>""");
        }
    }

    private Html Legend()
    {
        var entries = series.Where(s => s.Name.Length > 0).Select((s, i) => Html.Of($"""
            <span><span style="display:inline-block;width:18px;height:{(s.Kind == SeriesKind.Line ? 3 : 10)}px;vertical-align:middle;margin-right:5px;
            background:{(s.Colours is null ? s.Colour : "#888888")};opacity:{(s.Kind == SeriesKind.Bars && i > 0 ? 0.45 : 1)}"></span>{s.Name}</span>
            """));
        return Html.Of($"""<div style="display:flex;flex-wrap:wrap;gap:2px 16px;padding-left:{Left}px">{Html.Join(entries)}</div>""");
    }

    // The figure's JSON is written with < escaped: it can neither close the script element nor open a comment in it.
    private static Html Script(ChartView chart, string id) => chart.Figure is not { } figure ? Html.None : new Html($$"""
        <script>(function(){var e=document.getElementById('{{id}}');if(!e||!window.Plotly)return;var f={{figure}};
        e.textContent='';e.style.height='340px';Plotly.newPlot(e,f.data,f.layout,{responsive:true,displaylogo:false});})();</script>
        """);

    private static IEnumerable<(double X, double Y)> Thin(Series s)
    {
        var points = s.X.Zip(s.Y);
        var bucket = (s.Y.Count + MostPoints - 1) / MostPoints;
        return bucket <= 1 ? points : points.Chunk(bucket).Select(c => (c[^1].First, c.Average(p => p.Second)));
    }

    private IEnumerable<double> Xs() => series.SelectMany(s => s.X).Concat(chart.XEnd is { } end ? [end] : []);

    private IEnumerable<double> Ys() => series.SelectMany(s => s.Y.Concat(s.Band?.Low ?? []).Concat(s.Band?.High ?? [])
        .Concat(s.Error is { } error ? s.Y.Zip(error).Where(p => p.Second > 0).SelectMany(p => new[] { p.First - p.Second, p.First + p.Second }) : []));

    /// <summary>Round ticks, 1, 2 or 5 times a power of ten, that cover the values.</summary>
    internal static (double Low, double High, double[] Ticks) Axis(IEnumerable<double> values, bool fromZero)
    {
        var (low, high) = Colours.RangeOf(values);
        if (fromZero) (low, high) = (Math.Min(0, low), Math.Max(0, high));
        if (high - low <= Math.Abs(high) * 1e-9) (low, high) = low == 0 ? (0, 1) : (low - Math.Abs(low) * 0.5, high + Math.Abs(high) * 0.5);
        var rough = (high - low) / 5;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var step = power * (rough <= power * 1.001 ? 1 : rough <= power * 2.001 ? 2 : rough <= power * 5.001 ? 5 : 10);
        var (first, last) = (Math.Floor(low / step + 1e-9), Math.Ceiling(high / step - 1e-9));
        return (first * step, last * step, [.. Enumerable.Range(0, (int)(last - first) + 1).Select(i => (first + i) * step)]);
    }

    private static (double, double, double[]) LogAxis(IEnumerable<double> values)
    {
        var (low, high) = Colours.RangeOf(values.Where(v => v > 0));
        if (low <= 0) (low, high) = (0.1, 1);
        if (high <= low * 1.0001) (low, high) = (low / 2, high * 2);
        double[] steps = high / low > 300 ? [1] : [1, 2, 5];
        var first = (int)Math.Floor(Math.Log10(low));
        return (low * 0.95, high * 1.05, [.. Enumerable.Range(first, (int)Math.Ceiling(Math.Log10(high)) - first + 1)
            .SelectMany(e => steps.Select(s => s * Math.Pow(10, e))).Where(t => t >= low * 0.95 && t <= high * 1.05)]);
    }

    private bool Shown(double x, double y) => double.IsFinite(x) && double.IsFinite(y) && (!chart.Log || y > 0);

    private double X(double x) => Left + (x - x0) / (x1 - x0) * (Width - Left - Right);

    private double Y(double y) => Height - Bottom - (chart.Log ? Math.Log(y / y0) / Math.Log(y1 / y0) : (y - y0) / (y1 - y0)) * (Height - Top - Bottom);

    private string Place(double x, double y) => string.Create(CultureInfo.InvariantCulture, $"{X(x):0.#} {Y(y):0.#}");

    private void Add(HtmlTemplate markup) => svg.Append(markup.ToString());
}
