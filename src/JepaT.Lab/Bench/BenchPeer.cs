using System.ComponentModel;
using System.Diagnostics;

namespace JepaT.Lab;

/// <summary>Names of what can be measured.</summary>
internal static class BenchFlavours
{
    /// <summary>Our model.</summary>
    public const string Ours = "ours";

    /// <summary>The peer's: the work of the published code, the same without its text encoder, and the same results with less work.</summary>
    public static IReadOnlyList<string> Peer { get; } = ["original", "original-no-text", "reference"];
}

/// <summary>A Python with PyTorch that runs the peer script in <c>tests/peer</c>.</summary>
internal sealed class BenchPeer
{
    private readonly string folder;
    private readonly string[] command;

    private BenchPeer(string folder, string[] command, string version) => (this.folder, this.command, Version) = (folder, command, version);

    /// <summary>Version of its torch.</summary>
    public string Version { get; }

    /// <summary>
    /// Finds the peer. <paramref name="python"/> is a command, split at spaces, that takes Python's arguments: an interpreter,
    /// or a wrapper that runs one in <c>tests/peer</c>.
    /// </summary>
    /// <returns>The peer, or the reason why there is none.</returns>
    public static (BenchPeer? Peer, string? Reason) Find(string python)
    {
        if (Folder() is not { } folder) return (null, "tests/peer/bench.py is not found above the program: run it from a clone");
        var command = python.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (command.Length == 0) return (null, "the Python command is empty");
        if (File.Exists(command[0])) command[0] = Path.GetFullPath(command[0]);             // it is started in tests/peer
        var probe = new BenchPeer(folder, command, "");
        var (code, output, error) = probe.Start(["-c", "import torch; print(torch.__version__)"], threads: 1);
        return code == 0 && output.Count > 0
            ? (new(folder, command, output[^1]), null)
            : (null, $"'{python}' has no PyTorch ({LastLine(error)})");
    }

    /// <summary>Measures one flavour and kind of work in a process of its own.</summary>
    /// <exception cref="UserException">The script failed or printed no result.</exception>
    public BenchResult Measure(string size, string flavour, string what, int repeats, int threads)
    {
        var (code, output, error) = Start(
            ["bench.py", "--size", size, "--flavours", flavour, "--what", what, "--repeats", $"{repeats}", "--threads", $"{threads}"], threads);
        var result = code == 0 ? BenchResult.Parse(output, what).FirstOrDefault() : null;
        return result ?? throw new UserException($"bench.py ({size}, {flavour}, {what}) ended with code {code} and no result: {LastLine(error)}");
    }

    /// <summary>Runs a command to its end with the number of threads in its environment; nothing is started through a shell.</summary>
    public static (int Code, List<string> Output, List<string> Error) Run(IReadOnlyList<string> command, int threads, string? folder = null)
    {
        var info = new ProcessStartInfo(command[0], command.Skip(1))
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = folder ?? "",
        };
        info.Environment["OMP_NUM_THREADS"] = $"{threads}";
        info.Environment["OMP_WAIT_POLICY"] = "PASSIVE";
        List<string> output = [], error = [];
        using var process = new Process { StartInfo = info };
        process.OutputDataReceived += (_, e) => Add(output, e.Data);
        process.ErrorDataReceived += (_, e) => Add(error, e.Data);
        try
        {
            process.Start();
        }
        catch (Win32Exception e)
        {
            return (-1, output, [new Win32Exception(e.NativeErrorCode).Message]);       // e's own message also tells our folder
        }
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return (process.ExitCode, output, error);

        static void Add(List<string> lines, string? line)
        {
            if (!string.IsNullOrWhiteSpace(line)) lines.Add(line);
        }
    }

    /// <summary>The line that says what went wrong, which Python prints last.</summary>
    public static string LastLine(List<string> lines) => lines.Count > 0 ? lines[^1].Trim() : "it said nothing";

    private (int Code, List<string> Output, List<string> Error) Start(string[] arguments, int threads) => Run([.. command, .. arguments], threads, folder);

    private static string? Folder()
    {
        for (var d = new DirectoryInfo(AppContext.BaseDirectory); d is not null; d = d.Parent)
            if (Path.Combine(d.FullName, "tests", "peer") is var folder && File.Exists(Path.Combine(folder, "bench.py"))) return folder;
        return null;
    }
}
