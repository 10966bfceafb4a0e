using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab ablate</c>: the main job.</summary>
[Description("Train and measure the fusion presets, and write the table and the report.")]
internal sealed class AblateCommand : Command<AblateCommand.Settings>
{
    public sealed class Settings : ExperimentSettings
    {
        [CommandArgument(0, "[EXPERIMENT]")]
        [Description("Experiment file.")]
        [DefaultValue("experiments/quick.yaml")]
        public string Experiment { get; init; } = "experiments/quick.yaml";

        [CommandOption("--seeds <N>")]
        [Description("Number of seeds, in place of the experiment's.")]
        public int? Seeds { get; init; }

        [CommandOption("--only <PRESETS>")]
        [Description("Run these presets only, comma separated; finished ones still appear in the table.")]
        public string? Only { get; init; }
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var overrides = settings.Seeds is { } n ? [.. settings.Overrides, $"ablation.seeds={n}"] : settings.Overrides;
        var experiment = ExperimentFile.Load(ExperimentSettings.FileOf(settings.Experiment), overrides);
        var only = settings.Only?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        foreach (var preset in only)
            if (!experiment.Ablation.Presets.Contains(preset))
                throw new UserException($"--only {preset}: not among the experiment's presets ({string.Join(", ", experiment.Ablation.Presets)})");
        if (settings.DryRun)
        {
            ExperimentSettings.Describe(experiment);
            return 0;
        }
        using var stop = new StopSignal();
        using var store = SqliteStore.Open(settings.Tracking);
        using var bench = new Workbench(experiment, store);
        var output = AnsiConsole.Console.Profile.Out.Writer;
        var folder = settings.FolderOf(experiment);
        output.WriteLine($"{experiment.Name}: {experiment.Ablation.Presets.Count} presets × {experiment.Ablation.Seeds} seeds, {experiment.Training.Steps} steps each, into {folder}; data from {bench.Source}");
        var result = new AblationRunner(experiment, bench, folder, CommandLine.Text(), output).Run(only, stop.Token);
        output.WriteLine();
        output.WriteLine(ResultTable.Of(result).Markdown());
        output.WriteLine($"report  {Path.GetFullPath(Path.Combine(folder, "report.html"))}");
        output.WriteLine($"runs    mlflow server --backend-store-uri {store.Uri}   (in {store.Folder}), or ./lab runs");
        return result.Runs.All(r => r.Finished) ? 0 : 1;
    }
}
