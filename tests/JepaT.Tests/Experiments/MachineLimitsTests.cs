using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public class MachineLimitsTests
{
    [Fact]
    public void Threads_are_bounded_by_the_machines_processors()
    {
        var most = 4 * Environment.ProcessorCount;
        MachineLimits.Check(new Experiment { Threads = most }, training: true);

        var error = Assert.Throws<UserException>(() => MachineLimits.Check(new Experiment { Threads = most + 1 }, training: true));

        Assert.Contains($"threads is {most + 1}, but this machine has {Environment.ProcessorCount} processor", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_larger_than_the_machines_memory_is_refused_before_it_is_made()
    {
        var giant = new Experiment { Model = new ModelConfig { Dim = 16_384, Heads = 16, EncoderDepth = 256, PredictorDepth = 256 } };
        giant.Validate();

        var error = Assert.Throws<UserException>(() => MachineLimits.Check(giant, training: true));

        Assert.Matches(@"needs at least 36,\d{3}\.\d GB of memory, the machine has [\d,.]+ GB: lower model\.dim", error.Message);
    }

    [Fact]
    public void The_estimate_is_below_what_was_measured_and_not_far()
    {
        var tiny = new Experiment { Data = new DataConfig { Name = FashionMnist.Plain }, Model = ModelConfig.Tiny, Training = new TrainingConfig { BatchSize = 64 } };

        Assert.InRange(MachineLimits.LeastMemory(tiny, training: true).Host, 0.4e9, 1.46e9);         // ./lab bench measures 1.46 GB
    }

    [Fact]
    public void The_published_huge_model_is_within_the_limits_and_its_weights_are_counted()
    {
        var huge = new Experiment { Model = ModelConfig.Huge, Training = new TrainingConfig { BatchSize = 2048, Steps = 1_000_000 } };
        huge.Validate();

        var ((host, none), (beside, device)) = (MachineLimits.LeastMemory(huge, training: true), MachineLimits.LeastMemory(huge with { Device = "cuda" }, training: true));
        Assert.InRange(beside, 4e9, 8e9);
        Assert.True(host > 5 * 4e9);
        Assert.Equal((0, host), (none, device));                                // the same numbers, in another place
    }
}
