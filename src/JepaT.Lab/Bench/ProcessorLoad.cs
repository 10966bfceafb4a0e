using System.Diagnostics;
using System.Globalization;

namespace JepaT.Lab;

/// <summary>How long the machine's processors have worked so far, for all programs. A busy machine makes every speed wrong, and unevenly so.</summary>
/// <param name="Busy">Processor seconds since start, or null where the system does not tell (other than Linux).</param>
/// <param name="Clock">Seconds on a clock of its own.</param>
/// <param name="Processors">How many processors there are.</param>
internal readonly record struct ProcessorLoad(double? Busy, double Clock, int Processors)
{
    private const string Stat = "/proc/stat";
    private const double TicksPerSecond = 100;          // USER_HZ, fixed in what Linux shows to programs

    /// <summary>The state now.</summary>
    public static ProcessorLoad Now() =>
        new(File.Exists(Stat) ? BusySeconds(File.ReadLines(Stat).First()) : null, Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency, Environment.ProcessorCount);

    /// <summary>Share of all processors since then that went to others than a process which used <paramref name="own"/> seconds; 0 where unknown.</summary>
    public double OthersSince(double own) => Others(this, Now(), own);

    /// <summary>As <see cref="OthersSince"/>, between two states.</summary>
    public static double Others(ProcessorLoad before, ProcessorLoad after, double own) =>
        before.Busy is { } b && after.Busy is { } a ? Math.Max(0, (a - b - own) / ((after.Clock - before.Clock) * after.Processors)) : 0;

    // cpu  user nice system idle iowait irq softirq steal guest guest_nice; guest time is counted in user already.
    private static double BusySeconds(string line)
    {
        double[] ticks = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(t => double.Parse(t, CultureInfo.InvariantCulture))];
        return (ticks.Take(8).Sum() - ticks[3] - ticks[4]) / TicksPerSecond;
    }
}
