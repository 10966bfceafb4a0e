using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Trait("Category", "Golden")]
public sealed class GoldenTrainingTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Golden golden = new("train_flow");
    private readonly ModelConfig config;

    public GoldenTrainingTests()
    {
        set_num_threads(1);
        config = GoldenModel.Config(golden.Config);
    }

    public void Dispose()
    {
        golden.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Every_stage_of_the_first_step_agrees()
    {
        var model = GoldenModel.Create(config, golden);
        var stages = StageProbe.Run(model, golden["step0.imgs"], golden["step0.text"], GoldenModel.Draws(golden, "step0.", config),
            GoldenModel.Draws(golden, "step0.", config, all: true));

        var names = golden.Names.Where(n => n.StartsWith("stage.", StringComparison.Ordinal)).Select(n => n[6..]).ToList();
        Assert.Equal(names.Order(), stages.Keys.Order());
        foreach (var name in names) GoldenModel.AssertClose(golden["stage." + name], stages[name], name);
    }

    [Fact]
    public void Gradients_losses_weights_and_EMA_weights_agree_over_the_steps()
    {
        var o = golden.Json.GetProperty("optimiser");
        var (model, ema) = (GoldenModel.Create(config, golden), GoldenModel.Create(config, golden));
        ema.eval();
        var betas = o.GetProperty("betas");
        using var optimizer = new AdamW(model.UsedWeights(), betas[0].GetDouble(), betas[1].GetDouble(), o.GetProperty("eps").GetDouble());
        for (var s = 0; s < o.GetProperty("steps").GetInt32(); s++)
        {
            var (images, text, draws) = (golden[$"step{s}.imgs"], golden[$"step{s}.text"], GoldenModel.Draws(golden, $"step{s}.", config));
            var targets = ema.TargetFeatures(images, text, Masking.First(draws.Orders, draws.MaskedCount));
            var losses = model.Loss(images, text, draws, targets);
            var loss = losses.Flow + losses.Jepa;
            loss.backward();
            if (s == 0)
                foreach (var (name, p) in model.NamedWeights())
                    GoldenModel.AssertRelative(Defined(name, golden["grad." + name]), Defined(name, p.grad!), "gradient of " + name);
            var norm = optimizer.Step(o.GetProperty("lr").GetDouble(), o.GetProperty("weight_decay").GetDouble(), o.GetProperty("grad_clip").GetDouble());
            Ema.Update(ema, model, o.GetProperty("ema_rate").GetDouble());

            GoldenModel.AssertClose(golden[$"step{s}.diff"], losses.Flow, $"flow loss of step {s}");
            GoldenModel.AssertClose(golden[$"step{s}.jepa"], losses.Jepa, $"JEPA loss of step {s}");
            GoldenModel.AssertClose(golden[$"step{s}.loss"], loss, $"loss of step {s}");
            GoldenModel.AssertRelative(golden[$"step{s}.grad_norm"], tensor((float)norm), $"gradient norm of step {s}");
        }
        foreach (var (name, p) in model.NamedWeights())
            GoldenModel.AssertRelative(Defined(name, golden["after." + name]), Defined(name, p), name + " after the last step");
        foreach (var (name, p) in ema.NamedWeights())
            GoldenModel.AssertRelative(Defined(name, golden["ema." + name]), Defined(name, p), "EMA of " + name);
    }

    [Fact]
    public void Weight_decay_applies_to_the_published_group()
    {
        var model = new JepaModel(config);

        var decayed = model.NamedWeights().Where(p => AdamW.IsDecayed(p.Name, p.Value)).Select(p => p.Name);

        Assert.Equal(golden.Json.GetProperty("decayed_parameters").EnumerateArray().Select(e => e.GetString()!).Order(), decayed.Order());
    }

    /// <summary>Leaves out the parts whose gradient is mathematically zero: equal keys, and the key biases where keys are not normalised.</summary>
    private Tensor Defined(string name, Tensor x)
    {
        var c = config.Dim;
        if (name.StartsWith("cross_attention.in_proj", StringComparison.Ordinal)) return x.narrow(0, 2 * c, c);
        if (!config.QkNorm && name.EndsWith("attn.qkv.bias", StringComparison.Ordinal)) return cat([x.narrow(0, 0, c), x.narrow(0, 2 * c, c)]);
        return x;
    }
}
