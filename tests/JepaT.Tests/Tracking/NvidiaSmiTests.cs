using JepaT.Lab;

namespace JepaT.Tests;

public sealed class NvidiaSmiTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-smi-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_card_is_logged_under_MLflows_names_and_in_its_units()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the stand-in is a shell script");
        var program = Program("echo \"$@\" >\"$0.asked\"; echo '1, NVIDIA A100-SXM4-80GB, 97, 40000, 80000, 300.00, 400.00'");

        using var metrics = new SystemMetrics((_, _, _) => { }, folder, 0, TimeSpan.FromHours(1), TimeProvider.System, () => NvidiaSmi.Read("1", program), proc: folder);
        var sample = metrics.Sample().Where(m => m.Name.StartsWith("gpu_", StringComparison.Ordinal)).ToDictionary();

        Assert.Contains("--id=1", File.ReadAllText(program + ".asked"), StringComparison.Ordinal);
        Assert.Equal(new Dictionary<string, double>
        {
            ["gpu_1_utilization_percentage"] = 97,
            ["gpu_1_memory_usage_megabytes"] = 40000 * 1.048576,
            ["gpu_1_memory_usage_percentage"] = 50,
            ["gpu_1_power_usage_watts"] = 300,
            ["gpu_1_power_usage_percentage"] = 75,
        }, sample);
    }

    [Fact]
    public void What_a_card_does_not_tell_is_left_out()
    {
        var gpu = NvidiaSmi.Parse("0, NVIDIA GeForce MX150, [N/A], 100, 2000, [Not Supported], [N/A]")!;

        Assert.Equal((null, 100 * 1048576.0, null, null), (gpu.Utilization, gpu.MemoryUsed, gpu.Power, gpu.PowerLimit));
        using var metrics = new SystemMetrics((_, _, _) => { }, folder, 0, TimeSpan.FromHours(1), TimeProvider.System, () => [gpu], proc: folder);
        Assert.Equal(["gpu_0_memory_usage_megabytes", "gpu_0_memory_usage_percentage"], metrics.Sample().Select(m => m.Name).Where(n => n.StartsWith("gpu_", StringComparison.Ordinal)));
    }

    [Fact]
    public void Without_a_driver_or_with_one_that_fails_there_are_no_cards()
    {
        Assert.Empty(NvidiaSmi.Read(program: Path.Combine(folder, "absent")));
        Assert.SkipUnless(OperatingSystem.IsLinux(), "the stand-in is a shell script");
        Assert.Empty(NvidiaSmi.Read(program: Program("echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9")));
    }

    private string Program(string script)
    {
        var file = Path.Combine(folder, "smi");
        File.WriteAllText(file, "#!/bin/sh\n" + script + "\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return file;
    }
}
