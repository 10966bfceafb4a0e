using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>One autoencoder of 67 million formula weights, for all tests of the class.</summary>
public sealed class AutoencoderFixture : IDisposable
{
    public AutoencoderFixture()
    {
        set_num_threads(1);
        using var scope = NewDisposeScope();
        using var golden = new Golden("vae");
        var weights = FormulaWeights.Of(golden, golden.Json.GetProperty("weights").GetProperty("gain").GetDouble());
        weights["loss.logvar"] = zeros(1);
        Autoencoder = Autoencoder.From(weights, "formula");
    }

    internal Autoencoder Autoencoder { get; }

    public void Dispose() => Autoencoder.Dispose();
}

public sealed class AutoencoderTests(AutoencoderFixture fixture) : IClassFixture<AutoencoderFixture>, IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    private Autoencoder Net => fixture.Autoencoder;

    public void Dispose() => scope.Dispose();

    [Fact]
    [Trait("Category", "Golden")]
    public void Moments_and_pictures_agree_with_the_reference()
    {
        using var golden = new Golden("vae");

        Close(golden["moments"], Net.Encode(golden["image"]), 1e-4);
        Close(golden["decoded"], Net.Decode(golden["latent"] * Posterior.Scale), 1e-4);
    }

    [Fact]
    public void Names_and_shapes_are_the_published_ones()
    {
        using var golden = new Golden("vae");
        using var net = new Autoencoder.Net();
        var wanted = golden.Json.GetProperty("state_dict_shapes").EnumerateObject()
            .Select(p => $"{p.Name} {string.Join(",", p.Value.EnumerateArray())}").Order(StringComparer.Ordinal);

        Assert.Equal(wanted, net.Tensors().Select(t => $"{t.Name} {string.Join(",", t.Value.shape)}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Chunks_change_nothing_and_leave_nothing_behind()
    {
        using var generator = new Generator(1);
        var images = rand([3, 3, 32, 48], generator: generator) * 2 - 1;
        var whole = Net.Encode(images);

        Close(whole, Net.Encode(images, chunk: 2), 1e-5);
        Assert.Equal([3, 32, 2, 3], whole.shape);
        Assert.False(whole.requires_grad);
        Assert.Equal([1, 3, 16, 32], Net.Decode(zeros(1, 16, 1, 2)).shape);
        var statistics = DisposeScopeManager.Statistics;
        statistics.Reset();
        for (var i = 0; i < 2; i++) Net.Encode(images.narrow(0, 0, 1)).Dispose();
        Assert.InRange(statistics.ThreadTotalLiveCount, 0, 2);                  // the narrowed inputs, which this test's scope owns
    }

    [Fact]
    public void The_type_is_the_callers()
    {
        using var golden = new Golden("vae");
        var weights = golden.Json.GetProperty("state_dict_shapes").EnumerateObject()
            .ToDictionary(p => p.Name, p => zeros(1).expand([.. p.Value.EnumerateArray().Select(n => n.GetInt64())]));
        using var net = Autoencoder.From(weights, "zeros", CPU, ScalarType.Float64);

        Assert.Equal(ScalarType.Float64, net.Encode(zeros(1, 3, 16, 16)).dtype);
        Assert.Equal(ScalarType.Float64, net.Decode(zeros(1, 16, 1, 1)).dtype);
    }

    [Fact]
    public void What_only_training_needs_is_left_out_and_named() => Assert.Equal(["loss.logvar"], Net.Ignored);

    [Fact]
    public void Bad_shapes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => Net.Encode(zeros(1, 3, 40, 32)));
        Assert.Throws<ArgumentException>(() => Net.Encode(zeros(1, 1, 32, 32)));
        Assert.Throws<ArgumentException>(() => Net.Encode(zeros(0, 3, 32, 32)));
        Assert.Throws<ArgumentException>(() => Net.Decode(zeros(1, 4, 2, 2)));
    }

    [Fact]
    public void A_file_of_something_else_is_refused_in_one_line()
    {
        var error = Assert.Throws<UserException>(() => Autoencoder.From(new Dictionary<string, Tensor> { ["encoder.conv_in.weight"] = zeros(128, 3, 1, 1) }, "other.ckpt")).Message;

        Assert.StartsWith("other.ckpt: does not fit", error, StringComparison.Ordinal);
        Assert.Contains("KL-16", error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void A_file_with_a_weight_that_is_not_finite_is_refused_by_name()
    {
        var weights = new Autoencoder.Net().Tensors().ToDictionary(t => t.Name, t => zeros_like(t.Value));
        weights["decoder.conv_out.bias"] = full_like(weights["decoder.conv_out.bias"], float.NaN);

        Assert.StartsWith("kl16.ckpt: tensor decoder.conv_out.bias holds NaN or infinity", Assert.Throws<UserException>(() => Autoencoder.From(weights, "kl16.ckpt")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sample_is_mean_and_spread_scaled_with_the_log_variance_clipped()
    {
        var mean = full([1, 16, 1, 2], 2f);
        var logvar = cat([full([1, 16, 1, 1], MathF.Log(9)), full([1, 16, 1, 1], 1000f)], 3);
        var noise = full([1, 16, 1, 2], -1f);

        var sample = Posterior.Sample(cat([mean, logvar], 1), noise);

        Assert.Equal((2 - 3) * 0.2325, sample[0, 5, 0, 0].item<float>(), 1e-6);
        Assert.Equal((2 - Math.Exp(10)) * 0.2325, sample[0, 5, 0, 1].item<float>(), 1e-2);
        Assert.Equal(2 * 0.2325, Posterior.Mean(cat([mean, logvar], 1))[0, 0, 0, 0].item<float>(), 1e-6);
    }

    [Fact]
    public void One_seed_gives_one_sample()
    {
        var moments = zeros(2, 32, 2, 2);
        Tensor Draw(ulong seed)
        {
            using var generator = new Generator(seed);
            return Posterior.Sample(moments, generator);
        }

        Assert.True(Draw(1).Equals(Draw(1)));
        Assert.False(Draw(1).Equals(Draw(2)));
        Assert.Throws<ArgumentException>(() => Posterior.Sample(moments, zeros(2, 32, 2, 2)));
    }

    internal static void Close(Tensor expected, Tensor actual, double relative)
    {
        using var inner = NewDisposeScope();
        Assert.Equal(expected.shape, actual.shape);
        var error = (actual.to(ScalarType.Float64) - expected.to(ScalarType.Float64)).abs().max().item<double>() / expected.abs().max().ToDouble();
        TestContext.Current.TestOutputHelper?.WriteLine($"largest difference {error:G3} of the largest value, allowed {relative:G3}");
        Assert.True(error <= relative, $"largest difference {error:G3} of the largest value, allowed {relative:G3}");
    }
}
