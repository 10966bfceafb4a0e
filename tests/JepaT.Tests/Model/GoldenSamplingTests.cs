using System.Text.Json;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Trait("Category", "Golden")]
public sealed class GoldenSamplingTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Golden golden = new("sampling_flow"), weights = new("train_flow");

    public GoldenSamplingTests() => set_num_threads(1);

    public void Dispose()
    {
        golden.Dispose();
        weights.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Every_iteration_of_every_run_agrees()
    {
        var config = GoldenModel.Config(golden.Config);
        var plan = golden.Json.GetProperty("plan");
        foreach (var run in golden.Json.GetProperty("runs").EnumerateObject())
        {
            using var inner = NewDisposeScope();
            var fused = Flag(run.Value, "fuse_at_sampling", false);
            var model = GoldenModel.Create(config with { Errata = Errata.Published with { FusionSkippedInSampling = !fused } }, weights);
            model.eval();
            var sampling = new SamplingConfig
            {
                Iterations = golden.Json.GetProperty("num_iter").GetInt32(),
                OdeSteps = GoldenModel.OdeSteps(golden.Config),
                Guidance = Number(run.Value, "cfg_scale", 1),
                GuidanceSchedule = run.Value.TryGetProperty("cfg_schedule", out var s) && s.GetString() == "constant"
                    ? GuidanceSchedule.Constant : GuidanceSchedule.Linear,
                TimeShift = Number(run.Value, "time_shift", 1),
            };

            var trace = new List<Tensor>();
            foreach (var step in Sampler.Steps(model, Flag(run.Value, "text", true) ? golden["text"] : null, golden["orders"], golden["noise"], sampling))
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

    private static double Number(JsonElement run, string key, double otherwise) => run.TryGetProperty(key, out var v) ? v.GetDouble() : otherwise;
}
