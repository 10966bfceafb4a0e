using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>
/// A real MLflow server on a results folder, for tests that read back what was logged. MLflow comes from the folder
/// <c>../shared/mlflow</c> beside the repository (installed once into the user's cache), else from the PATH; a test skips
/// with the reason when there is neither.
/// </summary>
internal sealed class MlflowServer : IDisposable
{
    private readonly Process process;
    private readonly string logFile;

    private MlflowServer(Process process, Uri address, string logFile)
    {
        (this.process, Address, this.logFile) = (process, address, logFile);
        Client = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };
    }

    /// <summary>Its address, e.g. <c>http://127.0.0.1:41237/</c>.</summary>
    public Uri Address { get; }

    /// <summary>A client with that base address.</summary>
    public HttpClient Client { get; }

    /// <summary>Starts a server in a folder on a free port and waits until it answers (about 6 s). Skips the test without MLflow.</summary>
    public static MlflowServer Start(string folder, params string[] options)
    {
        var command = FindMlflow(out var reason);
        Assert.SkipWhen(command is null, reason);
        var address = new Uri($"http://127.0.0.1:{FreePort()}/");
        var start = new ProcessStartInfo(command!, ["server", "--host", "127.0.0.1", "--port", $"{address.Port}", "--workers", "1", .. options])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // One worker and no job runner: a sixth of the memory and half the time of the defaults, with the same answers.
        start.Environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false";
        start.Environment.Remove("MLFLOW_TRACKING_URI");
        var server = new MlflowServer(Process.Start(start)!, address, Path.Combine(Path.GetTempPath(), $"mlflow-{Guid.NewGuid():N}.log"));
        try
        {
            server.Await();
            return server;
        }
        catch
        {
            server.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Client.Dispose();
        if (!process.HasExited) process.Kill(entireProcessTree: true);
        process.WaitForExit();
        process.Dispose();
        File.Delete(logFile);
    }

    private void Await()
    {
        var log = TextWriter.Synchronized(new StreamWriter(logFile) { AutoFlush = true });
        process.OutputDataReceived += (_, e) => log.WriteLine(e.Data);
        process.ErrorDataReceived += (_, e) => log.WriteLine(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        for (var end = Environment.TickCount64 + 120_000; Environment.TickCount64 < end && !process.HasExited; Thread.Sleep(100))
            if (Answers()) return;
        Thread.Sleep(200);      // its last words
        using var reader = new StreamReader(new FileStream(logFile, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        throw new InvalidOperationException($"the MLflow server did not answer:\n{reader.ReadToEnd()}");
    }

    private bool Answers()
    {
        try
        {
            return Client.GetAsync("health").GetAwaiter().GetResult().StatusCode == HttpStatusCode.OK;
        }
        catch (HttpRequestException)        // not listening yet
        {
            return false;
        }
    }

    /// <summary>The mlflow command; null with the reason when there is none.</summary>
    public static string? FindMlflow(out string reason)
    {
        reason = "";
        if (Install(Path.Combine(RepositoryRoot(), "..", "shared", "mlflow", "install.sh"), out reason) is { } installed) return installed;
        var onPath = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Select(folder => Path.Combine(folder, OperatingSystem.IsWindows() ? "mlflow.exe" : "mlflow")).FirstOrDefault(File.Exists);
        if (onPath is null) reason = $"no MLflow: {reason}, and no mlflow on the PATH (pip install mlflow==3.17.2)";
        return onPath;
    }

    private static string? Install(string script, out string reason)
    {
        reason = "no ../shared/mlflow beside the repository";
        if (!File.Exists(script)) return null;
        var cache = Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } xdg ? xdg
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".cache");
        var folder = Path.Combine(cache, "jepat", "mlflow-3.17.2");
        Directory.CreateDirectory(Path.GetDirectoryName(folder)!);
        using var process = Process.Start(new ProcessStartInfo("sh", [script, folder]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEndAsync();
        reason = $"../shared/mlflow/install.sh failed: {process.StandardError.ReadToEnd().Trim()}";
        output.GetAwaiter().GetResult();
        process.WaitForExit();
        return process.ExitCode == 0 ? Path.Combine(folder, "bin", "mlflow") : null;
    }

    /// <summary>The folder that holds JepaT.sln.</summary>
    public static string RepositoryRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
            if (File.Exists(Path.Combine(folder, "JepaT.sln"))) return folder;
        throw new UserException($"there is no JepaT.sln above {AppContext.BaseDirectory}");
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
