using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Collection("Inception")]
public sealed partial class FidEvaluationTests(InceptionFixture fixture) : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly StubNetwork stub = new();

    public void Dispose()
    {
        scope.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Inception_FID_of_tiny_pictures_is_that_of_their_features_recomputed()
    {
        var real = Random(4, 16, seed: 1);
        var images = rand(5, 3, 12, 20) * 2.4f - 1.2f;
        var network = new FirstFeatures(fixture.TorchFidelity);
        using var reference = Reference(network, real);
        using var evaluation = new FidEvaluation(network, reference, new() { Classes = 5, PerClass = 1, Splits = 2 });

        var values = evaluation.Run(numbers => images.narrow(0, numbers[0], numbers.Count), batch: 2, stop: TestContext.Current.CancellationToken).ToDictionary(v => v.Name, v => v.Value);

        // From the sets themselves: tr (S1 S2)^½ is the nuclear norm of X1 X2ᵀ / √((n1 − 1)(n2 − 1)), X centred.
        var bytes = ((images + 1) / 2 * 255).clamp(0, 255).round().to(ScalarType.Byte);
        using var generated = network.Extract(bytes);
        using var reals = network.Extract(real);
        var (a, b) = (generated.Features.to(ScalarType.Float64), reals.Features.to(ScalarType.Float64));
        var (x, y) = (a - a.mean([0]), b - b.mean([0]));
        var expected = (a.mean([0]) - b.mean([0])).square().sum().item<double>()
            + x.square().sum().item<double>() / 4 + y.square().sum().item<double>() / 3
            - 2 * linalg.svdvals(x.mm(y.t())).sum().item<double>() / Math.Sqrt(4 * 3);
        Assert.True(expected > 0);
        Assert.Equal(1, values["fid_inception_5"] / expected, 1e-4);
        Assert.InRange(values["is_inception_5"], 1, 3);                         // at most the pictures of a split
        Assert.Equal(["fid_inception_5", "is_inception_5", "is_inception_5_std", "precision_inception_5", "recall_inception_5"], values.Keys);
    }

    [Fact]
    public void Pictures_in_batches_measure_as_all_at_once_and_as_the_metrics_on_their_features()
    {
        var (real, made) = (Random(60, 8, seed: 1), Random(80, 8, seed: 2));
        using var reference = Reference(stub, real);
        FidProtocol protocol = new() { Classes = 8, PerClass = 10, Kept = 30, Seed = 3 };

        var runs = new[] { 80, 7, 1 }.Select(batch => Run(reference, protocol, made, batch)).ToList();

        foreach (var (name, value) in runs[0])
            foreach (var other in runs) Assert.Equal(1, other[name] / value, 1e-9);
        using var judged = stub.Extract(made);
        using var reals = stub.Extract(real);
        Assert.Equal(1, runs[0]["fid_stub_80"] / Frechet.Distance(judged.Features, reals.Features), 1e-9);
        var (mean, std) = InceptionScore.Compute(judged.Logits, tensor(new RandomState(2020).Permutation(80)));
        Assert.Equal(mean, runs[0]["is_stub_80"], 1e-9);
        Assert.Equal(std, runs[0]["is_stub_80_std"], 1e-9);
        Assert.True(std > 0);
        Assert.InRange(runs[0]["precision_stub_30"], 0.1, 1);
        Assert.InRange(runs[0]["recall_stub_30"], 0.1, 1);
    }

    [Fact]
    public void One_seed_fixes_the_splits_another_the_kept_features_and_neither_anything_else()
    {
        var made = Random(40, 8, seed: 2);
        using var reference = Reference(stub, Random(40, 8, seed: 1));
        FidProtocol protocol = new() { Classes = 4, PerClass = 10, Kept = 12, Seed = 1 };

        var (first, again) = (Run(reference, protocol, made, 9), Run(reference, protocol, made, 9));
        var (split, kept) = (Run(reference, protocol with { SplitSeed = 2 }, made, 9), Run(reference, protocol with { Seed = 2 }, made, 9));

        string[] scores = ["is_stub_40", "is_stub_40_std"], manifolds = ["precision_stub_12", "recall_stub_12"];
        Assert.Equal(first, again);
        Assert.All(scores, name => Assert.NotEqual(first[name], split[name]));
        Assert.Equal(first.Keys.Except(scores).Select(k => first[k]), first.Keys.Except(scores).Select(k => split[k]));
        Assert.Contains(manifolds, name => first[name] != kept[name]);
        Assert.Equal(first.Keys.Except(manifolds).Select(k => first[k]), first.Keys.Except(manifolds).Select(k => kept[k]));
    }

    [Fact]
    public void The_protocol_is_50_of_each_of_1000_classes_in_order()
    {
        FidProtocol published = new();

        Assert.Equal("fid_inception_50k", MetricNames.Fid("inception", published.Count));
        Assert.Equal([0, 0, 1, 999], new[] { 0, 49, 50, 49_999 }.Select(published.PromptOf));
        Assert.Equal(10, published.WithCount(10_000).PerClass);
        Assert.Contains("1000", Assert.Throws<UserException>(() => published.WithCount(5500)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Numbers_reach_the_generator_once_each_in_order()
    {
        using var reference = Reference(stub, Random(5, 8, seed: 1));
        using var evaluation = new FidEvaluation(stub, reference, new() { Classes = 3, PerClass = 3 });
        List<int> asked = [], progress = [];

        evaluation.Run(numbers =>
        {
            asked.AddRange(numbers);
            return rand(numbers.Count, 3, 8, 8) * 2 - 1;
        }, 4, progress.Add, TestContext.Current.CancellationToken);

        Assert.Equal(Enumerable.Range(0, 9), asked);
        Assert.Equal([4, 8, 9], progress);
    }

    [Fact]
    public void Eight_bits_are_those_of_the_published_code()
    {
        // NumPy: round(clip((x + 1) / 2 * 255, 0, 255)), ties to even.
        var values = new[] { -2f, -1, -0.99609375f, 0, 1 / 255f, -1 + 1 / 255f, -1 + 3 / 255f, 0.5f, 0.998f, 1, 7 };

        var bytes = Pictures.Bytes(tensor(values)).data<byte>().ToArray();

        Assert.Equal(values.Select(v => (byte)Math.Round(Math.Clamp((v + 1) / 2 * 255, 0f, 255f), MidpointRounding.ToEven)), bytes);
        var levels = arange(256).to(ScalarType.Float32) / 127.5 - 1;
        Assert.True(Pictures.Bytes(levels).Equals(arange(256).to(ScalarType.Byte)));
        Assert.True(Pictures.Round(levels).Equals(levels));
    }

    [Fact]
    public void Pictures_that_cannot_be_measured_are_refused()
    {
        using var reference = Reference(stub, Random(5, 8, seed: 1));
        using var evaluation = new FidEvaluation(stub, reference, new() { Classes = 2, PerClass = 2 });

        Assert.Contains("diverged", Assert.Throws<UserException>(() => evaluation.Add(full([1, 3, 8, 8], float.NaN))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => evaluation.Result());
        Assert.Contains("more than", Assert.Throws<UserException>(() => evaluation.Add(zeros(5, 3, 8, 8))).Message, StringComparison.Ordinal);
        Assert.Throws<UserException>(() => new FidEvaluation(fixture.TorchFidelity, reference));
    }

    [Fact]
    public void The_reference_of_a_stream_covers_every_picture_and_is_cached()
    {
        var real = Random(23, 8, seed: 1);
        var calls = 0;
        var key = new ReferenceKey("folder", "val", "d1", stub.Name, stub.Hash);
        ReferenceStatistics Get() => ReferenceStatistics.Get(key, stub, () =>
        {
            calls++;
            return real.split(5).Select(p => p.clone().DetachFromDisposeScope());
        }, 23, folder.FullName, _ => Assert.Fail("no note"));

        using var first = Get();
        using var second = Get();

        using var judged = stub.Extract(real);
        using var expected = FeatureStatistics.From(judged.Features);
        Assert.Equal(1, calls);
        Assert.Equal((23, 23), (first.Statistics.Count, (int)first.Sample.shape[0]));
        Assert.True(allclose(expected.Covariance, second.Statistics.Covariance, rtol: 1e-10, atol: 1e-12));
        Assert.True(first.Sample.sum(1).sort().Values.allclose(judged.Features.sum(1).sort().Values));
        Assert.True(first.Sample.Equals(second.Sample));
        Assert.False(first.Sample.Equals(judged.Features));
    }
}
