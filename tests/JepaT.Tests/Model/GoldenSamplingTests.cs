using System.Text.Json;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Trait("Category", "Golden")]
public sealed class GoldenSamplingTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public GoldenSamplingTests() => set_num_threads(1);

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData("sampling_flow")]
    [InlineData("sampling_gauss")]
    [InlineData("sampling_gauss_strided")]
    public void Every_iteration_of_every_run_agrees(string name)
    {
        using var golden = new Golden(name);
        using var weights = new Golden(golden.Json.GetProperty("weights_from").GetString()!.Split('.')[0]);
        var config = GoldenModel.Config(golden.Config);
        var plan = golden.Json.GetProperty("plan");
        foreach (var run in golden.Json.GetProperty("runs").EnumerateObject())
        {
            using var inner = NewDisposeScope();
            var fused = Flag(run.Value, "fuse_at_sampling", false);
            var model = GoldenModel.Create(config with { Errata = Errata.Published with { FusionSkippedInSampling = !fused } }, weights);
            model.eval();
            var sampling = GoldenModel.Sampling(golden.Json, run.Value);
            var (orders, noise) = (golden["orders"], golden["noise"]);
            var draws = new SampleDraws(orders, noise, golden.Names.Contains("step_noise") ? golden["step_noise"] : zeros([0, .. noise.shape]));

            var trace = new List<Tensor>();
            TextFeatures? text = Flag(run.Value, "text", true) ? (TextFeatures)golden["text"] : null;
            foreach (var step in Sampler.Steps(model, text, draws, sampling))
            {
                Assert.Equal(plan[step.Iteration].GetProperty("predicted").GetInt32(), step.Predicted.shape[1]);
                trace.Add(step.Tokens);
            }

            GoldenModel.AssertSampled(golden[run.Name + ".trace"], stack(trace), run.Name + " trace");
            GoldenModel.AssertSampled(golden[run.Name + ".latents"], ImageTokens.Unpatchify(trace[^1], config.PatchSize), run.Name + " latents");
            model.Dispose();
        }
    }

    private static bool Flag(JsonElement run, string key, bool otherwise) => run.TryGetProperty(key, out var v) ? v.GetBoolean() : otherwise;
}
