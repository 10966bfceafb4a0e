using JepaT.Lab;

namespace JepaT.Tests;

public sealed class SystemMetricsTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Load_is_read_from_proc_in_MLflows_units()
    {
        Write("stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1 1\n");
        Write("meminfo", "MemTotal:       1000000 kB\nMemFree: 1 kB\nMemAvailable:    250000 kB\n");
        Write("self/status", "Name:\tlab\nVmHWM:\t  900000 kB\nVmRSS:\t  500000 kB\n");
        Write("net/dev", "Inter-| Receive\n face |bytes\n  lo: 1000000 0 0 0 0 0 0 0 2000000 0\neth0:5000000 0 0 0 0 0 0 0 0 0\n");
        using var metrics = Create();
        Write("stat", "cpu  130 0 130 720 120 0 0 0 0 0\n");
        Write("net/dev", "  lo: 1500000 0 0 0 0 0 0 0 2500000 0\neth0:7000000 0 0 0 0 0 0 0 0 0\n");

        var sample = metrics.Sample().ToDictionary();

        Assert.Equal(60, sample["cpu_utilization_percentage"], 6);       // 60 of 100 ticks were not idle
        Assert.Equal(768, sample["system_memory_usage_megabytes"], 6);
        Assert.Equal(75, sample["system_memory_usage_percentage"], 6);
        Assert.Equal(512, sample["process_memory_megabytes"], 6);
        Assert.Equal(2.5, sample["network_receive_megabytes"], 6);
        Assert.Equal(0.5, sample["network_transmit_megabytes"], 6);
        Assert.InRange(sample["disk_usage_percentage"], 0, 100);
        Assert.Equal(9, sample.Count);
    }

    [Fact]
    public void What_the_system_does_not_tell_is_left_out()
    {
        using var metrics = Create();

        Assert.All(metrics.Sample(), m => Assert.StartsWith("disk_", m.Name, StringComparison.Ordinal));
    }

    private SystemMetrics Create() => new((_, _, _) => { }, folder.Path, 0, TimeSpan.FromHours(1), TimeProvider.System, proc: Path.Combine(folder.Path, "proc"));

    private void Write(string name, string text)
    {
        var file = Path.Combine(folder.Path, "proc", name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}
