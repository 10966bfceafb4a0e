using System.Globalization;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>What this machine is and has.</summary>
internal static class Machine
{
    private const string CpuInfo = "/proc/cpuinfo", MemInfo = "/proc/meminfo";

    /// <summary>Bytes of memory that this process may use at most: the machine's, or the container's limit.</summary>
    public static long Memory()
    {
        if (!File.Exists(MemInfo)) return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        var total = File.ReadLines(MemInfo).First(l => l.StartsWith("MemTotal:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        string[] limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];     // version 2, version 1
        return limits.Where(File.Exists).Select(f => long.TryParse(File.ReadAllText(f), out var bytes) ? bytes : long.MaxValue)
            .Append(long.Parse(total, CultureInfo.InvariantCulture) * 1024).Min();
    }

    /// <summary>The processor's name, where the system tells it.</summary>
    public static string? Processor() => File.Exists(CpuInfo)
        ? File.ReadLines(CpuInfo).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() : null;

    /// <summary>In a line, for reports.</summary>
    public static string Describe() =>
        $"{Processor() ?? RuntimeInformation.ProcessArchitecture.ToString()}, {Environment.ProcessorCount} cores ({get_num_threads()} threads), {RuntimeInformation.OSDescription}, .NET {Environment.Version}, TorchSharp {typeof(torch).Assembly.GetName().Version?.ToString(3)}";
}
