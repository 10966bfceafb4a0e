using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Notebooks;

/// <summary><c>./lab notebook run</c>: runs a notebook from top to bottom and saves it with its outputs.</summary>
[Description("Run a C# notebook from top to bottom and save it with its outputs")]
internal sealed class RunCommand : Command<RunCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "<NOTEBOOK>")]
        [Description("The .ipynb to run; it is not changed unless -o names it.")]
        public required string Notebook { get; init; }

        [CommandOption("-o|--output <FILE>")]
        [Description("Where the executed notebook goes; NAME.out.ipynb in this folder by default.")]
        public string? Output { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (!File.Exists(settings.Notebook)) throw new UserException($"{settings.Notebook}: there is no such file");
        throw new UserException($"{settings.Notebook}: running it is not built yet");
    }
}
