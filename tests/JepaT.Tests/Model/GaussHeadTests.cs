using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class GaussHeadTests : IDisposable
{
    private static readonly ModelConfig Config = JepaModelTests.Small with { Head = HeadKind.Gauss };
    private static readonly SamplingConfig Sampling = new() { Iterations = 4, GaussSpacing = "6" };
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly JepaModel model = new(Config, seed: 5);

    public GaussHeadTests()
    {
        set_num_threads(1);
        model.eval();
        using (no_grad())
            foreach (var (_, w) in model.NamedWeights()) w.add_(randn_like(w) * 0.05);      // the head starts as zero
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Its_weights_are_the_flow_heads_with_twice_the_outputs()
    {
        var flow = JepaModel.Outline(Config with { Head = HeadKind.Flow }).NamedWeights().ToDictionary(w => w.Name, w => w.Value.shape);
        var gauss = JepaModel.Outline(Config).NamedWeights().ToDictionary(w => w.Name, w => w.Value.shape);

        Assert.Equal(flow.Keys, gauss.Keys);
        Assert.Equal(["diffloss.net.final_layer.linear.bias", "diffloss.net.final_layer.linear.weight"],
            flow.Keys.Where(k => !flow[k].SequenceEqual(gauss[k])).Order());
        Assert.Equal([2 * Config.TokenDim, Config.HeadWidth], gauss["diffloss.net.final_layer.linear.weight"]);
    }

    [Theory]
    [InlineData(0, 0.1)]
    [InlineData(0.7, 0.02)]
    [InlineData(-3, 0.5)]
    public void The_likelihoods_of_all_levels_sum_to_one(double mean, double scale)
    {
        var levels = arange(256, dtype: float64) / 127.5 - 1;

        var sum = GaussHead.LogLikelihood(levels, full_like(levels, mean), full_like(levels, Math.Log(scale))).exp().sum().ToDouble();

        Assert.Equal(1, sum, 1e-6);
    }

    [Fact]
    public void The_first_step_is_judged_by_the_likelihood_and_the_next_by_the_divergence()
    {
        using var noGrad = no_grad();
        var head = new GaussHead(Config, new Init(0));          // tells 0: no noise, and the variance midway between its bounds
        var s = new GaussianSchedule();
        var (x1, noise, z) = (rand(3, Config.TokenDim) - 0.5, randn(1, 3, Config.TokenDim), zeros(3, Config.Dim));

        var losses = Enumerable.Range(0, 2).Select(i => head.RowLosses(x1, z, full(1, 3, (i + 0.5f) / 1000), noise)).ToList();

        for (var i = 0; i < 2; i++)
        {
            var xt = s.SqrtAlphaBar[i] * x1 + s.SqrtOneMinusAlphaBar[i] * noise;
            var mean = (s.PosteriorX0[i] * s.SqrtRecipAlphaBar[i] + s.PosteriorXt[i]) * xt;
            var (low, log) = (s.MinLogVariance[i], (s.MinLogVariance[i] + s.MaxLogVariance[i]) / 2);
            var off = s.PosteriorX0[i] * x1 + s.PosteriorXt[i] * xt - mean;
            var bound = i == 0 ? -GaussHead.LogLikelihood(x1.expand_as(mean), mean, full_like(mean, log / 2))
                : 0.5 * (log - low - 1 + Math.Exp(low - log) + off.square() * Math.Exp(-log));
            Assert.True(losses[i].allclose(noise.square().mean([-1]) + bound.mean([-1]) / Math.Log(2), rtol: 1e-4, atol: 1e-4), $"step {i}");
        }
    }

    [Fact]
    public void An_image_does_not_depend_on_its_batch()
    {
        var text = randn(3, Config.TextDim);

        var together = Sampler.Images(model, text, [7, 8, 9], Sampling);
        var alone = Sampler.Images(model, text[1..2], [8], Sampling);

        Assert.True((together[1] - alone[0]).abs().max().ToDouble() <= 1e-4 * alone.abs().max().ToDouble());
    }

    [Fact]
    public void The_temperature_weighs_the_steps_noise()
    {
        var draws = Sampler.Draw(model, [1], Sampling);
        var other = draws with { StepNoise = randn_like(draws.StepNoise) };
        Tensor Run(SampleDraws d, double temperature) => Sampler.Steps(model, null, d, Sampling with { Temperature = temperature }).Last().Tokens;

        Assert.Equal([5L, 1, Config.Tokens, Config.TokenDim], draws.StepNoise.shape);
        Assert.True(Run(draws, 0).Equals(Run(other, 0)));
        Assert.False(Run(draws, 1).allclose(Run(other, 1)));
        Assert.False(Run(draws, 1).allclose(Run(draws, 0.5)));
    }

    [Fact]
    public void States_go_from_the_noise_to_the_tokens()
    {
        var draws = Sampler.Draw(model, [1], Sampling);
        var times = model.StateTimes(Sampling);
        foreach (var step in Sampler.Steps(model, null, draws, Sampling, keepOdeStates: true))
        {
            Assert.Equal(times.Length, step.OdeStates.Count);
            Assert.True(step.OdeStates[0].Equals(ImageTokens.Take(draws.Noise, step.Predicted)));
            Assert.True(step.OdeStates[^1].Equals(ImageTokens.Take(step.Tokens, step.Predicted)));
            step.Dispose();
        }

        Assert.Equal((0f, 1f, true), (times[0], times[^1], times.Zip(times.Skip(1)).All(t => t.First < t.Second)));
    }

    [Fact]
    public void Too_few_step_noises_are_refused()
    {
        var draws = Sampler.Draw(model, [1], Sampling);

        Assert.Throws<ArgumentException>(() => Sampler.Steps(model, null, draws, Sampling with { GaussSpacing = "7" }));
    }
}
