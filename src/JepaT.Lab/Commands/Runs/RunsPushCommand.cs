using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs push</c>: copies runs from a database to a server.</summary>
[Description("Copy runs to a server. Again: copies what is new.")]
public sealed class RunsPushCommand : Command<RunsPushCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsCopySettings
    {
        [CommandOption("--from <STORE>")]
        [Description("Where the runs are: a tracking URI, a database file or its folder; by default sqlite:///mlflow.db.")]
        public string From { get; init; } = TrackingStores.DefaultUri;

        [CommandOption("--to <STORE>")]
        [Description("Where they go: http(s)://SERVER or another store; by default MLFLOW_TRACKING_URI.")]
        public string? To { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken) => RunsCopyWork.Copy(
        [RunsCopyWork.UriOf(settings.From)], RunsCopyWork.UriOf(settings.To ?? RunsCopyWork.FromEnvironment("--to", "http://127.0.0.1:5000")), settings);
}
