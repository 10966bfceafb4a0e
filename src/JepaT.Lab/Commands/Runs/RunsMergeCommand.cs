using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs merge</c>: joins several databases, one a cluster job for instance, into one.</summary>
[Description("Join several databases into one; experiments of the same name become one. Again: copies what is new.")]
public sealed class RunsMergeCommand : Command<RunsMergeCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsCopySettings
    {
        [CommandArgument(0, "<STORES>")]
        [Description("The databases: files, folders with a mlflow.db, or tracking URIs. They are only read.")]
        public string[] Stores { get; init; } = [];

        [CommandOption("--to <STORE>")]
        [Description("The database to join them in, made when there is none.")]
        public string? To { get; init; }

        public override ValidationResult Validate() =>
            To is null ? ValidationResult.Error("--to is missing: name the database to join them in, e.g. --to all/mlflow.db") : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken) =>
        RunsCopyWork.Copy([.. settings.Stores.Select(RunsCopyWork.UriOf)], RunsCopyWork.UriOf(settings.To!), settings);
}
