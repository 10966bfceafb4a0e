using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace JepaT.Lab;

/// <summary>The state of an NVIDIA GPU, as its driver's program <c>nvidia-smi</c> tells it. What a card does not tell is null.</summary>
/// <param name="Index">The driver's number, from 0.</param>
/// <param name="Name">The model.</param>
/// <param name="Utilization">Percent of the time that it was busy.</param>
/// <param name="MemoryUsed">Bytes.</param>
/// <param name="MemoryTotal">Bytes.</param>
/// <param name="Power">Watts.</param>
/// <param name="PowerLimit">Watts.</param>
internal sealed record Gpu(int Index, string Name, double? Utilization, double? MemoryUsed, double? MemoryTotal, double? Power, double? PowerLimit);

/// <summary>Asks <c>nvidia-smi</c>: present wherever there is an NVIDIA driver.</summary>
internal static class NvidiaSmi
{
    private const double Mebibyte = 1 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>The machine's GPUs in words; empty when there is no driver.</summary>
    public static IReadOnlyList<string> Describe() =>
        [.. Read().Select(g => g.MemoryTotal is { } memory ? string.Create(CultureInfo.InvariantCulture, $"{g.Name}, {memory / 1e9:0.0} GB") : g.Name)];

    /// <summary>The GPUs' state now; empty when there is no driver, or when it does not answer.</summary>
    /// <param name="device">Only this one, by number or UUID; null: all.</param>
    /// <param name="program">The program.</param>
    public static IReadOnlyList<Gpu> Read(string? device = null, string program = "nvidia-smi")
    {
        string[] arguments = ["--query-gpu=index,name,utilization.gpu,memory.used,memory.total,power.draw,power.limit", "--format=csv,noheader,nounits"];
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, device is null ? arguments : [.. arguments, $"--id={device}"])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            var answer = process.StandardOutput.ReadToEndAsync();
            if (!answer.Wait(Patience))                 // a driver that hangs must not hold up the end of a run
            {
                process.Kill();
                return [];
            }
            process.WaitForExit();
            return process.ExitCode == 0 ? [.. answer.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Parse).OfType<Gpu>()] : [];
        }
        catch (Win32Exception)                          // there is none
        {
            return [];
        }
    }

    // "0, NVIDIA A100-SXM4-80GB, 97, 40513, 81920, 312.20, 400.00"; what a card does not know is "[N/A]".
    internal static Gpu? Parse(string line)
    {
        var cells = line.Split(',', StringSplitOptions.TrimEntries);
        return cells.Length == 7 && int.TryParse(cells[0], NumberStyles.None, CultureInfo.InvariantCulture, out var index)
            ? new(index, cells[1], Number(cells[2]), Number(cells[3]) * Mebibyte, Number(cells[4]) * Mebibyte, Number(cells[5]), Number(cells[6])) : null;
    }

    private static double? Number(string text) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : null;
}
