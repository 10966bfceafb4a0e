using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>One Inception of formula weights in each convention, for all tests that need one.</summary>
public sealed class InceptionFixture : IDisposable
{
    public InceptionFixture()
    {
        set_num_threads(1);
        using var scope = NewDisposeScope();
        using var golden = new Golden("inception");
        Weights = FormulaWeights.Of(golden, Math.Sqrt(2));
        foreach (var w in Weights.Values) w.DetachFromDisposeScope();
        TorchFidelity = Inception.From(Weights, "formula", Hash);
        PytorchFid = Inception.From(Weights, "formula", Hash, convention: InceptionConvention.PytorchFid);
    }

    internal const string Hash = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    internal Dictionary<string, Tensor> Weights { get; }

    internal Inception TorchFidelity { get; }

    internal Inception PytorchFid { get; }

    public void Dispose()
    {
        TorchFidelity.Dispose();
        PytorchFid.Dispose();
        foreach (var w in Weights.Values) w.Dispose();
    }
}

[CollectionDefinition("Inception")]
public sealed class InceptionTestGroup : ICollectionFixture<InceptionFixture>;

[Collection("Inception")]
public sealed class InceptionTests(InceptionFixture fixture) : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData("pytorch-fid")]
    [InlineData("torch-fidelity")]
    [Trait("Category", "Golden")]
    public void Input_features_and_logits_agree_with_the_reference(string convention)
    {
        using var golden = new Golden("inception");
        var net = convention == "pytorch-fid" ? fixture.PytorchFid : fixture.TorchFidelity;
        var images = Images(golden);

        var input = InceptionInput.Prepare(images, net.Convention);
        using var output = net.Compute(images);

        AutoencoderTests.Close(golden[$"{convention}.resized"], input.index_select(2, arange(0, 299, 23)).index_select(3, arange(0, 299, 23)), 1e-6);
        AutoencoderTests.Close(golden[$"{convention}.features"], output.Features, 1e-4);
        AutoencoderTests.Close(golden[$"{convention}.logits"], output.Logits, 1e-4);
        AutoencoderTests.Close(golden[$"{convention}.logits_unbiased"], output.LogitsWithoutBias, 1e-4);
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Formula_weights_are_the_references()
    {
        using var golden = new Golden("inception");

        foreach (var example in golden.Json.GetProperty("parameter_examples").EnumerateObject())
            Assert.Equal(example.Value.EnumerateArray().Select(v => (float)v.GetDouble()),
                fixture.Weights[example.Name].flatten().narrow(0, 0, example.Value.GetArrayLength()).data<float>());
    }

    [Fact]
    [Trait("Category", "Golden")]
    public void Formula_pictures_are_the_references()
    {
        using var golden = new Golden("inception");

        var images = Images(golden);

        Assert.Equal(golden.Json.GetProperty("image_shape").EnumerateArray().Select(n => n.GetInt64()), images.shape);
        if (golden.Names.Contains("images")) Assert.True(images.Equals(golden["images"]));
    }

    /// <summary>floor(256 u): a case of large pictures leaves them out and tells the formula only.</summary>
    private static Tensor Images(Golden golden)
    {
        long[] shape = [.. golden.Json.GetProperty("image_shape").EnumerateArray().Select(n => n.GetInt64())];
        var name = golden.Json.GetProperty("weights").GetProperty("name_prefix").GetString() + "inception.images";
        var values = FormulaWeights.Uniforms(name, (int)shape.Aggregate(1L, (a, b) => a * b)).Select(u => (byte)(256 * u));
        return tensor(values.ToArray()).reshape(shape);
    }

    [Fact]
    public void Names_and_shapes_are_those_of_the_public_file()
    {
        using var golden = new Golden("inception");
        var wanted = golden.Json.GetProperty("state_dict_shapes").EnumerateObject().Where(p => p.Value.GetArrayLength() > 0)
            .Select(p => $"{p.Name} {string.Join(",", p.Value.EnumerateArray())}").Order(StringComparer.Ordinal);

        Assert.Equal(wanted, Inception.Shapes().Select(s => $"{s.Name} {string.Join(",", s.Shape)}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_score_gets_logits_without_bias_and_nothing_is_left_behind()
    {
        using var pictures = zeros([1, 3, 20, 20], ScalarType.Byte);
        using var output = fixture.TorchFidelity.Compute(pictures);
        fixture.TorchFidelity.Extract(pictures).Dispose();
        var statistics = DisposeScopeManager.Statistics;
        statistics.Reset();

        using (NewDisposeScope())
        {
            using var judged = fixture.TorchFidelity.Extract(pictures);
            Assert.True(judged.Logits.Equals(output.LogitsWithoutBias));
            Assert.Equal([1, 2048], judged.Features.shape);
            Assert.False(judged.Features.requires_grad);
        }

        Assert.Equal(0, statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Names_tell_the_conventions_apart() =>
        Assert.Equal(("inception", "inception_pytorch_fid"), (fixture.TorchFidelity.Name, fixture.PytorchFid.Name));

    [Fact]
    public void Counters_may_be_missing_but_nothing_else_and_nothing_more()
    {
        Dictionary<string, Tensor> Changed(Action<Dictionary<string, Tensor>> change)
        {
            var weights = fixture.Weights.Where(w => !w.Key.EndsWith("num_batches_tracked", StringComparison.Ordinal)).ToDictionary();
            change(weights);
            return weights;
        }
        void Refused(Action<Dictionary<string, Tensor>> change, string why)
        {
            var error = Assert.Throws<UserException>(() => Inception.From(Changed(change), "x.pth", "")).Message;
            Assert.StartsWith("x.pth: ", error, StringComparison.Ordinal);
            Assert.Contains(why, error, StringComparison.Ordinal);
            Assert.Contains("FID variant", error, StringComparison.Ordinal);
        }

        Inception.From(Changed(_ => { }), "x.pth", "").Dispose();
        Refused(w => w["fc.weight"] = zeros(1000, 2048), "fc.weight is (1000, 2048), wanted (1008, 2048)");
        Refused(w => w.Remove("Mixed_7c.branch_pool.bn.running_var"), "missing: Mixed_7c.branch_pool.bn.running_var");
        Refused(w => w["AuxLogits.fc.weight"] = zeros(1), "surplus: AuxLogits.fc.weight");
        var notFinite = Assert.Throws<UserException>(() => Inception.From(Changed(w => w["fc.bias"] = full(1008, float.NegativeInfinity)), "x.pth", "")).Message;
        Assert.StartsWith("x.pth: tensor fc.bias holds NaN or infinity", notFinite, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_pictures_of_bytes_are_taken()
    {
        Assert.Throws<ArgumentException>(() => fixture.TorchFidelity.Compute(zeros(1, 3, 8, 8)));
        Assert.Throws<ArgumentException>(() => fixture.TorchFidelity.Compute(zeros([1, 1, 8, 8], ScalarType.Byte)));
        Assert.Throws<ArgumentException>(() => fixture.TorchFidelity.Compute(zeros([0, 3, 8, 8], ScalarType.Byte)));
    }

    [Fact]
    public void The_network_of_small_pictures_satisfies_the_same_interface()
    {
        using var fashion = FeatureNetwork.Load(CPU);
        IFeatureNetwork network = fashion;
        var bytes = (rand(3, 3, 28, 28) * 255).to(ScalarType.Byte);

        using var judged = network.Extract(bytes);
        using var direct = fashion.Extract(bytes.to(ScalarType.Float32) / 127.5 - 1);

        Assert.True(judged.Features.Equals(direct.Features));
        Assert.True(judged.Logits.Equals(direct.ItemLogits));
        Assert.Equal(("fashion", 64), (network.Name, network.Hash.Length));
    }
}

public sealed class PublicWeightsTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Missing_weights_say_which_where_from_their_hash_and_where_to()
    {
        var error = Assert.Throws<UserException>(() => PublicWeights.Inception.Find(folder: folder.FullName)).Message;

        foreach (var part in new[] { "pt_inception-2015-12-05-6726825d.pth", "https://github.com/mseitzer/pytorch-fid/releases/", "6726825d0af5", folder.FullName })
            Assert.Contains(part, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
        Assert.Contains("nowhere.ckpt", Assert.Throws<UserException>(() => PublicWeights.Kl16.Find("nowhere.ckpt")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_published_name_promises_its_content_another_name_may_hold_anything()
    {
        var mine = Path.Combine(folder.FullName, "mine.pth");
        File.WriteAllText(mine, "");
        foreach (var name in new[] { "weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth" })
        {
            File.Copy(mine, Path.Combine(folder.FullName, name));
            var error = Assert.Throws<UserException>(() => PublicWeights.Inception.Find(folder: folder.FullName)).Message;
            Assert.Contains(name, error, StringComparison.Ordinal);
            Assert.Contains("e3b0c442", error, StringComparison.Ordinal);
        }

        Assert.Equal((mine, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), PublicWeights.Inception.Find(mine));
    }

    [Fact]
    public void The_published_file_is_found_under_any_of_its_names()
    {
        var known = PublicWeights.Inception with { Sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" };
        var path = Path.Combine(folder.FullName, "weights-inception-2015-12-05-6726825d.pth");
        File.WriteAllText(path, "");

        Assert.Equal(path, known.Find(folder: folder.FullName).Path);
    }
}
