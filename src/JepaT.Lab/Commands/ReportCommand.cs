using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab report</c>: makes the report and the tables of a finished ablation again from what it saved.</summary>
[Description("Write the report and tables of an ablation again.")]
public sealed class ReportCommand : Command<ReportCommand.Settings>
{
    /// <summary>The arguments.</summary>
    public sealed class Settings : CommandSettings
    {
        /// <summary>The saved ablation or its folder.</summary>
        [CommandArgument(0, "<FOLDER>")]
        [Description("The folder that an ablation left, or its ablation.json.")]
        public required string Source { get; init; }

        /// <summary>Where the report goes.</summary>
        [CommandOption("-o|--output <FILE>")]
        [Description("HTML file to write; by default report.html in that folder. Tables and pictures go beside it.")]
        public string? Output { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var json = Directory.Exists(settings.Source) ? Path.Combine(settings.Source, "ablation.json") : settings.Source;
        if (!File.Exists(json)) throw new UserException($"{json}: there is no such file; name an ablation.json or the folder that './lab ablate' made");
        var report = settings.Output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(json))!, "report.html");
        AtomicFile.Require(report);
        var result = AblationResult.Load(json);
        foreach (var path in Report.WriteViews(result, Path.GetDirectoryName(Path.GetFullPath(report))!, report)) Console.WriteLine(path);
        return 0;
    }
}
