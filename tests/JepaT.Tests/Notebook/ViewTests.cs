using System.Text.RegularExpressions;
using System.Xml.Linq;
using JepaT.Lab;
using JepaT.Model;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>What every view must be: encoded, well-formed, self-contained, without colours that vanish on a light or a dark page.</summary>
public sealed partial class ViewTests : IDisposable
{
    private const string Hostile = "<script>alert('x')</script>\"&\u2028";

    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Kinds => [.. All.Keys];

    private static Dictionary<string, Func<object>> All => new()
    {
        ["text"] = () => Hostile,
        ["picture"] = () => View.Picture(zeros(3, 28, 28), Hostile),
        ["pictures"] = () => View.Images(rand(6, 3, 28, 28), [.. Enumerable.Repeat(Hostile, 6)], rowCaptions: [Hostile, Hostile]),
        ["mask"] = () => View.Tokens(rand(3, 28, 28), 7, rand(16) > 0.5, rand(16) > 0.5, [.. Enumerable.Repeat("9", 16)], Hostile),
        ["token map"] = () => View.TokenMap(rand(16), Hostile, rand(16) > 0.5),
        ["table"] = () => View.Table(["a", Hostile], [["1", Hostile]], Hostile),
        ["entries"] = () => View.Table([(Hostile, Hostile)]),
        ["tensor"] = () => rand(2, 3, 28, 28),
        ["model"] = () => new JepaModel(TrainerTests.Tiny().ResolvedModel),
        ["model sizes"] = () => TrainerTests.Tiny().ResolvedModel,
        ["experiment"] = () => TrainerTests.Tiny() with { Name = Hostile },
        ["sample step"] = () => Steps()[1],
        ["run"] = () => LoggedRun(),
        ["runs"] = () => new[] { LoggedRun(), LoggedRun() },
        ["metrics"] = () => new[] { new Metric(Hostile, 1, 0, 1), new Metric(Hostile, 2, 0, 2) },
        ["result"] = () => Fake.Ablation().Runs[0] with { Preset = Hostile },
        ["ablation"] = () => Fake.Ablation() with { Runs = [Fake.Run(Hostile, 0, 3), Fake.Run("full", 0, 4)] },
        ["result table"] = () => ResultTable.Of(Fake.Ablation()),
        ["curves"] = () => Charts.Evaluations(Fake.Ablation() with { Runs = [Fake.Run(Hostile, 0, 3), Fake.Run(Hostile, 1, 9)] }),
        ["bars"] = () => Charts.Finals(Fake.Ablation() with { Runs = [Fake.Run(Hostile, 0, 3), Fake.Run(Hostile, 1, 9)] }),
        ["slider"] = () => View.Slider([(Hostile, Hostile), ("b", "c")]),
        ["titled"] = () => View.Titled(Hostile, Hostile),
        ["row"] = () => View.Row(Hostile, zeros(3)),
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Every_view_is_encoded_and_asks_nothing_of_the_network(string kind)
    {
        var view = View.Of(All[kind]());

        var html = view.ToHtml();

        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("alert('x')</script>", html, StringComparison.Ordinal);
        Assert.DoesNotMatch(Elsewhere(), html.Replace("xmlns=\"http://www.w3.org/2000/svg\"", "", StringComparison.Ordinal));
        var markup = Scripts().Replace(html, "");
        _ = XElement.Parse($"<root>{VoidElements().Replace(markup, "$0</$1>").Replace("open>", "open=\"\">", StringComparison.Ordinal).Replace(" checked>", " checked=\"\">", StringComparison.Ordinal)}</root>");
        Assert.NotEmpty(view.ToString());
        Assert.DoesNotContain("<div", view.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void No_text_has_a_colour_of_its_own(string kind)
    {
        var html = View.Of(All[kind]()).ToHtml();

        Assert.DoesNotMatch(@"[;""]color\s*:", html);                            // text keeps the page's colour
        Assert.DoesNotContain("background:#fff", html, StringComparison.Ordinal);
    }

    [Fact]
    public void An_experiment_with_nothing_set_says_so_and_has_no_empty_table()
    {
        var view = View.Of(new Experiment());

        Assert.Contains("all settings are at their defaults", view.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("setting  value", view.ToString(), StringComparison.Ordinal);
        Assert.Single(view.ToHtml().Split("<table")[1..]);                      // the folded one
        Assert.Contains("setting", View.Of(new Experiment { Seed = 7 }).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Our_types_carry_the_conventions_of_all_hosts()
    {
        foreach (var type in new[] { typeof(View), typeof(Experiment), typeof(Run), typeof(RunResult), typeof(AblationResult), typeof(ResultTable), typeof(TitledChart) })
        {
            var attribute = Assert.Single(type.GetCustomAttributes(true), a => a.GetType().Name == "TypeFormatterSourceAttribute");
            var source = (Type)attribute.GetType().GetProperty("FormatterSourceType")!.GetValue(attribute)!;
            var formatters = ((System.Collections.IEnumerable)source.GetMethod("CreateTypeFormatters")!.Invoke(Activator.CreateInstance(source), [])!).Cast<object>();
            Assert.Equal(["text/html", "text/plain"], formatters.Select(f => (string)f.GetType().GetProperty("MimeType")!.GetValue(f)!));
            Assert.Equal(typeof(string), type.GetMethod("ToHtml", [])?.ReturnType);
            Assert.NotEqual(typeof(object), type.GetMethod("ToString", [])!.DeclaringType);
        }
    }

    [Fact]
    public void A_slider_shows_the_last_view_and_reaches_each_without_a_script()
    {
        var html = View.Slider([("one", "first"), ("two", "second"), ("three", "third")]).ToHtml();
        var other = View.Slider([("one", "first"), ("two", "second"), ("three", "third")]).ToHtml();

        Assert.True(html.IndexOf("<script", StringComparison.Ordinal) > html.LastIndexOf("</div>", StringComparison.Ordinal));       // only adds to it
        Assert.Equal(3, Regex.Count(html, "type=\"radio\""));
        Assert.Matches("title=\"three\"[^>]* checked>", html);
        Assert.Single(Regex.Matches(html, " checked"));
        var name = Regex.Match(html, "name=\"([^\"]+)\"").Groups[1].Value;
        for (var i = 0; i < 3; i++) Assert.Contains($"#{name}-{i}:checked~.{name}-f{i}{{display:block}}", html, StringComparison.Ordinal);
        Assert.DoesNotContain(name, other, StringComparison.Ordinal);            // two on one page do not move each other
    }

    [Fact]
    public void A_mask_hatches_what_is_hidden_and_frames_what_is_new()
    {
        var hidden = zeros(16, dtype: ScalarType.Bool);
        hidden[0] = true;
        var marked = zeros(16, dtype: ScalarType.Bool);
        marked[15] = true;

        var view = View.Tokens(ones(3, 28, 28), 7, hidden, marked);

        using var picture = SKBitmap.Decode(view.Png);
        var cell = picture.Width / 4;
        Assert.Equal(SKColors.White, picture.GetPixel(cell + cell / 2, cell / 2));
        Assert.NotEqual(SKColors.White, picture.GetPixel(cell / 2, cell / 2));
        Assert.Equal(new SKColor(0xE6, 0x7E, 0x00), picture.GetPixel(3 * cell + 1, 3 * cell + cell / 2));
        Assert.StartsWith("#...\n....", view.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_map_goes_from_dark_to_light_in_reading_order()
    {
        var view = View.TokenMap(arange(16, dtype: float32));

        using var picture = SKBitmap.Decode(view.Png);
        var cell = picture.Width / 4;
        Assert.Equal(new SKColor(0x44, 0x01, 0x54), picture.GetPixel(cell / 2, cell / 2));
        Assert.Equal(new SKColor(0xFD, 0xE7, 0x25), picture.GetPixel(3 * cell + cell / 2, 3 * cell + cell / 2));
        Assert.Equal("0.00 1.00 2.00 3.00", view.ToString().Split('\n')[0]);
    }

    [Fact]
    public void A_sample_step_tells_what_is_new_masked_and_ordered()
    {
        var steps = Steps();

        Assert.Equal("Iteration 1: 3 of 16 tokens new, 13 still masked, guidance 1.38", View.Of(steps[0]).ToString().Split('\n')[0]);
        Assert.Contains("0 still masked", View.Of(steps[^1]).ToString(), StringComparison.Ordinal);
        Assert.Equal([7, 4, 2, 1], new[] { 147L, 48, 12, 1 }.Select(SampleStepView.PatchOf));
        Assert.Equal([4, 7], new[] { 16L, 49 }.Select(SampleStepView.PatchOf));
    }

    [Fact]
    public void A_model_counts_its_weights_and_those_in_use()
    {
        using var model = new JepaModel(TrainerTests.Tiny().ResolvedModel with { Fusion = Fusion.Presets["none"] });

        var text = View.Of(model).ToString();

        var (all, used) = (model.NamedWeights().Sum(w => w.Value.numel()), model.UsedWeights().Sum(w => w.Value.numel()));
        Assert.True(used < all);
        Assert.StartsWith($"JEPA-T, fusion none: {all:N0} parameters, {used:N0} in use", text, StringComparison.Ordinal);
        Assert.Matches($@"all +{all:N0} +{used:N0}", text);
    }

    private static List<SampleStep> Steps()
    {
        using var model = new JepaModel(TrainerTests.Tiny().ResolvedModel);
        model.eval();
        var sampling = new SamplingConfig { Iterations = 3, OdeSteps = 2, Guidance = 3 };
        var steps = Sampler.Steps(model, null, Sampler.Draw(model, [1, 2], sampling), sampling).ToList();
        return steps;
    }

    private static Run LoggedRun() => new(
        new RunInfo("0123456789abcdef0123456789abcdef", "1", Hostile, RunStatus.Finished, 1_700_000_000_000, 1_700_000_100_000, ""),
        new Dictionary<string, Metric> { ["eval/fid_fashion_20"] = new("eval/fid_fashion_20", 12.5, 0, 8), ["train/loss"] = new("train/loss", double.NaN, 0, 8) },
        new Dictionary<string, string> { ["fusion"] = Hostile }, new Dictionary<string, string> { ["note"] = Hostile }, []);

    [GeneratedRegex(@"(src|href|action)\s*=\s*(?![""']?data:)|url\(|@import|https?://", RegexOptions.IgnoreCase)]
    private static partial Regex Elsewhere();

    [GeneratedRegex("<script>.*?</script>|<style>.*?</style>", RegexOptions.Singleline)]
    private static partial Regex Scripts();

    [GeneratedRegex("<(img|input|br)( [^>]*)?>")]
    private static partial Regex VoidElements();
}
