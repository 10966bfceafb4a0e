using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// Which process logs a run, so that a later one can tell whether it still lives: the machine (a hash, with the process-number space of
/// a container), and the boot, number and start time of the process. On a machine without a stable id every boot counts as another.
/// </summary>
internal static class RunProcess
{
    public const string MachineTag = "jepat.machine", ProcessTag = "jepat.process";

    private static readonly Lazy<string> Boot = new(() => Read("/proc/sys/kernel/random/boot_id") ?? "-");
    private static readonly Lazy<string> Here = new(() => Hash($"{Environment.MachineName}\n{Read("/etc/machine-id") ?? Boot.Value}\n{Numbers()}"));

    /// <summary>This machine.</summary>
    public static string Machine => Here.Value;

    /// <summary>The tags of a run of this process.</summary>
    public static Dictionary<string, string> Tags() => new()
    {
        [MachineTag] = Machine,
        [ProcessTag] = string.Create(CultureInfo.InvariantCulture, $"{Hash(Boot.Value)}:{Environment.ProcessId}:{StartOf(Environment.ProcessId)}"),
    };

    /// <summary>Whether a process of this machine has ended for certain; false where that cannot be told.</summary>
    /// <param name="tag">Its tag.</param>
    public static bool IsGone(string tag) => tag.Split(':') is [var boot, var number, var start]
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && start != Unknown
        && (boot != Hash(Boot.Value) || (StartOf(id) is var lives && lives != start && lives != Unknown));

    private const string Unknown = "?";

    /// <summary>When a process has started, as text; empty: there is none, "?": it does not say.</summary>
    private static string StartOf(int id)
    {
        if (OperatingSystem.IsLinux())
        {
            if (!Directory.Exists($"/proc/{id}")) return "";
            // Behind the name, which may hold anything, in parentheses: state is field 3, the start in ticks since the boot 22.
            return Read($"/proc/{id}/stat") is { } stat && stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is { Length: > 19 } fields
                ? fields[0] is "Z" or "X" ? "" : fields[19] : Unknown;
        }
        try
        {
            using var process = Process.GetProcessById(id);
            return process.StartTime.ToUniversalTime().ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture);
        }
        catch (ArgumentException)
        {
            return "";
        }
        catch (Exception e) when (e is Win32Exception or InvalidOperationException or NotSupportedException)
        {
            return Unknown;
        }
    }

    // The numbers of processes are those of a container, where there is one.
    private static string Numbers()
    {
        try
        {
            return File.ResolveLinkTarget("/proc/self/ns/pid", returnFinalTarget: false)?.Name ?? "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private static string? Read(string path)
    {
        try
        {
            return File.Exists(path) && File.ReadAllText(path).Trim() is { Length: > 0 } text ? text : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Hash(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..16];
}
