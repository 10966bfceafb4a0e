using System.Text.Json.Nodes;
using JepaT.Lab;
using Plotly.NET;

namespace JepaT.Tests;

public class ChartsTests
{
    [Fact]
    public void A_curve_is_the_mean_of_the_finished_seeds_with_a_band_from_the_smallest_to_the_largest()
    {
        var figure = Figure(Charts.Curve(Fake.Ablation(), "eval/fid_fashion_1k", "FID (fashion, 1k)", percent: false));

        var line = Trace(figure, "none", "lines+markers");
        var band = figure["data"]!.AsArray().First(t => (string?)t!["name"] == "none" && t["fill"] is not null)!;
        Assert.Equal([100, 200, 300], Numbers(line["x"]));
        Assert.Equal([256, 128, 64], Numbers(line["y"]));
        Assert.Equal([272, 136, 68, 60, 120, 240], Numbers(band["y"]));     // 68 · 4 … 68, back along 60 … 60 · 4
        Assert.Equal([166, 83, 41.5], Numbers(Trace(figure, "full", "lines+markers")["y"]));
        Assert.DoesNotContain(figure["data"]!.AsArray(), t => (string?)t!["name"] == "late");
    }

    [Fact]
    public void An_FID_that_falls_far_has_a_log_axis_with_whole_numbers()
    {
        var figure = Figure(Charts.Curve(Fake.Ablation(), "eval/fid_fashion_1k", "FID (fashion, 1k)", percent: false));

        var axis = figure["layout"]!["yaxis"]!;
        Assert.Equal("log", (string?)axis["type"]);
        Assert.Equal("FID (fashion, 1k) (log scale)", (string?)axis["title"]!["text"]);
        Assert.Equal([10, 20, 50, 100, 200, 500, 1000, 2000, 5000], Numbers(axis["tickvals"]).Select(v => Math.Round(v)));
    }

    [Fact]
    public void A_preset_has_one_colour_in_every_chart_and_every_ablation()
    {
        var all = Fake.Ablation();
        var alone = all with { Runs = [.. all.Runs.Where(r => r.Preset == "full")] };
        var curve = Charts.Evaluations(all)[0];

        var colours = new[] { curve, Charts.Losses(all)[0], Charts.Evaluations(alone)[0] }
            .Select(c => (string?)Figure(c)["data"]!.AsArray().First(t => (string?)t!["name"] == "full" && t["marker"] is not null)!["line"]!["color"]);
        var bar = Figure(Charts.Finals(all)[0])["data"]![0]!;

        Assert.All(colours, c => Assert.Equal(Palette.Of(["full"])["full"].Colour, c));
        Assert.Equal(Palette.Of(["full"])["full"].Colour, (string?)bar["marker"]!["color"]![1]);
    }

    [Fact]
    public void Long_curves_are_averaged_in_equal_buckets()
    {
        var run = Fake.Run("none", 0, 3) with
        {
            Curves = new Dictionary<string, IReadOnlyList<CurvePoint>> { ["train/loss"] = [.. Enumerable.Range(1, 1200).Select(i => new CurvePoint(i, i))] },
        };

        var chart = Charts.Losses(Fake.Ablation() with { Runs = [run] })[0];

        var y = Numbers(Trace(Figure(chart), "none", "lines")["y"]);
        Assert.Equal(400, y.Length);
        Assert.Equal([2, 5, 8], y.Take(3));
        Assert.Contains("mean of 3 logged values", chart.Caption, StringComparison.Ordinal);
    }

    [Fact]
    public void Final_values_have_the_deviation_as_error_bar_and_failed_presets_have_no_bar()
    {
        var bar = Figure(Charts.Finals(Fake.Ablation())[0])["data"]![0]!;

        Assert.Equal(["none", "full", "late"], bar["x"]!.AsArray().Select(x => (string?)x));
        Assert.Equal(64, (double)bar["y"]![0]!);
        Assert.Equal(4, (double)bar["error_y"]!["array"]![0]!);
        Assert.Null(bar["y"]![2]);
    }

    [Fact]
    public void The_figures_json_is_what_Plotly_NET_would_write()
    {
        foreach (var chart in Charts.Evaluations(Fake.Ablation()).Concat(Charts.Losses(Fake.Ablation())).Concat(Charts.Finals(Fake.Ablation())))
        {
            var (ours, theirs) = (JsonNode.Parse(FigureJson.Of(chart.Chart))!, Figure(chart));
            Assert.True(JsonNode.DeepEquals(ours["data"], theirs["data"]), chart.Title);
            Assert.True(JsonNode.DeepEquals(ours["layout"], theirs["layout"]), chart.Title);
        }
    }

    private static JsonNode Figure(TitledChart chart) => JsonNode.Parse(GenericChart.toFigureJson(chart.Chart))!;

    private static JsonNode Trace(JsonNode figure, string name, string mode) =>
        figure["data"]!.AsArray().Single(t => (string?)t!["name"] == name && t["fill"] is null && (string?)t["mode"] == mode)!;

    private static double[] Numbers(JsonNode? array) => [.. array!.AsArray().Select(n => (double)n!)];
}
