using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab sample</c>: pictures of a prompt.</summary>
[Description("Generate pictures of a prompt with a trained run.")]
internal sealed class SampleCommand : Command<SampleCommand.Settings>
{
    public sealed class Settings : CommandSettings
    {
        [CommandOption("-p|--prompt <TEXT>")]
        [Description("What to draw; may be repeated, one row each.")]
        public string[] Prompts { get; init; } = [];

        [CommandOption("--run <FOLDER>")]
        [Description("Run folder or checkpoint file; by default the newest checkpoint below [grey]runs/[/].")]
        public string? Run { get; init; }

        [CommandOption("-n|--count <N>")]
        [Description("Pictures of each prompt.")]
        [DefaultValue(8)]
        public int Count { get; init; } = 8;

        [CommandOption("--seed <SEED>")]
        [Description("Seed of the first picture.")]
        public int Seed { get; init; }

        [CommandOption("-o|--output <FILE.png>")]
        [Description("Where to write the picture.")]
        [DefaultValue("sample.png")]
        public string Output { get; init; } = "sample.png";

        [CommandOption("--set <KEY=VALUE>")]
        [Description("Override a setting, e.g. [grey]--set sampling.guidance=5[/]; may be repeated.")]
        public string[] Overrides { get; init; } = [];
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Prompts.Length == 0) throw new UserException("say what to draw, e.g. ./lab sample --prompt \"a red sneaker\"");
        if (settings.Count < 1) throw new UserException($"--count is {settings.Count}; it must be at least 1");
        using var scope = NewDisposeScope();
        var prompts = new HashedText().Encode(settings.Prompts);        // a bad prompt is named before anything is loaded
        var checkpoint = Checkpoints.Find(settings.Run);
        var (model, saved) = Checkpoint.LoadEma(checkpoint, Workbench.DeviceOf);
        using var owned = model;
        var experiment = ExperimentFile.Parse(ExperimentFile.ToYaml(saved), checkpoint, settings.Overrides);
        if (experiment.ResolvedModel != saved.ResolvedModel) throw new UserException("--set: a trained model keeps its sizes; only sampling.* may change");
        var features = prompts.repeat_interleave(settings.Count, 0).to(Workbench.DeviceOf(experiment));
        var seeds = settings.Prompts.SelectMany(_ => Enumerable.Range(settings.Seed, settings.Count)).Select(i => Seeds.Of(0, SeedUse.Samples, i)).ToList();
        using var progress = new Progress("sampling", settings.Prompts.Length * settings.Count, "pictures");
        progress.Report(0);
        var images = Pictures.Round(Sampler.Images(model, features, seeds, experiment.Sampling));
        progress.Report(seeds.Count);
        var png = ImageGrid.Png(images, columns: settings.Count, scale: 4, rowCaptions: settings.Prompts);
        AtomicFile.Write(settings.Output, file => file.Write(png));
        AnsiConsole.Console.Profile.Out.Writer.WriteLine($"{Path.GetFullPath(settings.Output)}  ({seeds.Count} pictures from {checkpoint})");
        return 0;
    }
}

/// <summary>Finds a run's checkpoint.</summary>
internal static class Checkpoints
{
    /// <exception cref="UserException">There is none.</exception>
    public static string Find(string? run, string folder = "")
    {
        var runs = Path.Combine(folder, "runs");
        if (run is null)
            return (Directory.Exists(runs) ? Directory.EnumerateFiles(runs, Checkpoint.FileName, SearchOption.AllDirectories).MaxBy(File.GetLastWriteTimeUtc) : null)
                ?? throw new UserException("no checkpoint below runs/: train first (./lab train), or name one with --run FOLDER");
        var path = Directory.Exists(run) ? Path.Combine(run, Checkpoint.FileName) : run;
        return File.Exists(path) ? path : throw new UserException($"{run}: holds no {Checkpoint.FileName}");
    }
}
