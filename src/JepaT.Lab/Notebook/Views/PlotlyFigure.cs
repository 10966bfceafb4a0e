using System.Text.Json;
using System.Text.Json.Nodes;

namespace JepaT.Lab;

/// <summary>
/// Reads a Plotly.NET figure as far as the charts of this project go (lines with bands, bars with error bars, dots), so that the report's
/// interactive charts and the notebooks' drawings are one and the same definition.
/// </summary>
internal static class PlotlyFigure
{
    public static ChartView Read(TitledChart chart)
    {
        var json = FigureJson.Of(chart.Chart);
        var figure = JsonNode.Parse(json)!;
        var traces = figure["data"]!.AsArray().Select(t => t!).ToList();
        var (x, y) = (figure["layout"]?["xaxis"], figure["layout"]?["yaxis"]);
        var categories = traces.Where(t => Text(t["type"]) == "bar").SelectMany(t => t["x"]!.AsArray().Select(Text)).Distinct().ToList();
        var view = new ChartView
        {
            Title = chart.Title,
            Caption = chart.Caption,
            XTitle = Plain(Text(x?["title"]?["text"])),
            YTitle = Plain(Text(y?["title"]?["text"])),
            Log = Text(y?["type"]) == "log",
            Percent = Text(y?["tickformat"]).EndsWith('%'),
            FromZero = Text(y?["rangemode"]) == "tozero" || y?["range"] is JsonArray { Count: 2 } range && Number(range[0]) == 0,
            Categories = categories.Count > 0 ? [.. categories.Select(Plain)] : null,
            Figure = json,
        };
        var bands = traces.Where(t => Text(t["fill"]) == "toself").ToDictionary(t => Text(t["name"]));
        foreach (var trace in traces.Where(t => Text(t["fill"]) != "toself")) view.Add(SeriesOf(trace, bands, categories));
        return view;
    }

    private static Series SeriesOf(JsonNode trace, Dictionary<string, JsonNode> bands, List<string> categories)
    {
        var (mode, name, marker) = (Text(trace["mode"]), Text(trace["name"]), trace["marker"]);
        var xs = trace["x"]!.AsArray().Select(v => categories.Count > 0 ? categories.IndexOf(Text(v)) : Number(v)).ToArray();
        return new Series(Plain(name), xs, Numbers(trace["y"]))
        {
            Kind = Text(trace["type"]) == "bar" ? SeriesKind.Bars : mode.Contains("lines", StringComparison.Ordinal) ? SeriesKind.Line : SeriesKind.Dots,
            Colour = Hex(Text(trace["line"]?["color"])) ?? Hex(Text(marker?["color"])) ?? (mode == "markers" ? "#808080" : null),
            Colours = marker?["color"] is JsonArray colours ? [.. colours.Select(Text)] : null,
            Dash = Text(trace["line"]?["dash"]),
            Markers = mode.Contains("markers", StringComparison.Ordinal),
            Error = trace["error_y"]?["array"] is { } error ? Numbers(error) : null,
            Band = bands.TryGetValue(name, out var band) ? BandOf(band) : null,
        };
    }

    // The outline goes along the upper end and comes back along the lower one.
    private static (IReadOnlyList<double>, IReadOnlyList<double>, IReadOnlyList<double>) BandOf(JsonNode trace)
    {
        var (x, y) = (Numbers(trace["x"]), Numbers(trace["y"]));
        var half = x.Length / 2;
        return (x[..half], [.. y[half..].Reverse()], y[..half]);
    }

    private static double[] Numbers(JsonNode? array) => [.. array!.AsArray().Select(Number)];

    private static double Number(JsonNode? node) => node?.GetValueKind() == JsonValueKind.Number ? (double)node : double.NaN;

    private static string Text(JsonNode? node) => node?.GetValueKind() == JsonValueKind.String ? (string)node! : "";

    private static string? Hex(string colour) => colour.Length is 7 or 9 && colour[0] == '#' ? colour[..7] : null;

    // The figure's names are encoded for plotly.js; a view encodes by itself.
    private static string Plain(string text) => text.Replace("&lt;", "<", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal);
}
