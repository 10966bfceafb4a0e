using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs pull</c>: copies runs from a server to a database.</summary>
[Description("Copy runs from a server into a database. Again: copies what is new.")]
public sealed class RunsPullCommand : Command<RunsPullCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsCopySettings
    {
        [CommandOption("--from <STORE>")]
        [Description("Where the runs are: http(s)://SERVER or another store; by default MLFLOW_TRACKING_URI.")]
        public string? From { get; init; }

        [CommandOption("--to <STORE>")]
        [Description("Where they go: a tracking URI, a database file or its folder; by default sqlite:///mlflow.db.")]
        public string To { get; init; } = TrackingStores.DefaultUri;
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken) => RunsCopyWork.Copy(
        [RunsCopyWork.UriOf(settings.From ?? RunsCopyWork.FromEnvironment("--from", "http://127.0.0.1:5000"))], RunsCopyWork.UriOf(settings.To), settings);
}
