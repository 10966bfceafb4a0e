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
        var code = RunAsync(settings.ConnectionFile).GetAwaiter().GetResult();
        Environment.Exit(code);             // also when a cell has left threads behind, or is stuck
        return code;
    }

    private static async Task<int> RunAsync(string file)
    {
        var connection = ConnectionFile.Load(file);
        var log = Console.Error;            // as it is before cells are given theirs
        await using var kernel = new JupyterKernel(connection, Environment.CurrentDirectory, log);
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => { signal.Cancel = true; kernel.Interrupt(); });
        using var end = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => { signal.Cancel = true; kernel.End(0); });
        _ = WatchParentAsync(kernel);
        return await kernel.RunAsync();
    }

    // A front end that died cannot say goodbye.
    private static async Task WatchParentAsync(JupyterKernel kernel)
    {
        if (!int.TryParse(Environment.GetEnvironmentVariable("JPY_PARENT_PID"), CultureInfo.InvariantCulture, out var id) || id <= 1) return;
        try
        {
            using var parent = Process.GetProcessById(id);
            await parent.WaitForExitAsync();
        }
        catch (ArgumentException)           // gone already
        {
        }
        kernel.End(0);
    }
}
