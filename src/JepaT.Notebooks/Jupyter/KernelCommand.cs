using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Spectre.Console.Cli;

namespace JepaT.Notebooks;

/// <summary><c>./lab notebook kernel</c>: what a Jupyter front end starts.</summary>
[Description("Serve a Jupyter front end, which starts this by itself after install-kernel")]
internal sealed class KernelCommand : Command<KernelCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "<CONNECTION_FILE>")]
        [Description("The file in which the front end says where to listen")]
        public required string ConnectionFile { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var code = Run(settings.ConnectionFile);
        Environment.Exit(code);             // also when a cell has left threads behind, or is stuck
        return code;
    }

    private static int Run(string file)
    {
        var connection = ConnectionFile.Load(file);
        var log = Console.Error;            // as it is before cells are given theirs
        using var kernel = new JupyterKernel(connection, Environment.CurrentDirectory, log);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => { signal.Cancel = true; kernel.Interrupt(); });
        using var end = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => { signal.Cancel = true; kernel.End(0); });
        new Thread(() => WatchParent(kernel)) { IsBackground = true }.Start();
        return kernel.Run();
    }

    // A front end that died cannot say goodbye.
    private static void WatchParent(JupyterKernel kernel)
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable("JPY_PARENT_PID"), CultureInfo.InvariantCulture, out var id) || id <= 1) return;
        try
        {
            using var parent = Process.GetProcessById(id);
            parent.WaitForExit();
        }
        catch (ArgumentException)           // gone already
        {
        }
        kernel.End(0);
    }
}
