using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs sync</c>: sends what was logged while a server was away.</summary>
[Description("Send what was logged while the MLflow server was away.")]
public sealed class RunsSyncCommand : Command<RunsSyncCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandOption("--spool <FOLDER>")]
        [Description("Where it waits; by default JEPAT_MLFLOW_SPOOL, else mlflow-spool.")]
        public string? Spool { get; init; }

        [CommandOption("--dry-run")]
        [Description("Show what waits, and for which server, and stop.")]
        public bool DryRun { get; init; }
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var folder = SpooledStore.FolderOf(settings.Spool);
        if (settings.Spool is not null && !Directory.Exists(folder)) throw new UserException($"--spool {settings.Spool}: there is no such folder");
        var sync = new SpoolSync(folder, AnsiConsole.Console.Profile.Out.Writer);
        if (settings.DryRun)
        {
            sync.List();
            return 0;
        }
        using var stop = new StopSignal("what is not sent yet stays");
        return sync.Send(stop.Token) ? 0 : 1;
    }
}
