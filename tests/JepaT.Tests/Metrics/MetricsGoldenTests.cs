using System.Text.Json;
using JepaT.Lab;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The metrics against an independent NumPy and SciPy statement of them (case <c>metrics</c>).</summary>
[Trait("Category", "Golden")]
public sealed class MetricsGoldenTests : IDisposable
{
    private readonly Golden golden = new("metrics");
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        golden.Dispose();
    }

    public static TheoryData<string> Sets => ["full", "deficient"];

    private JsonElement Values => golden.Json.GetProperty("values");

    [Theory]
    [MemberData(nameof(Sets))]
    public void Frechet_distance_agrees_also_with_fewer_samples_than_features(string set)
    {
        var (generated, real) = (golden[$"{set}.generated"], golden[$"{set}.real"]);

        Close(Number(set, "fid_exact"), Frechet.Distance(generated, real), 1e-6);
        Close(Number(set, "fid_exact"), Frechet.Distance(real, generated), 1e-6);
        Assert.Equal(Number(set, "identical_sets_fid_exact"), Frechet.Distance(real, real), 1e-10);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Kernel_distance_agrees_in_every_subset(string set)
    {
        var result = KernelDistance.Compute(golden[$"{set}.generated"], golden[$"{set}.real"],
            golden[$"{set}.subsets_generated"], golden[$"{set}.subsets_real"]);

        Close(Number(set, "kid_mean"), result.Mean, 1e-6);
        Close(Number(set, "kid_std"), result.Std, 1e-6);
        var each = Values.GetProperty(set).GetProperty("kid_each").EnumerateArray().Select(e => e.GetDouble()).ToArray();
        Assert.Equal(each.Length, result.Each.Count);
        foreach (var (expected, actual) in each.Zip(result.Each)) Close(expected, actual, 1e-6);
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void Precision_and_recall_agree_exactly(string set)
    {
        var k = golden.Json.GetProperty("notes").GetProperty("k").GetInt32();
        var (generated, real) = (golden[$"{set}.generated"] * Number(set, "generated_scaled_by"), golden[$"{set}.real"]);

        var result = PrecisionRecall.Compute(generated, real, k);
        var same = PrecisionRecall.Compute(real, real, k);

        Assert.Equal(Number(set, "precision_of_scaled"), result.Precision);
        Assert.Equal(Number(set, "recall_of_scaled"), result.Recall);
        var identical = Values.GetProperty(set).GetProperty("identical_sets_precision_recall");
        Assert.Equal(identical[0].GetDouble(), same.Precision);
        Assert.Equal(identical[1].GetDouble(), same.Recall);
    }

    [Fact]
    public void Inception_score_agrees_in_order_and_permuted()
    {
        var inOrder = InceptionScore.Compute(golden["logits"]);
        var permuted = InceptionScore.Compute(golden["logits"], golden["permutation"]);

        Close(Values.GetProperty("is_in_order")[0].GetDouble(), inOrder.Mean, 1e-9);
        Close(Values.GetProperty("is_in_order")[1].GetDouble(), inOrder.Std, 1e-9);
        Close(Values.GetProperty("is_permuted")[0].GetDouble(), permuted.Mean, 1e-9);
        Close(Values.GetProperty("is_permuted")[1].GetDouble(), permuted.Std, 1e-9);
    }

    private double Number(string set, string key) => Values.GetProperty(set).GetProperty(key).GetDouble();

    private static void Close(double expected, double actual, double relative) =>
        Assert.True(Math.Abs(actual - expected) <= relative * Math.Abs(expected), $"expected {expected:R}, found {actual:R}");
}
