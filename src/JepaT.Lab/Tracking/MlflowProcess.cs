using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>
/// MLflow's own server as a child of this program, on loopback. Where the system has <c>setsid</c> the server and its helpers are a process
/// group of their own, which ends as a whole: when this object is disposed, and also when this program is killed.
/// </summary>
internal sealed partial class MlflowProcess : IDisposable
{
    // The watcher reads from us; when there is nobody left to write, it ends the group, itself with it.
    private const string Group = "exec 3<&0 </dev/null; (cat <&3 >/dev/null; kill -TERM 0) & exec 3<&-; exec \"$@\"";
    private const int Terminate = 15, Kill = 9, LinesKept = 40;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Process process;
    private readonly bool grouped;
    private readonly Queue<string> words = new();
    private bool stopped;

    private MlflowProcess(Process process, bool grouped, Uri address)
    {
        (this.process, this.grouped, Address) = (process, grouped, address);
        process.OutputDataReceived += (_, e) => Keep(e.Data);
        process.ErrorDataReceived += (_, e) => Keep(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Its process id, which is also that of its group.</summary>
    public int Id => process.Id;

    /// <summary>Whether the server itself has ended.</summary>
    public bool HasEnded => process.HasExited;

    /// <summary>The program: what JEPAT_MLFLOW names, else <c>mlflow</c> of the PATH.</summary>
    /// <exception cref="UserException">There is none: how to get it.</exception>
    public static string Find()
    {
        if (Environment.GetEnvironmentVariable("JEPAT_MLFLOW") is { Length: > 0 } named)
            return File.Exists(named) ? Path.GetFullPath(named) : throw new UserException($"JEPAT_MLFLOW names {named}, which is no file: name MLflow's program, e.g. /opt/mlflow/bin/mlflow");
        return OnPath(OperatingSystem.IsWindows() ? "mlflow.exe" : "mlflow")
            ?? throw new UserException("there is no mlflow on the PATH: `pip install mlflow` brings it, or name its program with JEPAT_MLFLOW");
    }

    /// <summary>A free port of loopback: the one given, else the first from 5000 on.</summary>
    /// <exception cref="UserException">The port given is taken, or all are.</exception>
    public static int FreePort(int? given)
    {
        if (given is { } port) return IsFree(port) ? port : throw new UserException($"--port {port} is taken by another program: leave it out, or give another");
        for (port = 5000; port < 5100; port++)
            if (IsFree(port)) return port;
        throw new UserException("the ports 5000 to 5099 are all taken: give a free one with --port");
    }

    /// <summary>Starts a server on a database.</summary>
    /// <param name="program">Of <see cref="Find"/>.</param>
    /// <param name="database">The file; its folder holds <c>mlartifacts/</c>.</param>
    /// <param name="port">Of <see cref="FreePort"/>.</param>
    public static MlflowProcess Start(string program, string database, int port)
    {
        // The store is named: a plain server prefers an old mlruns folder beside it. One worker without the runner of GenAI jobs has a
        // sixth of the memory and half the start of the default, with the same pages.
        string[] server = [program, "server", "--host", "127.0.0.1", "--port", $"{port}", "--workers", "1",
            "--backend-store-uri", "sqlite:///" + Path.GetFileName(database), "--artifacts-destination", "./mlartifacts"];
        var setsid = OperatingSystem.IsWindows() ? null : OnPath("setsid");
        var start = setsid is null ? new ProcessStartInfo(server[0], server[1..]) : new ProcessStartInfo(setsid, ["sh", "-c", Group, "sh", .. server]);
        start.WorkingDirectory = Path.GetDirectoryName(database);
        start.RedirectStandardInput = start.RedirectStandardOutput = start.RedirectStandardError = true;
        start.Environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false";
        foreach (var other in (string[])["MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "MLFLOW_BACKEND_STORE_URI"]) start.Environment.Remove(other);
        try
        {
            return new(Process.Start(start)!, setsid is not null, new Uri($"http://127.0.0.1:{port}/"));
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new UserException($"{program} cannot be started ({e.Message}): reinstall it (pip install mlflow), or name another with JEPAT_MLFLOW", e);
        }
    }

    /// <summary>Waits until the server answers; false: it has ended before.</summary>
    /// <param name="waiting">Told of the time so far, several times a second; false gives up.</param>
    public bool WaitUntilItAnswers(Func<TimeSpan, bool> waiting)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(5) };
        for (var start = Stopwatch.GetTimestamp(); !HasEnded && waiting(Stopwatch.GetElapsedTime(start)); Thread.Sleep(200))
            try
            {
                using var answer = client.GetAsync(new Uri(Address, "health")).GetAwaiter().GetResult();
                if (answer.StatusCode == HttpStatusCode.OK) return true;
            }
            catch (Exception e) when (e is HttpRequestException or TaskCanceledException)      // not listening yet
            {
            }
        return false;
    }

    /// <summary>The last lines it has printed; for one that has ended.</summary>
    public string LastWords(int lines = 3)
    {
        using var brief = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        try
        {
            if (Stop()) process.WaitForExitAsync(brief.Token).GetAwaiter().GetResult();       // the rest of its output
        }
        catch (OperationCanceledException)      // somebody else keeps the pipe open
        {
        }
        lock (words) return string.Join(" | ", words.Where(w => w.Trim().Length > 0).TakeLast(lines).Select(w => w.Trim()));
    }

    /// <summary>Waits until the server ends or the token does.</summary>
    public void WaitForEnd(CancellationToken stop)
    {
        while (!HasEnded && !stop.IsCancellationRequested) stop.WaitHandle.WaitOne(200);
    }

    /// <summary>Ends the server and its helpers: asked, and after 10 s by force. Gives whether none is left.</summary>
    public bool Stop()
    {
        if (stopped) return true;
        Signal(Terminate);
        if (!Gone(Patience)) StopNow();
        return stopped = Gone(Patience);
    }

    /// <summary>Ends them by force, at once.</summary>
    public void StopNow()
    {
        if (grouped) Signal(Kill);
        else if (!HasEnded) process.Kill(entireProcessTree: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Stop();
        process.Dispose();
    }

    private void Signal(int signal)
    {
        if (grouped) _ = Send(-Id, signal);
        else if (OperatingSystem.IsWindows()) StopNow();
        else if (!HasEnded) _ = Send(Id, signal);
    }

    private bool Gone(TimeSpan patience)
    {
        // Signal 0 asks whether there is a process of the group.
        bool IsGone() => HasEnded && (!grouped || Send(-Id, 0) != 0);
        for (var start = Stopwatch.GetTimestamp(); !IsGone() && Stopwatch.GetElapsedTime(start) < patience;) Thread.Sleep(50);
        return IsGone();
    }

    private void Keep(string? line)
    {
        if (line is null) return;
        lock (words)
        {
            words.Enqueue(line);
            if (words.Count > LinesKept) words.Dequeue();
        }
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static string? OnPath(string name) => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.GetFullPath(Path.Combine(folder, name))).FirstOrDefault(File.Exists);

    [LibraryImport("libc", EntryPoint = "kill")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    private static partial int Send(int process, int signal);
}
