using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>What saves memory and time may not change what is learned.</summary>
public sealed class PrecisionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public PrecisionTests() => set_num_threads(1);

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(0.2)]
    public void Recomputing_blocks_gives_the_same_losses_and_gradients_to_the_last_bit(double dropout)
    {
        var config = JepaModelTests.Small with { AttentionDropout = dropout, ProjectionDropout = dropout };

        var (kept, again) = (Gradients(config), Gradients(config with { Recompute = true }));

        Assert.Equal(kept.Loss, again.Loss);
        Assert.All(kept.ByName, g => Assert.True(g.Value.Equals(again.ByName[g.Key]), g.Key));
    }

    [Fact]
    public void Recomputing_keeps_fewer_activations()
    {
        Assert.SkipUnless(NativeHeap.CanTell, "needs glibc");
        var config = JepaModelTests.Small with { ImageSize = 32, Dim = 64, EncoderDepth = 8, PredictorDepth = 8 };

        Assert.InRange(SavedBytes(config with { Recompute = true }) / SavedBytes(config), 0.001, 0.3);
    }

    [Fact]
    public void In_bfloat16_weights_and_gradients_stay_float32_and_losses_near()
    {
        var config = JepaModelTests.Small;

        var (exact, rounded) = (Gradients(config), Gradients(config with { Precision = bfloat16 }));

        Assert.All(rounded.ByName, g => Assert.Equal(float32, g.Value.dtype));
        Assert.NotEqual(exact.Loss, rounded.Loss);
        Assert.InRange(rounded.Loss / exact.Loss, 0.98, 1.02);
        var (a, b) = (Flat(exact), Flat(rounded));
        Assert.InRange((a * b).sum().ToDouble() / (a.norm() * b.norm()).ToDouble(), 0.99, 1);

        static Tensor Flat((double, Dictionary<string, Tensor> ByName) g) => cat([.. g.ByName.Values.Select(t => t.flatten())]);
    }

    [Fact]
    public void In_bfloat16_every_preset_trains_with_either_head_and_text()
    {
        foreach (var fusion in Fusion.Presets.Values)
            foreach (var head in Enum.GetValues<HeadKind>())
                foreach (var text in Enum.GetValues<TextForm>())
                {
                    using var inner = NewDisposeScope();
                    var config = JepaModelTests.Small with { Fusion = fusion, Head = head, Text = text, Precision = bfloat16, ProjectionDropout = 0.1, AttentionDropout = 0.1 };
                    using var model = Model(config);
                    var losses = Loss(model);
                    Assert.Equal((float32, float32), (losses.Flow.dtype, losses.Jepa.dtype));
                    (losses.Flow + losses.Jepa).backward();
                    Assert.All(model.UsedWeights(), w => Assert.Equal(float32, w.Value.grad!.dtype));
                }
    }

    [Theory]
    [InlineData(HeadKind.Flow, TextForm.Pooled, 1)]
    [InlineData(HeadKind.Flow, TextForm.Tokens, 1)]
    [InlineData(HeadKind.Flow, TextForm.Pooled, 3)]
    [InlineData(HeadKind.Gauss, TextForm.Tokens, 1)]
    [InlineData(HeadKind.Gauss, TextForm.Tokens, 3)]
    public void In_bfloat16_pictures_are_float32_and_near(HeadKind head, TextForm text, double guidance)
    {
        var config = JepaModelTests.Small with { Head = head, Text = text };
        var sampling = new SamplingConfig { Iterations = 4, OdeSteps = 4, GaussSpacing = "4", Guidance = guidance };
        using var noGrad = no_grad();
        using var g = new Generator(7);
        var pooled = randn([2, config.TextDim], generator: g);
        var features = text == TextForm.Pooled ? pooled : new TextFeatures(pooled, randn([2, 3, config.TextDim], generator: g), ones(2, 3, dtype: ScalarType.Bool));

        var (exact, rounded) = (Draw(config), Draw(config with { Precision = bfloat16 }));

        Assert.Equal(float32, rounded.dtype);
        var (a, b) = (exact.flatten(), rounded.flatten());
        Assert.InRange((a * b).sum().ToDouble() / (a.norm() * b.norm()).ToDouble(), 0.99, 1);

        Tensor Draw(ModelConfig c)
        {
            using var model = Model(c);
            model.eval();
            return Sampler.Images(model, features, [1, 2], sampling);
        }
    }

    private static (double Loss, Dictionary<string, Tensor> ByName) Gradients(ModelConfig config)
    {
        using var model = Model(config);
        var losses = Loss(model);
        (losses.Flow + losses.Jepa).backward();
        return ((losses.Flow + losses.Jepa).ToDouble(), model.UsedWeights().ToDictionary(w => w.Name, w => w.Value.grad!.clone()));
    }

    private static JepaModel Model(ModelConfig config)
    {
        var model = new JepaModel(config, seed: 3);
        using var g = new Generator(4);
        using (no_grad())
            foreach (var (_, w) in model.NamedWeights())
                if (!w.any().item<bool>()) w.copy_(randn(w.shape, generator: g) * 0.05);          // zero layers would hide most gradients
        model.train();
        return model;
    }

    private static Losses Loss(JepaModel model)
    {
        using var g = new Generator(5);
        var config = model.Config;
        var images = randn([2, config.Channels, config.ImageSize, config.ImageSize], generator: g);
        TextFeatures text = randn([2, config.TextDim], generator: g);
        if (config.Text == TextForm.Tokens) text = text with { Tokens = randn([2, 3, config.TextDim], generator: g), Mask = ones(2, 3, dtype: ScalarType.Bool) };
        var draws = Batches.Draw(config, 2, 0.7, 0.1, g, CPU);
        manual_seed(6);                                     // dropout
        return model.Loss(images, text, draws, randn([2, draws.MaskedCount, config.Dim], generator: g));
    }

    // What a forward pass leaves for the backward pass: autograd's tensors have no alias here.
    private static double SavedBytes(ModelConfig config)
    {
        using var model = Model(config);
        const int batch = 16;
        using var g = new Generator(5);
        var images = randn([batch, config.Channels, config.ImageSize, config.ImageSize], generator: g);
        var draws = Batches.Draw(config, batch, 0.7, 0.1, g, CPU);
        var before = NativeHeap.BytesInUse();
        var losses = model.Loss(images, randn([batch, config.TextDim], generator: g), draws, randn([batch, draws.MaskedCount, config.Dim], generator: g));
        var bytes = NativeHeap.BytesInUse() - before;
        (losses.Flow + losses.Jepa).backward();
        return bytes;
    }
}
