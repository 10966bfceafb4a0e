using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab report</c>: makes the report and the tables of a finished ablation again from what it saved.</summary>
[Description("Makes the report and tables of an ablation again from its ablation.json.")]
public sealed class ReportCommand : Command<ReportCommand.Settings>
{
    /// <summary>The arguments.</summary>
    public sealed class Settings : CommandSettings
    {
        /// <summary>The saved ablation or its folder.</summary>
        [CommandArgument(0, "<FOLDER_OR_JSON>")]
        [Description("The folder that an ablation left, or its ablation.json.")]
        public required string Source { get; init; }

        /// <summary>Where the report goes.</summary>
        [CommandOption("-o|--output <FILE>")]
        [Description("The HTML file to write; report.html beside ablation.json by default. The tables and pictures go to the same folder.")]
        public string? Output { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var json = Directory.Exists(settings.Source) ? Path.Combine(settings.Source, "ablation.json") : settings.Source;
        if (!File.Exists(json)) throw new UserException($"{json}: there is no such file; name an ablation.json or the folder that './lab ablate' made");
        var report = settings.Output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(json))!, "report.html");
        if (Directory.Exists(report)) throw new UserException($"{report}: is a folder; give -o the name of an HTML file");
        var result = AblationResult.Load(json);
        foreach (var path in Report.WriteViews(result, Path.GetDirectoryName(Path.GetFullPath(report))!, report)) Console.WriteLine(path);
        return 0;
    }
}
