using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class EvaluatorTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(21);

    public void Dispose()
    {
        scope.Dispose();
        generator.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Names_carry_network_and_count()
    {
        using var reference = Reference(Normal(1200, 6));
        var (items, colours) = Asked(1000);

        var names = new Evaluator(reference, (item, _) => item == 3, new() { KidSubsets = 2 })
            .Evaluate(Seen(Normal(1000, 6), items, colours), items, colours).Select(m => m.Name);

        Assert.Equal(
            [
                "fid_fashion_1k", "is_fashion_1k", "is_fashion_1k_std", "kid_fashion_1k", "kid_fashion_1k_std",
                "precision_fashion_1k", "recall_fashion_1k",
                "alignment_seen_fashion_1k", "item_alignment_seen_fashion_1k", "colour_alignment_seen_fashion_1k",
                "alignment_held_out_fashion_1k", "item_alignment_held_out_fashion_1k", "colour_alignment_held_out_fashion_1k",
            ], names);
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(512)]
    public void Tables_and_charts_tell_results_from_parts_and_spreads(long n)
    {
        string[] results =
        [
            MetricNames.Fid("fashion", n), MetricNames.InceptionScore("fashion", n), MetricNames.Kid("fashion", n), MetricNames.Precision("fashion", n),
            MetricNames.Recall("fashion", n), MetricNames.Alignment(false, "fashion", n), MetricNames.Alignment(true, "fashion", n),
        ];
        string[] parts = [MetricNames.AlignmentItem(false, "fashion", n), MetricNames.AlignmentColour(true, "fashion", n)];
        string[] spreads = [MetricNames.InceptionScoreStd("fashion", n), MetricNames.KidStd("fashion", n)];

        Assert.Equal(["fid", "is", "kid", "precision", "recall", "alignment", "alignment"], results.Select(r => MetricName.Parse("eval/" + r)!.Family));
        Assert.All(parts, p => Assert.Equal("alignment-part", MetricName.Parse("eval/" + p)!.Family));
        Assert.All(spreads, s => Assert.Null(MetricName.Parse("eval/" + s)));
    }

    [Theory]
    [InlineData(1, "1")]
    [InlineData(512, "512")]
    [InlineData(1000, "1k")]
    [InlineData(1500, "1500")]
    [InlineData(50_000, "50k")]
    public void Counts_are_short_only_where_nothing_is_lost(long count, string expected) => Assert.Equal(expected, MetricNames.Count(count));

    [Fact]
    public void Each_name_has_the_value_of_its_metric()
    {
        using var reference = Reference(Normal(300, 6));
        var (items, colours) = Asked(120);
        var features = Normal(120, 6) * 0.8 + 0.2;
        var generated = Seen(features, items, colours);
        generated.ItemLogits[0] = -generated.ItemLogits[0];                     // the first picture shows another item

        var values = new Evaluator(reference, (item, _) => item == 3, new() { Seed = 4 }).Evaluate(generated, items, colours).ToDictionary();

        using var order = new Generator(4);
        var inception = InceptionScore.Compute(generated.ItemLogits, randperm(120, ScalarType.Int64, generator: order));
        var kernel = KernelDistance.Compute(features, reference.Sample, 4, size: 120);
        var manifold = PrecisionRecall.Compute(features, reference.Sample[..120]);
        var (seen, heldOut) = Alignment.Compute(generated.ItemLogits, generated.ColourLogits, items, colours, (item, _) => item == 3);
        using var statistics = FeatureStatistics.From(features);
        Assert.Equal(Frechet.Distance(statistics, reference.Statistics), values["fid_fashion_120"]);
        Assert.Equal(inception.Mean, values["is_fashion_120"]);
        Assert.Equal(inception.Std, values["is_fashion_120_std"]);
        Assert.Equal(kernel.Mean, values["kid_fashion_120"]);
        Assert.Equal(manifold.Precision, values["precision_fashion_120"]);
        Assert.Equal(manifold.Recall, values["recall_fashion_120"]);
        Assert.Equal(seen!.Both, values["alignment_seen_fashion_120"]);
        Assert.Equal(89.0 / 90, values["item_alignment_seen_fashion_120"], 1e-12);
        Assert.Equal(heldOut!.Both, values["alignment_held_out_fashion_120"]);
    }

    [Theory]
    [InlineData(9, "precision")]
    [InlineData(3, "kid")]
    public void What_too_few_pictures_cannot_tell_is_left_out(int count, string last)
    {
        using var reference = Reference(Normal(50, 6));
        var items = arange(count, dtype: ScalarType.Int64) % 4;
        var none = full(count, -1, dtype: ScalarType.Int64);

        var values = new Evaluator(reference, (_, _) => true).Evaluate(Seen(Normal(count, 6), items, zeros_like(none)), items, none).ToDictionary();

        Assert.All(values, v => Assert.True(double.IsFinite(v.Value), $"{v.Key} is {v.Value}"));
        Assert.DoesNotContain(values.Keys, n => n.StartsWith("is_", StringComparison.Ordinal) || n.Contains("held_out") || n.Contains("colour"));
        Assert.Contains($"{last}_fashion_{count}", values.Keys);
        Assert.Equal(last == "precision", values.ContainsKey($"precision_fashion_{count}"));
    }

    [Fact]
    public void One_picture_and_another_networks_features_are_refused()
    {
        using var reference = Reference(Normal(50, 6));
        var evaluator = new Evaluator(reference, (_, _) => false);
        var (items, colours) = Asked(20);

        Assert.Contains("at least 2", Refused(Normal(1, 6), items[..1], colours[..1]), StringComparison.Ordinal);
        Assert.Contains("5 and 6", Refused(Normal(20, 5), items, colours), StringComparison.Ordinal);

        string Refused(Tensor features, Tensor i, Tensor c) => Assert.Throws<UserException>(() => evaluator.Evaluate(Seen(features, i, c), i, c)).Message;
    }

    private ReferenceStatistics Reference(Tensor features) =>
        ReferenceStatistics.Get(new("toys", "train", "0badcafe", "fashion", "12"), features.shape[0], i => features.index_select(0, i), folder.FullName);

    private static (Tensor Items, Tensor Colours) Asked(int n)
    {
        var i = arange(n, dtype: ScalarType.Int64);
        return (i % 4, i % 3);
    }

    /// <summary>A feature set whose heads are sure of what was asked.</summary>
    private static FeatureSet Seen(Tensor features, Tensor items, Tensor colours) =>
        new(features, nn.functional.one_hot(items, 4).to(ScalarType.Float32) * 5, nn.functional.one_hot(colours, 3).to(ScalarType.Float32));

    private Tensor Normal(int n, int d) => randn([n, d], generator: generator);
}
