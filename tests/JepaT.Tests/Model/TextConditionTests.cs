using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class TextConditionTests : IDisposable
{
    private static readonly ModelConfig Small = JepaModelTests.Small with { Text = TextForm.Tokens };
    private static readonly Fusion CrossOnly = new(false, false, true, false);
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Tensor tokens, visible, wanted;

    public TextConditionTests()
    {
        set_num_threads(1);
        manual_seed(1);
        tokens = randn(2, Small.Tokens, Small.TokenDim);
        var orders = stack([randperm(Small.Tokens), randperm(Small.Tokens)]);
        (visible, wanted) = (Masking.Rest(orders, 10), Masking.First(orders, 10));
    }

    public void Dispose() => scope.Dispose();

    [Fact]
    public void One_token_that_is_the_pooled_vector_is_the_pooled_form()
    {
        var pooled = randn(2, Small.TextDim);
        foreach (var fusion in Fusion.Presets.Values)
        {
            var z = ZOf(Model(fusion, TextForm.Pooled), pooled);

            Assert.True(Difference(z, ZOf(Model(fusion), Text(pooled, pooled.unsqueeze(1)))) <= 1e-5);
        }
    }

    [Fact]
    public void Padding_has_no_influence()
    {
        var (model, pooled, words) = (Model(Fusion.Full), randn(2, Small.TextDim), randn(2, 3, Small.TextDim));
        var padded = cat([words, 100 * randn(2, 4, Small.TextDim)], 1);
        var mask = cat([ones(2, 3, dtype: ScalarType.Bool), zeros(2, 4, dtype: ScalarType.Bool)], 1);

        Assert.True(Difference(ZOf(model, Text(pooled, words)), ZOf(model, new(pooled, padded, mask))) <= 1e-6);
    }

    [Fact]
    public void The_order_of_the_tokens_has_no_influence()
    {
        var (model, pooled, words) = (Model(Fusion.Full), randn(2, Small.TextDim), randn(2, 4, Small.TextDim));
        var mask = tensor(new[] { true, true, true, true, true, false, true, false }, [2, 4]);
        var order = tensor(new long[] { 3, 1, 0, 2 });

        var permuted = new TextFeatures(pooled, words.index_select(1, order), mask.index_select(1, order));

        Assert.True(Difference(ZOf(model, new(pooled, words, mask)), ZOf(model, permuted)) <= 1e-6);
    }

    [Fact]
    public void A_changed_word_changes_z_differently_at_different_places_and_a_changed_pooled_vector_everywhere_alike()
    {
        var (pooled, words) = (randn(2, Small.TextDim), randn(2, 3, Small.TextDim));
        var changed = words.clone();
        changed[.., 1] = randn(2, Small.TextDim);

        var (tokenModel, pooledModel) = (Model(CrossOnly), Model(CrossOnly, TextForm.Pooled));
        var byToken = ZOf(tokenModel, Text(pooled, changed)) - ZOf(tokenModel, Text(pooled, words));
        var byPooled = ZOf(pooledModel, randn(2, Small.TextDim)) - ZOf(pooledModel, pooled);

        Assert.True(Unevenness(byToken) > 0.05, $"{Unevenness(byToken)}");
        Assert.True(Unevenness(byPooled) < 1e-5, $"{Unevenness(byPooled)}");

        // How much the change differs between places, as a share of the change.
        static double Unevenness(Tensor d) => ((d - d.mean([1], keepdim: true)).norm() / d.norm()).ToDouble();
    }

    [Fact]
    public void A_dropped_text_is_the_unconditional_vector_alone()
    {
        var model = Model(Fusion.Full);
        var text = Text(randn(2, Small.TextDim), randn(2, 3, Small.TextDim));

        var dropped = ZOf(model, text, drop: tensor(new[] { true, false }));
        var without = Z(model, model.Unconditional(2));

        Assert.True(Difference(dropped[0], without[0]) <= 1e-5);
        Assert.True(Difference(dropped[1], ZOf(model, text)[1]) <= 1e-6);
    }

    [Fact]
    public void Guidance_halves_equal_two_separate_calls()
    {
        foreach (var fusion in Fusion.Presets.Values)
        {
            var model = Model(fusion);
            var (c, u) = (model.ProjectText(Text(randn(2, Small.TextDim), randn(2, 3, Small.TextDim))), model.Unconditional(2));

            Assert.True(Difference(Z(model, c.Then(u)), cat([Z(model, c), Z(model, u)])) <= 1e-5);
        }
    }

    [Fact]
    public void Queries_and_keys_learn_from_tokens_only()
    {
        foreach (var form in Enum.GetValues<TextForm>())
        {
            var model = Model(Fusion.Full, form);
            var pooled = randn(2, Small.TextDim);
            var c = model.ProjectText(form == TextForm.Tokens ? Text(pooled, randn(2, 3, Small.TextDim)) : pooled);

            model.Predict(tokens, visible, wanted, c).square().sum().backward();

            var learned = model.NamedWeights().Single(w => w.Name == "cross_attention.in_proj_weight").Value.grad!.narrow(0, 0, 2 * Small.Dim).abs().sum().ToDouble() > 0;
            Assert.Equal(form == TextForm.Tokens, learned);
        }
    }

    [Fact]
    public void Dropout_on_the_attention_keeps_the_mean()
    {
        var attention = new CrossAttention(Small with { AttentionDropout = 0.3 }, new Init(0));
        var text = new TextCondition(randn(1, Small.Dim), randn(1, 5, Small.Dim), ones(1, 5, dtype: ScalarType.Bool));
        var z = randn(1, 1, Small.Dim).expand(1, 20_000, -1);
        attention.eval();
        var whole = attention.Call(z.narrow(1, 0, 1), text);
        attention.train();

        Assert.True(Difference(attention.Call(z, text).mean([1], keepdim: true), whole) < 0.03);
    }

    [Fact]
    public void An_image_does_not_depend_on_the_captions_beside_it()
    {
        using var noGrad = no_grad();
        var model = Model(Fusion.Full);
        foreach (var (_, w) in model.NamedWeights()) w.add_(randn_like(w) * 0.05);      // the head starts as zero
        var (pooled, words) = (randn(2, Small.TextDim), randn(2, 6, Small.TextDim));
        var mask = arange(6) < tensor(new long[] { 6, 2 }).unsqueeze(1);
        var sampling = new SamplingConfig { Iterations = 3, OdeSteps = 2 };

        var together = Sampler.Images(model, new(pooled, words, mask), [7, 8], sampling);
        var alone = Sampler.Images(model, Text(pooled[1..2], words[1..2, ..2]), [8], sampling);

        Assert.True(Difference(together[1..2], alone) <= 1e-4);
    }

    [Fact]
    public void Features_in_the_other_form_are_refused()
    {
        var pooled = randn(2, Small.TextDim);

        Assert.Throws<ArgumentException>(() => Model(Fusion.Full).ProjectText(pooled));
        Assert.Throws<ArgumentException>(() => Model(Fusion.Full, TextForm.Pooled).ProjectText(Text(pooled, pooled.unsqueeze(1))));
    }

    private static JepaModel Model(Fusion fusion, TextForm form = TextForm.Tokens)
    {
        var model = new JepaModel(Small with { Fusion = fusion, Text = form }, seed: 3);
        model.eval();
        return model;
    }

    // All tokens, no padding.
    private static TextFeatures Text(Tensor pooled, Tensor words) => new(pooled, words, ones(words.shape[0], words.shape[1], dtype: ScalarType.Bool));

    private Tensor ZOf(JepaModel model, TextFeatures text, Tensor? drop = null) => Z(model, model.ProjectText(text, drop));

    private Tensor Z(JepaModel model, TextCondition text)
    {
        using var noGrad = no_grad();
        return model.Predict(tokens, visible, wanted, text);
    }

    private static double Difference(Tensor a, Tensor b) => (a - b).abs().max().ToDouble();
}
