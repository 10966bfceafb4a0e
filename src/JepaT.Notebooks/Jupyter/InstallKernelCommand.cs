using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Notebooks;

/// <summary><c>./lab notebook install-kernel</c>: lets Jupyter's front ends find this clone's kernel.</summary>
[Description("Let Jupyter find this clone's C# kernel")]
internal sealed class InstallKernelCommand : Command<InstallKernelCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandOption("--name <NAME>")]
        [Description("What notebooks call the kernel; .net-csharp for those made with .NET Interactive, which papermill knows, too")]
        [DefaultValue("jepat-csharp")]
        public string Name { get; init; } = "jepat-csharp";

        [CommandOption("--user")]
        [Description("For this user: the default")]
        public bool User { get; init; }

        [CommandOption("--prefix <FOLDER>")]
        [Description("Into an environment instead: FOLDER/share/jupyter")]
        public string? Prefix { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.User && settings.Prefix is not null) throw new UserException("--user and --prefix name two places: choose one");
        Console.WriteLine(KernelSpec.Install(settings.Name, settings.Prefix));
        return 0;
    }
}
