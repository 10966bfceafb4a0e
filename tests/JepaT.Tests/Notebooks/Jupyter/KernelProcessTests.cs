using System.Diagnostics;
using JepaT.Notebooks;

namespace JepaT.Tests;

/// <summary>The kernel in a process of its own, as front ends start it.</summary>
public sealed class KernelProcessTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-kernel-process-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public async Task An_unreadable_connection_file_and_a_taken_port_end_in_one_line()
    {
        Assert.Equal((1, "error: connection file none.json: there is no such file\n"), await RunAsync(Program, "kernel", "none.json"));

        var ports = FrontEnd.FreePorts();
        File.WriteAllText(Path.Combine(folder, "c.json"), FrontEnd.Connection(ports));
        using var other = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, ports[4]);
        other.Start();
        Assert.Equal((1, $"error: port {ports[4]} (Heartbeat) cannot be had: it is taken\n"), await RunAsync(Program, "kernel", "c.json"));
    }

    [Fact]
    public async Task It_passes_the_public_conformance_suite()
    {
        await PythonAsync("conformance.py", "jupyter_kernel_test", "python3-jupyter-kernel-test");
    }

    [Fact]
    public async Task A_cell_that_cannot_be_interrupted_ends_the_process_and_the_front_end_starts_another()
    {
        await PythonAsync("stuck.py", "jupyter_client", "jupyter-client");
    }

    [Fact]
    public async Task Cells_that_keep_the_process_busy_leave_the_kernel_alive_and_end_when_interrupted()
    {
        await PythonAsync("busy.py", "jupyter_client", "jupyter-client");
    }

    [Fact]
    public async Task Notebooks_run_through_nbclient_and_nbconvert()
    {
        await PythonAsync("nbclient_run.py", "nbconvert, nbclient", "jupyter-nbconvert");
    }

    private async Task PythonAsync(string script, string modules, string package)
    {
        var python = "/usr/bin/python3";
        Assert.SkipUnless(File.Exists(python) && (await RunAsync(python, [], "-c", $"import {modules}")).Code == 0, $"no {modules} for Python here (apt-get install {package})");
        Assert.Equal(0, (await RunAsync(Program, "install-kernel", "--prefix", folder)).Code);
        var (code, errors) = await RunAsync(python, [], Path.Combine(Root(), "tests", "frontends", script));
        Assert.True(code == 0, errors);
        TestContext.Current.TestOutputHelper!.WriteLine(errors);
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "JepaT.sln"))) folder = Path.GetDirectoryName(folder)!;
        return folder;
    }

    private static string[] Program => [Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", "exec", typeof(NotebookDocument).Assembly.Location, "notebook"];

    private Task<(int Code, string Errors)> RunAsync(string[] program, params string[] arguments) => RunAsync(program[0], program[1..], arguments);

    private async Task<(int Code, string Errors)> RunAsync(string program, string[] first, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, [.. first, .. arguments]) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment.Remove("JEPAT_HOME");         // the program is started as it was built for this test, not by ./lab
        start.Environment["JUPYTER_PATH"] = Path.Combine(folder, "share", "jupyter");
        using var process = Process.Start(start)!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken), process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken));
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        await output;
        return (process.ExitCode, (await errors).ReplaceLineEndings("\n"));
    }
}
