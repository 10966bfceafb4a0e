using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class JepaModelTests : IDisposable
{
    internal static readonly ModelConfig Small = new()
    {
        ImageSize = 8,
        Channels = 3,
        PatchSize = 2,
        Dim = 32,
        EncoderDepth = 2,
        PredictorDepth = 2,
        Heads = 2,
        BufferTokens = 3,
        CrossHeads = 4,
        HeadWidth = 32,
        HeadDepth = 2,
        NoiseCopies = 2,
        TextDim = 16,
        AttentionDropout = 0,
        ProjectionDropout = 0,
    };

    private readonly DisposeScope scope = NewDisposeScope();

    public JepaModelTests() => set_num_threads(1);

    public void Dispose() => scope.Dispose();

    [Fact]
    public void State_dict_keys_and_shapes_are_the_published_ones()
    {
        var lines = JepaModel.Outline(ModelConfig.Base).NamedWeights().Select(w => $"{w.Name} [{string.Join(", ", w.Value.shape)}]").Order(StringComparer.Ordinal);

        var approved = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Approvals", "state-dict-base.txt"));

        Assert.Equal(approved, lines);
    }

    [Fact]
    public void Keys_do_not_depend_on_the_fusion()
    {
        var names = Fusion.Presets.Values.Select(f => JepaModel.Outline(Small with { Fusion = f }).NamedWeights().Select(w => w.Name).ToList()).ToList();

        Assert.All(names, n => Assert.Equal(names[0], n));
    }

    // Counted with the PyTorch reference: base_config(), large_config(), huge_config().
    [Theory]
    [InlineData("base", 216_155_152)]
    [InlineData("large", 694_775_312)]
    [InlineData("huge", 1_438_217_232)]
    public void Parameter_counts_are_those_of_the_reference(string name, long count)
    {
        var config = name switch { "base" => ModelConfig.Base, "large" => ModelConfig.Large, _ => ModelConfig.Huge };

        Assert.Equal(count, JepaModel.Outline(config).NamedWeights().Sum(w => w.Value.numel()));
    }

    [Fact]
    public void Exactly_the_weights_in_use_get_a_gradient()
    {
        foreach (var (name, fusion) in Fusion.Presets)
        {
            using var inner = NewDisposeScope();
            var model = new JepaModel(Small with { Fusion = fusion }, seed: 1);
            Backward(model);

            // A weight that is zero at the start can hide the gradient of another one; null means that it has no part at all.
            Assert.Equal(model.UsedWeights().Select(w => w.Name).Order(), model.NamedWeights().Where(w => w.Value.grad is not null).Select(w => w.Name).Order());
            model.Dispose();
            Assert.NotEmpty(name);
        }
    }

    [Fact]
    public void Buffer_tokens_differ_unless_the_erratum_is_kept()
    {
        var corrected = new JepaModel(Small).StateDict()["buffer"];
        var published = new JepaModel(Small with { Errata = Errata.Published }).StateDict()["buffer"];

        Assert.True((corrected[0, 0] - corrected[0, 1]).abs().max().ToDouble() > 0);
        Assert.Equal(0, published.abs().max().ToDouble());
    }

    [Fact]
    public void Text_dropout_replaces_the_text_by_the_unconditional_vector()
    {
        var model = new JepaModel(Small);
        var c = model.ProjectText(randn(2, Small.TextDim), tensor(new[] { true, false })).Pooled;

        Assert.True(c[0].allclose(model.Unconditional(1)[0]));
        Assert.False(c[1].allclose(model.Unconditional(1)[0]));
    }

    [Fact]
    public void A_weight_of_another_shape_is_refused_before_anything_is_copied()
    {
        var model = new JepaModel(Small, seed: 1);
        var before = model.StateDict().ToDictionary(w => w.Key, w => w.Value.clone());
        var weights = new JepaModel(Small, seed: 2).StateDict();
        weights["mask_token"] = zeros(1, 1, 1);         // would broadcast

        var error = Assert.Throws<UserException>(() => model.LoadStateDict(weights, "a.safetensors"));

        Assert.Contains("mask_token is (1, 1, 1), wanted (1, 1, 32)", error.Message, StringComparison.Ordinal);
        Assert.All(model.StateDict(), w => Assert.True(w.Value.Equals(before[w.Key])));
    }

    [Fact]
    public void A_weight_of_another_type_is_refused_by_name()
    {
        var model = new JepaModel(Small);
        var weights = new JepaModel(Small).StateDict();
        weights["mask_token"] = zeros(weights["mask_token"].shape, dtype: ScalarType.Int32);

        var error = Assert.Throws<UserException>(() => model.LoadStateDict(weights, "a.safetensors"));

        Assert.Contains("mask_token is Int32, wanted Float32", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Guidance_halves_equal_two_separate_calls()
    {
        foreach (var fusion in Fusion.Presets.Values)
        {
            using var inner = NewDisposeScope();
            using var noGrad = no_grad();
            var model = new JepaModel(Small with { Fusion = fusion }, seed: 3);
            model.eval();
            var tokens = randn(2, Small.Tokens, Small.TokenDim);
            var orders = stack([randperm(Small.Tokens), randperm(Small.Tokens)]);
            var (visible, wanted) = (Masking.Rest(orders, 10), Masking.First(orders, 10));
            var (c, u) = (model.ProjectText(randn(2, Small.TextDim)), model.Unconditional(2));

            var both = model.Predict(tokens, visible, wanted, c.Then(u));

            Assert.True(both.allclose(cat([model.Predict(tokens, visible, wanted, c), model.Predict(tokens, visible, wanted, u)]), rtol: 1e-4, atol: 1e-5));
            model.Dispose();
        }
    }

    [Fact]
    public void Cross_attention_dropout_keeps_the_mean()
    {
        var attention = new CrossAttention(Small with { AttentionDropout = 0.3 }, new Init(0));
        attention.eval();
        var text = randn(1, Small.Dim);
        var constant = attention.Call(1, text);
        attention.train();

        var mean = attention.Call(20_000, text).mean([1], keepdim: true);

        Assert.True((mean - constant).abs().max().ToDouble() < 0.02);
    }

    private static void Backward(JepaModel model)
    {
        var (images, text) = (randn(2, 3, 8, 8), randn(2, Small.TextDim));
        var draws = new LossDraws(stack([randperm(Small.Tokens), randperm(Small.Tokens)]), 12, tensor(new[] { true, false }), rand(2, 24), randn(2, 24, Small.TokenDim));
        var losses = model.Loss(images, text, draws, model.TargetFeatures(images, text, Masking.First(draws.Orders, 12)));
        (losses.Flow + losses.Jepa).backward();
    }
}
