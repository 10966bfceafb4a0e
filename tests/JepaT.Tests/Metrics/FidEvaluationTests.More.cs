using System.Text.Json;
using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

// Continued.
public sealed partial class FidEvaluationTests
{
    [Fact]
    public void Statistics_go_to_npz_and_back()
    {
        using var reference = Reference(stub, Random(9, 8, seed: 1));
        var path = Path.Combine(folder.FullName, "stats.npz");
        reference.SaveNpz(path);

        using var read = ReferenceStatistics.FromNpz(path, stub, folder.FullName);

        Assert.True(read.Statistics.Mean.Equals(reference.Statistics.Mean) && read.Statistics.Covariance.Equals(reference.Statistics.Covariance));
        Assert.Equal(9, read.Statistics.Count);
        Assert.Equal([0, StubNetwork.Width], read.Sample.shape);
        Assert.Equal(64, read.Key.Digest.Length);
        var values = Run(read, new() { Classes = 10, PerClass = 1 }, Random(10, 8, seed: 3), 10);
        Assert.DoesNotContain(values.Keys, name => name.StartsWith("precision", StringComparison.Ordinal));
    }

    [Fact]
    public void ADMs_form_gives_statistics_from_the_file_and_the_sample_from_its_pictures()
    {
        using var made = Reference(stub, Random(9, 8, seed: 1));
        var pictures = Random(6, 8, seed: 2);
        var path = Path.Combine(folder.FullName, "adm.npz");
        NpzFile.Save(path,
        [
            new("arr_0", pictures.permute(0, 2, 3, 1)), new("mu", made.Statistics.Mean.to(ScalarType.Float32)), new("sigma", made.Statistics.Covariance),
            new("mu_s", zeros(3)), new("sigma_s", zeros(3, 3)),
        ]);

        using var read = ReferenceStatistics.FromNpz(path, stub, folder.FullName);

        using var judged = stub.Extract(pictures);
        Assert.True(read.Statistics.Covariance.Equals(made.Statistics.Covariance));
        Assert.True(read.Sample.sum(1).sort().Values.allclose(judged.Features.sum(1).sort().Values));
        NpzFile.Save(path, [new("arr_0", pictures.permute(0, 2, 3, 1))]);
        using var only = ReferenceStatistics.FromNpz(path, stub, folder.FullName);
        using var expected = FeatureStatistics.From(judged.Features);
        Assert.True(allclose(expected.Mean, only.Statistics.Mean, rtol: 1e-9));
        Assert.Equal(6, only.Statistics.Count);
    }

    [Fact]
    public void An_npz_of_something_else_is_refused_in_one_line()
    {
        var path = Path.Combine(folder.FullName, "stats.npz");
        void Refused(string why, params (string Name, Tensor Value)[] arrays)
        {
            NpzFile.Save(path, arrays.Select(a => KeyValuePair.Create(a.Name, a.Value)));
            var error = Assert.Throws<UserException>(() => ReferenceStatistics.FromNpz(path, stub, folder.FullName)).Message;
            Assert.StartsWith(path, error, StringComparison.Ordinal);
            Assert.Contains(why, error, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error);
        }
        const int D = StubNetwork.Width;
        var (mu, eye) = (zeros(D), torch.eye(D));

        Refused("another network's", ("mu", zeros(2048)), ("sigma", eye));
        Refused("another network's", ("mu", mu), ("sigma", zeros(D, D + 1)));
        Refused("array sigma is not among", ("mu", mu));
        Refused("NaN", ("mu", mu / 0), ("sigma", eye));
        Refused("no covariance", ("mu", mu), ("sigma", torch.ones(D, D).triu()));
        Refused("no covariance", ("mu", mu), ("sigma", eye * -1));
        Refused("no covariance", ("mu", mu), ("sigma", eye + 5 * (1 - eye)));
        Refused("no covariance", ("mu", mu), ("sigma", eye - 0.3 * (1 - eye)));
        Refused("neither statistics", ("images", mu));
        Refused("pictures are (N, H, W, 3)", ("arr_0", zeros([2, 8, 8], ScalarType.Byte)));
        Refused("pictures are uint8", ("arr_0", zeros(2, 8, 8, 3)));
    }

    [Fact]
    public void A_singular_covariance_in_single_precision_is_one()
    {
        var few = randn(3, StubNetwork.Width) * 100;
        var path = Path.Combine(folder.FullName, "few.npz");
        NpzFile.Save(path, [new("mu", zeros(StubNetwork.Width)), new("sigma", few.t().mm(few))]);

        using var read = ReferenceStatistics.FromNpz(path, stub, folder.FullName);

        Assert.True(linalg.eigvalsh(read.Statistics.Covariance).max().item<double>() > 1);
    }

    [Fact]
    public void The_card_carries_what_the_numbers_depend_on_into_JSON_and_params()
    {
        using var reference = Reference(stub, Random(5, 8, seed: 1));
        SamplingConfig sampling = new() { Guidance = 3, Iterations = 64, OdeSteps = 50 };

        var card = EvaluationCard.Of(stub, reference, new() { Classes = 10, PerClass = 5, Seed = 7 }, sampling, ema: true) with
        {
            Temperature = 0.95,
            Values = new Dictionary<string, double> { ["fid_stub_50"] = 1.5 },
        };

        var back = EvaluationCard.FromJson(card.ToJson(), "card.json");
        Assert.Equal(card with { Values = back.Values }, back);
        Assert.Equal(1.5, back.Values["fid_stub_50"]);
        using var json = JsonDocument.Parse(card.ToJson());
        Assert.Equal(stub.Hash, json.RootElement.GetProperty("network_hash").GetString());
        var parameters = card.Params().ToDictionary();
        Assert.Equal((stub.Name, 50, 3.0, 64, true), (parameters["measured.network"], parameters["measured.count"], parameters["measured.guidance"], parameters["measured.iterations"], parameters["measured.ema"]));
        Assert.Equal(0.95, parameters["measured.temperature"]);
        Assert.Equal("d", parameters["measured.reference_hash"]);
        Assert.Equal((PromptChoice.Classes, 10, 2020u), (parameters["measured.prompts"], parameters["measured.classes"], parameters["measured.split_seed"]));
        var drawn = EvaluationCard.Of(stub, reference, FidProtocol.OfCaptions([0, 1, 2], 7, seed: 0), sampling, ema: true).Params().ToDictionary();
        Assert.Equal((7, "captions", (object?)null), (drawn["measured.count"], ParamText.Of(drawn["measured.prompts"]), drawn["measured.classes"]));
        Assert.Equal(json.RootElement.EnumerateObject().Count() - 1, parameters.Count);
        Assert.Contains("x.json", Assert.Throws<UserException>(() => EvaluationCard.FromJson("{}", "x.json")).Message, StringComparison.Ordinal);
    }

    private ReferenceStatistics Reference(IFeatureNetwork network, Tensor pictures) => ReferenceStatistics.Get(
        new("real", "all", "d", network.Name, network.Hash), network,
        () => pictures.split(4).Select(p => p.clone().DetachFromDisposeScope()), pictures.shape[0],
        Path.Combine(folder.FullName, Path.GetRandomFileName()));

    private Dictionary<string, double> Run(ReferenceStatistics reference, FidProtocol protocol, Tensor bytes, int batch)
    {
        using var evaluation = new FidEvaluation(stub, reference, protocol);
        for (var at = 0; at < bytes.shape[0]; at += batch) evaluation.AddBytes(bytes.narrow(0, at, Math.Min(batch, bytes.shape[0] - at)));
        return evaluation.Result().ToDictionary(v => v.Name, v => v.Value);
    }

    private static Tensor Random(int count, int side, int seed)
    {
        using var generator = new Generator((ulong)seed);
        return (rand([count, 3, side, side], generator: generator) * 256).to(ScalarType.Byte);
    }

    /// <summary>Six features and four classes by fixed random weights: quick, and no picture like another.</summary>
    private sealed class StubNetwork : IFeatureNetwork
    {
        public const int Width = 6;

        public string Name => "stub";

        public string Hash { get; } = new('a', 64);

        public int Dim => Width;

        public Judgement Extract(Tensor pictures)
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(9);
            // In float64, so that the batch makes no difference in the last digit of float32.
            var x = pictures.to(ScalarType.Float64).flatten(1) / 255;
            var features = x.mm(randn([x.shape[1], Width], ScalarType.Float64, generator: generator));
            var logits = features.mm(randn([Width, 4], ScalarType.Float64, generator: generator));
            return new(features.to(ScalarType.Float32).MoveToOuterDisposeScope(), logits.to(ScalarType.Float32).MoveToOuterDisposeScope());
        }
    }
}
