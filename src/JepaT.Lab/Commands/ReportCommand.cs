using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>
/// <c>./lab report</c>: a page of any runs of a store; or, given the folder of a finished ablation, its report and tables again from what
/// it saved.
/// </summary>
[Description("Write a page of any runs, or the report and tables of an ablation again.")]
public sealed class ReportCommand : Command<ReportCommand.Settings>
{
    /// <summary>The arguments.</summary>
    public sealed class Settings : NamedRunsSettings
    {
        /// <summary>Runs, or the saved ablation or its folder.</summary>
        [CommandArgument(0, "[SOURCE]")]
        [Description("The folder that an ablation left, or its ablation.json; or runs by id, by the beginning of an id or by name; without any the runs that the options find.")]
        public string[] Sources { get; init; } = [];

        /// <summary>Where the report goes.</summary>
        [CommandOption("-o|--output <FILE>")]
        [Description("HTML file to write; by default report.html, of an ablation in its folder. Its tables and pictures go beside it.")]
        public string? Output { get; init; }

        internal override IReadOnlyList<string> Named => Sources;

        /// <summary>The saved ablation that is meant; null: runs are.</summary>
        internal string? Ablation =>
            Sources is not [var source] || Uri is not null || Experiment is not null ? null
            : Directory.Exists(source) ? Path.Combine(source, "ablation.json")
            : File.Exists(source) || Path.GetFileName(source) != source || source.EndsWith(".json", StringComparison.OrdinalIgnoreCase) ? source
            : null;
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Ablation is { } json) OfAblation(json, settings.Output);
        else OfRuns(settings, TimeProvider.System);
        return 0;
    }

    private static void OfAblation(string json, string? output)
    {
        if (!File.Exists(json)) throw new UserException($"{json}: there is no such file; name an ablation.json or the folder that './lab ablate' made; for runs add --uri");
        var report = output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(json))!, "report.html");
        AtomicFile.Require(report);
        var result = AblationResult.Load(json);
        foreach (var path in Report.WriteViews(result, Path.GetDirectoryName(Path.GetFullPath(report))!, report)) Console.WriteLine(path);
    }

    private static void OfRuns(Settings settings, TimeProvider clock)
    {
        var output = settings.Output ?? "report.html";
        AtomicFile.Require(output);
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        var runs = settings.Find(store);
        string html;
        using (var progress = new Progress("report", runs.Count, "runs"))
            html = RunReport.Html(runs, Path.GetDirectoryName(Path.GetFullPath(output))!, Selection(settings), clock.GetUtcNow(), progress);
        AtomicFile.Write(output, html);
        Console.WriteLine(output);
    }

    private static string Selection(Settings settings) => string.Join("; ", new[]
    {
        settings.Named.Count > 0 ? "by name" : null,
        settings.Experiment is { } experiment ? $"experiment {experiment}" : null,
        settings.Filter is { } filter ? $"filter {filter}" : null,
        settings.OrderBy.Length > 0 ? $"order {string.Join(", ", settings.OrderBy)}" : null,
        settings.Max is { } max ? $"at most {max}" : null,
    }.OfType<string>());
}
