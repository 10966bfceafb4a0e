using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// The machine's load under MLflow's names for it (<c>system/…</c>), sampled by a timer, and this process's resident memory, for which
/// MLflow has no name. What a system does not tell (there is no <c>/proc</c> outside Linux) is left out. Megabyte = 1e6 bytes; one decimal.
/// </summary>
internal sealed class SystemMetrics : IDisposable
{
    public static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(10);

    private readonly Action<string, double, long> log;
    private readonly string folder, proc;
    private readonly Func<IReadOnlyList<Gpu>> gpus;
    private readonly ITimer timer;
    private readonly Lock gate = new();
    private readonly (double Received, double Sent)? networkAtStart;
    private (double Idle, double Total)? processor;
    private long step;
    private bool ended;

    /// <param name="log">Takes name, value and step.</param>
    /// <param name="folder">The disk that holds this folder is watched.</param>
    /// <param name="firstStep">Step of the first sample.</param>
    /// <param name="interval">Time between samples.</param>
    /// <param name="clock">The clock.</param>
    /// <param name="gpus">Tells the state of the GPUs to watch; none by default.</param>
    /// <param name="proc">Linux's <c>/proc</c>.</param>
    public SystemMetrics(Action<string, double, long> log, string folder, long firstStep, TimeSpan interval, TimeProvider clock,
        Func<IReadOnlyList<Gpu>>? gpus = null, string proc = "/proc")
    {
        (this.log, this.folder, this.proc, step) = (log, folder, proc, firstStep);
        this.gpus = gpus ?? (() => []);
        (processor, networkAtStart) = (Processor(), Network());
        timer = clock.CreateTimer(_ => Log(), null, interval, interval);
    }

    /// <summary>No sample comes after this returns.</summary>
    public void Dispose()
    {
        lock (gate) ended = true;
        timer.Dispose();
    }

    private void Log()
    {
        lock (gate)
        {
            if (ended) return;
            try
            {
                foreach (var (name, value) in Sample()) log("system/" + name, Math.Round(value, 1), step);
                step++;
            }
            catch (Exception e) when (e is UserException or InvalidOperationException)
            {
                ended = true;       // logging has failed; the trainer is told at its own next call
            }
        }
    }

    internal IEnumerable<(string Name, double Value)> Sample()
    {
        if (Processor() is { } now)
        {
            if (processor is { } before && now.Total > before.Total)
                yield return ("cpu_utilization_percentage", 100 * (1 - (now.Idle - before.Idle) / (now.Total - before.Total)));
            processor = now;
        }
        if (Memory() is { } memory)
        {
            yield return ("system_memory_usage_megabytes", memory.Used / 1e6);
            yield return ("system_memory_usage_percentage", 100 * memory.Used / memory.Total);
        }
        if (Field(Lines("self/status"), "VmRSS:") is { } resident) yield return ("process_memory_megabytes", resident / 1e6);
        if (Disk() is { } disk)
        {
            yield return ("disk_usage_percentage", 100 * disk.Used / (disk.Used + disk.Available));
            yield return ("disk_usage_megabytes", disk.Used / 1e6);
            yield return ("disk_available_megabytes", disk.Available / 1e6);
        }
        if (Network() is { } network && networkAtStart is { } start)
        {
            yield return ("network_receive_megabytes", (network.Received - start.Received) / 1e6);
            yield return ("network_transmit_megabytes", (network.Sent - start.Sent) / 1e6);
        }
        foreach (var gpu in gpus())
            foreach (var (name, value) in Sample(gpu))
                if (value is { } known) yield return ($"gpu_{gpu.Index}_{name}", known);
    }

    private static IEnumerable<(string Name, double? Value)> Sample(Gpu gpu) =>
    [
        ("utilization_percentage", gpu.Utilization),
        ("memory_usage_megabytes", gpu.MemoryUsed / 1e6),
        ("memory_usage_percentage", 100 * gpu.MemoryUsed / gpu.MemoryTotal),
        ("power_usage_watts", gpu.Power),
        ("power_usage_percentage", 100 * gpu.Power / gpu.PowerLimit),
    ];

    // "cpu  user nice system idle iowait irq softirq steal guest …": guest time is in user time already.
    private (double Idle, double Total)? Processor()
    {
        var line = Lines("stat").FirstOrDefault(l => l.StartsWith("cpu ", StringComparison.Ordinal));
        if (line is null) return null;
        var ticks = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Skip(1).Take(8).Select(Number).ToArray();
        return ticks.Length < 5 ? null : (ticks[3] + ticks[4], ticks.Sum());
    }

    private (double Used, double Total)? Memory()
    {
        var lines = Lines("meminfo");
        return Field(lines, "MemTotal:") is { } total && Field(lines, "MemAvailable:") is { } available ? (total - available, total) : null;
    }

    // "Name:    123 kB" in bytes.
    private static double? Field(string[] lines, string name) => lines.FirstOrDefault(l => l.StartsWith(name, StringComparison.Ordinal)) is { } line
        ? Number(line[name.Length..].Trim().Split(' ')[0]) * 1024 : null;

    private (double Used, double Available)? Disk()
    {
        try
        {
            var drive = new DriveInfo(folder);
            return (drive.TotalSize - drive.TotalFreeSpace, drive.AvailableFreeSpace);
        }
        catch (IOException)         // a disk that tells nothing
        {
            return null;
        }
    }

    // "  eth0: bytes packets errs drop fifo frame compressed multicast bytes …", after two lines of headings.
    private (double Received, double Sent)? Network()
    {
        var lines = Lines("net/dev").Where(l => l.Contains(':', StringComparison.Ordinal))
            .Select(l => l[(l.IndexOf(':', StringComparison.Ordinal) + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries)).Where(f => f.Length > 8).ToArray();
        return lines.Length == 0 ? null : (lines.Sum(f => Number(f[0])), lines.Sum(f => Number(f[8])));
    }

    private string[] Lines(string name)
    {
        var file = Path.Combine(proc, name);
        return File.Exists(file) ? File.ReadAllLines(file) : [];
    }

    private static double Number(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : 0;
}
