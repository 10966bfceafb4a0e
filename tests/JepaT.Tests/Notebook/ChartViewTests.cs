using System.Globalization;
using System.Text.RegularExpressions;
using JepaT.Lab;

namespace JepaT.Tests;

public sealed class ChartViewTests
{
    [Fact]
    public void Every_series_has_a_colour_of_its_own_that_stands_out_from_light_and_dark()
    {
        var chart = new ChartView();
        for (var i = 0; i < 8; i++) chart.Point($"line {i}", 0, i);
        for (var i = 0; i < 8; i++) chart.Point($"line {i}", 1, i + 1);

        var colours = Regex.Matches(chart.ToHtml(), "stroke=\"(#[0-9a-f]{6})\"", RegexOptions.IgnoreCase).Select(m => m.Groups[1].Value).ToList();

        Assert.Equal(8, colours.Distinct().Count());
        Assert.All(colours, Legible);
    }

    [Fact]
    public void The_presets_colours_stand_out_too()
    {
        foreach (var style in Palette.Of(["none", "late", "cross-attention", "raw-text", "full", "paper", "a", "b", "c", "d"]).Values) Legible(Colours.Legible(style.Colour));
    }

    [Theory]
    [InlineData(0, 10, false, new double[] { 0, 2, 4, 6, 8, 10 })]
    [InlineData(3, 10, true, new double[] { 0, 2, 4, 6, 8, 10 })]
    [InlineData(0.012, 0.055, false, new[] { 0.01, 0.02, 0.03, 0.04, 0.05, 0.06 })]
    [InlineData(-3, 4, false, new double[] { -4, -2, 0, 2, 4 })]
    public void Ticks_are_round_and_cover_the_values(double low, double high, bool fromZero, double[] ticks) =>
        Assert.Equal(ticks, SvgChart.Axis([low, high], fromZero).Ticks.Select(t => Math.Round(t, 9)));

    [Fact]
    public void A_line_lies_where_its_values_are_and_breaks_at_NaN()
    {
        var chart = new ChartView();
        foreach (var (x, y) in new[] { (0.0, 0.0), (1, 10), (2, double.NaN), (3, 10), (4, 0) }) chart.Point("a", x, y);

        var path = Regex.Match(chart.ToHtml(), "<path d=\"(M[^\"]*)\" fill=\"none\" stroke=\"#").Groups[1].Value;

        Assert.Equal(2, path.Count(c => c == 'M'));
        var points = Regex.Matches(path, @"([\d.]+) ([\d.]+)").Select(m => (X: Number(m.Groups[1].Value), Y: Number(m.Groups[2].Value))).ToList();
        Assert.Equal(4, points.Count);
        Assert.True(points[0].X < points[1].X && points[1].X < points[2].X && points[2].X < points[3].X);
        Assert.True(points[0].Y > points[1].Y);
        Assert.Equal(points[1].Y, points[2].Y);
        Assert.Equal(points[0].Y, points[3].Y);
    }

    [Fact]
    public void Without_values_or_with_a_single_one_it_is_a_chart_all_the_same()
    {
        Assert.Contains("no values yet", new ChartView { Title = "loss" }.ToHtml(), StringComparison.Ordinal);
        var one = new ChartView();
        one.Point("a", 5, 3);
        Assert.Contains("<circle", one.ToHtml(), StringComparison.Ordinal);
        var nothing = new ChartView();
        nothing.Point("a", 1, double.NaN);
        Assert.Contains("no values yet", nothing.ToHtml(), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", one.ToHtml() + nothing.ToHtml(), StringComparison.Ordinal);
    }

    [Fact]
    public void The_ablations_curves_keep_band_colour_dash_and_log_axis()
    {
        var chart = ChartView.Of(Charts.Curve(Fake.Ablation(), "eval/fid_fashion_1k", "FID (fashion, 1k)", percent: false));

        Assert.True(chart.Log);
        var none = Assert.Single(chart.Series, s => s.Name == "none");
        Assert.Equal(Palette.Of(["none"])["none"].Colour, none.Colour, ignoreCase: true);
        Assert.Equal("dot", none.Dash);
        Assert.Equal([100, 200, 300], none.X);
        Assert.Equal([100, 200, 300], none.Band!.Value.X);
        Assert.Equal([240, 120, 60], none.Band!.Value.Low);
        Assert.Equal([272, 136, 68], none.Band!.Value.High);
        var html = chart.ToHtml();
        Assert.Contains("fill-opacity=\".18\"", html, StringComparison.Ordinal);
        Assert.True(html.IndexOf("<svg", StringComparison.Ordinal) < html.IndexOf("<script", StringComparison.Ordinal));        // seen first, script after
    }

    [Fact]
    public void The_ablations_bars_have_error_bars_and_a_bar_for_each_finished_preset()
    {
        var chart = ChartView.Of(Charts.Finals(Fake.Ablation())[0]);

        Assert.Equal(["none", "full", "late"], chart.Categories);
        var bars = chart.Series[0];
        Assert.Equal([64, 41.5, double.NaN], bars.Y);
        Assert.Equal(4, bars.Error![0]);
        var html = chart.ToHtml();
        Assert.Equal(2, Regex.Count(html, "<rect "));
        Assert.Equal(2, Regex.Count(html, "stroke=\"currentColor\" stroke-width=\"1.4\""));
    }

    [Fact]
    public void Plotly_is_a_view_that_defines_a_global_once_and_is_no_address()
    {
        var html = ChartView.Interactive.ToHtml();

        Assert.Contains("if (!window.Plotly) (function (define, module, exports)", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<script src", html, StringComparison.Ordinal);
        Assert.Single(Regex.Matches(html, "</script>"));
    }

    private static void Legible(string colour)
    {
        var l = Colours.Luminance(colour);
        Assert.True(1.05 / (l + 0.05) >= 3, $"{colour} on white");
        Assert.True((l + 0.05) / (Colours.Luminance("#1e1e1e") + 0.05) >= 3, $"{colour} on #1e1e1e");
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
