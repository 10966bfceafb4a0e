using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs export</c>: runs as CSV or JSON, with all values of their metrics and with their files when asked for.</summary>
[Description("Export runs as CSV or JSON, on demand with metric histories and artifacts.")]
public sealed class RunsExportCommand : Command<RunsExportCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : NamedRunsSettings
    {
        [CommandArgument(0, "[RUN]")]
        [Description(RunsHelp)]
        public string[] Runs { get; init; } = [];

        internal override IReadOnlyList<string> Named => Runs;

        [CommandOption("-o|--output <PATH>")]
        [Description("A file .csv or .json, or a folder for both.")]
        public string? Output { get; init; }

        [CommandOption("--histories")]
        [Description("All values of the metrics: a .csv then has a line a value, a folder a metrics.csv more.")]
        public bool Histories { get; init; }

        [CommandOption("--artifacts <FOLDER>")]
        [Description("Copy the runs' files there, into a folder for each run, named by its id.")]
        public string? Artifacts { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate() =>
            Output is null && Artifacts is null ? ValidationResult.Error("say where to: -o runs.csv, -o runs.json, -o FOLDER or --artifacts FOLDER")
            : Output is null && Histories ? ValidationResult.Error("--histories needs -o: a .csv, a .json or a folder")
            : base.Validate();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken) =>
        Export(() => TrackingStores.Open(settings.Uri, readOnly: true), settings, AnsiConsole.Console.Profile.Out.Writer, Console.Error, cancellationToken);

    /// <returns>The exit code: 1 when a file was left out.</returns>
    internal static int Export(Func<ITrackingStore> open, Settings settings, TextWriter output, TextWriter errors, CancellationToken stop = default)
    {
        var targets = Targets(settings.Output);
        foreach (var target in targets) AtomicFile.Require(target);             // before the store is asked for hours of values
        if (settings.Histories && IsFolder(settings.Output!)) AtomicFile.Require(Path.Combine(settings.Output!, "metrics.csv"));
        if (settings.Artifacts is { } wanted) AtomicFile.RequireFolder(wanted);

        using var store = open();
        var runs = settings.Find(store);
        foreach (var target in targets)
        {
            if (IsJson(target)) RunExport.Json(runs, target, settings.Histories, stop);
            else if (settings.Histories && !IsFolder(settings.Output!)) RunExport.Histories(runs, target, stop);
            else RunExport.Csv(runs, target);
            output.WriteLine(target);
        }
        if (settings.Histories && IsFolder(settings.Output!))
        {
            var metrics = Path.Combine(settings.Output!, "metrics.csv");
            RunExport.Histories(runs, metrics, stop);
            output.WriteLine(metrics);
        }
        if (settings.Artifacts is not { } folder) return 0;
        var left = ArtifactExport.Copy(runs, folder, errors, stop);
        output.WriteLine(folder);
        if (left > 0) errors.WriteLine($"error: {left} {(left == 1 ? "file was" : "files were")} left out, for the reasons above; all others are there");
        return left > 0 ? 1 : 0;
    }

    private static string[] Targets(string? output) => output is null ? []
        : IsFolder(output) ? [Path.Combine(output, "runs.csv"), Path.Combine(output, "runs.json")]
        : IsJson(output) || Path.GetExtension(output).Equals(".csv", StringComparison.OrdinalIgnoreCase) ? [output]
        : throw new UserException($"{output}: '{Path.GetExtension(output)}' is no format to export to; name a .csv, a .json or a folder");

    private static bool IsFolder(string path) => Directory.Exists(path) || Path.EndsInDirectorySeparator(path) || (path.Length > 0 && Path.GetExtension(path).Length == 0 && !File.Exists(path));

    private static bool IsJson(string path) => Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase);
}
