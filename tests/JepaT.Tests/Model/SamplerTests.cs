using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class SamplerTests : IDisposable
{
    private static readonly ModelConfig Config = JepaModelTests.Small;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly JepaModel model = new(Config, seed: 5);

    public SamplerTests()
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

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(16)]
    public void Every_token_is_generated_once(int iterations)
    {
        var draws = Sampler.Draw(model, [1, 2, 3], new SamplingConfig());
        var sampling = new SamplingConfig { Iterations = iterations, OdeSteps = 2 };
        var times = zeros(3, Config.Tokens);
        foreach (var step in Sampler.Steps(model, randn(3, Config.TextDim), draws, sampling))
        {
            times.scatter_add_(1, step.Predicted, ones_like(step.Predicted, dtype: float32));
            var hidden = step.Mask.unsqueeze(-1).expand_as(step.Tokens);
            Assert.Equal(0, step.Tokens.masked_select(hidden).abs().sum().ToDouble());
            if (step.Iteration == iterations - 1) Assert.False(step.Mask.any().item<bool>());
            step.Dispose();
        }

        Assert.True(times.Equals(ones_like(times)));
    }

    [Fact]
    public void An_image_does_not_depend_on_its_batch()
    {
        var text = randn(3, Config.TextDim);
        var sampling = new SamplingConfig { Iterations = 4, OdeSteps = 3 };

        var together = Sampler.Images(model, text, [7, 8, 9], sampling);
        var alone = Sampler.Images(model, text[1..2], [8], sampling);

        Assert.True(together[1..2].allclose(alone, rtol: 1e-4, atol: 1e-4));
    }

    [Fact]
    public void Ode_states_go_from_the_noise_to_the_tokens()
    {
        var draws = Sampler.Draw(model, [1], new SamplingConfig());
        foreach (var step in Sampler.Steps(model, null, draws, new SamplingConfig { Iterations = 2, OdeSteps = 5 }, keepOdeStates: true))
        {
            Assert.Equal(6, step.OdeStates.Count);
            Assert.True(step.OdeStates[0].Equals(ImageTokens.Take(draws.Noise, step.Predicted)));
            Assert.True(step.OdeStates[^1].Equals(ImageTokens.Take(step.Tokens, step.Predicted)));
            step.Dispose();
        }
    }

    [Fact]
    public void Steps_own_their_tensors_and_leave_gradients_on()
    {
        var draws = Sampler.Draw(model, [1], new SamplingConfig());
        var text = randn(1, Config.TextDim);
        DisposeScopeManager.Statistics.Reset();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        foreach (var step in Sampler.Steps(model, text, draws, new SamplingConfig { Iterations = 3, OdeSteps = 2 }))
        {
            Assert.True(is_grad_enabled());
            Assert.False(step.Tokens.IsInvalid);
            step.Dispose();
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void An_abandoned_enumeration_leaves_gradients_on()
    {
        var draws = Sampler.Draw(model, [1], new SamplingConfig());
        Sampler.Steps(model, null, draws, new SamplingConfig { Iterations = 3, OdeSteps = 2 }).First().Dispose();

        Assert.True(is_grad_enabled());
    }

    [Fact]
    public void Euler_is_exact_on_a_constant_velocity()
    {
        var head = new FlowHead(Config, new Init(0));      // starts as zero velocity: the last layer is zero
        var x0 = randn(4, Config.TokenDim);

        Assert.True(OdeSolver.Euler(head, x0, randn(4, Config.Dim), 1, 7, 1).allclose(x0));
        using (no_grad()) head.Net.get_parameter("final_layer.linear.bias")!.fill_(2);
        Assert.True(OdeSolver.Euler(head, x0, randn(4, Config.Dim), 1, 7, 2).allclose(x0 + 2, rtol: 1e-5, atol: 1e-5));
    }

    [Fact]
    public void More_iterations_than_tokens_are_refused()
    {
        var draws = Sampler.Draw(model, [1], new SamplingConfig());

        var error = Assert.Throws<UserException>(() => Sampler.Steps(model, null, draws, new SamplingConfig { Iterations = 17 }));

        Assert.Contains("only 16 tokens", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Patchify_and_unpatchify_are_inverse()
    {
        var images = randn(2, 3, 12, 12);

        Assert.True(ImageTokens.Unpatchify(ImageTokens.Patchify(images, 4), 4).Equals(images));
    }
}
