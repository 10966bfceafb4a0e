using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab ablate</c>: the main job.</summary>
[Description("Train and measure the fusion presets; write the report.")]
internal sealed class AblateCommand : Command<AblateCommand.Settings>
{
    public sealed class Settings : ExperimentSettings
    {
        [CommandArgument(0, "[EXPERIMENT]")]
        [Description("Experiment file; by default experiments/quick.yaml.")]
        public string? Experiment { get; init; }

        [CommandOption("--seeds <N>")]
        [Description("Number of seeds, in place of the experiment's.")]
        public int? Seeds { get; init; }

        [CommandOption("--only <PRESETS>")]
        [Description("Run these presets only, with commas between; the table also has those finished before.")]
        public string? Only { get; init; }

        /// <summary>What was typed as far as it decides the result: the file and what overrides it.</summary>
        internal string Start() => CommandLine.Of(["ablate", Experiment ?? Quick, .. Overrides.SelectMany(o => new[] { "--set", o })]);
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Overrides.FirstOrDefault(o => o.StartsWith("fusion", StringComparison.Ordinal)) is { } fusion)
            throw new UserException($"--set {fusion}: the presets of an ablation set the fusion; choose them by --only, or run './lab train --set {fusion}'");
        var overrides = settings.Seeds is { } n ? [.. settings.Overrides, $"ablation.seeds={n}"] : settings.Overrides;
        var experiment = ExperimentFile.Load(ExperimentSettings.FileOf(settings.Experiment), overrides);
        var only = settings.Only?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];
        if (settings.Only is not null && only.Length == 0)
            throw new UserException($"--only '{settings.Only}': name at least one preset ({string.Join(", ", experiment.Ablation.Presets)})");
        foreach (var preset in only)
            if (!experiment.Ablation.Presets.Contains(preset))
                throw new UserException($"--only {preset}: not among the experiment's presets ({string.Join(", ", experiment.Ablation.Presets)})");
        if (settings.DryRun)
        {
            ExperimentSettings.Describe(experiment);
            return 0;
        }
        using var stop = new StopSignal();
        var folder = settings.FolderOf(experiment);
        using var store = DeferredStore.ToGoOn(new RunFolder(folder), settings.Tracking);
        using var bench = new Workbench(experiment, store);
        var output = AnsiConsole.Console.Profile.Out.Writer;
        output.WriteLine($"{experiment.Name}: {(only.Length > 0 ? only.Length : experiment.Ablation.Presets.Count)} presets × {experiment.Ablation.Seeds} seeds, {experiment.Training.Steps} steps each, into {folder}; data from {bench.Source}");
        var result = new AblationRunner(experiment, bench, folder, CommandLine.Text(), output, settings.Start()).Run(only, stop.Token);
        output.WriteLine();
        output.WriteLine(ResultTable.Of(result).Markdown());
        output.WriteLine($"report  {Path.GetFullPath(Path.Combine(folder, "report.html"))}");
        output.WriteLine($"runs    {(bench.Store.Folder is { } place ? $"./lab ui {place}" : MlflowPages.Home(bench.Store.Uri))}, or ./lab runs");
        return result.Runs.All(r => r.Finished) ? 0 : 1;
    }
}
