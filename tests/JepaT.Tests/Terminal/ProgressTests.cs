using JepaT.Lab;

namespace JepaT.Tests;

public sealed class ProgressTests
{
    [Fact]
    public void A_log_file_gets_a_line_every_ten_seconds_and_the_end_once()
    {
        var clock = new Clock();
        var output = new StringWriter { NewLine = "\n" };
        using (var progress = new Progress("training", 100, "steps", output, terminal: false, clock))
        {
            progress.Report(0);
            clock.Seconds = 5;
            progress.Report(25);                        // too early for a line
            clock.Seconds = 10;
            progress.Report(50, "loss 1");
            clock.Seconds = 25;
            progress.Report(100, "loss 0.5");
            clock.Seconds = 40;                         // what follows the last step
        }

        Assert.Equal("training: 50/100 steps, 5.0/s, 10 s left  loss 1\ntraining: 100/100 steps, 2.5/s, took 40 s  loss 0.5\n", output.ToString());
    }

    [Fact]
    public void A_resumed_run_counts_only_its_own_steps()
    {
        var clock = new Clock();
        var output = new StringWriter { NewLine = "\n" };
        using (var progress = new Progress("training", 100, "steps", output, terminal: false, clock))
        {
            progress.Report(80);
            clock.Seconds = 10;
            progress.Report(90);
        }

        Assert.StartsWith("training: 90/100 steps, 1.0/s, 10 s left", output.ToString(), StringComparison.Ordinal);
    }

    private sealed class Clock : TimeProvider
    {
        public long Seconds { get; set; }

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => Seconds;
    }
}
