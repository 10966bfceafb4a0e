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
        [Description("What to draw; may be repeated, a row each.")]
        public string[] Prompts { get; init; } = [];

        [CommandOption("--run <FOLDER>")]
        [Description("Run folder or checkpoint; by default the newest below runs/.")]
        public string? Run { get; init; }

        [CommandOption("-n|--count <N>")]
        [Description("Pictures of each prompt; by default 8.")]
        [DefaultValue(8)]
        public int Count { get; init; } = 8;

        [CommandOption("--seed <SEED>")]
        [Description("Seed of the first picture; by default 0.")]
        public int Seed { get; init; }

        [CommandOption("-o|--output <FILE.png>")]
        [Description("The picture to write; by default sample.png.")]
        [DefaultValue("sample.png")]
        public string Output { get; init; } = "sample.png";

        [CommandOption("--set <KEY=VALUE>")]
        [Description("Override a setting, e.g. sampling.guidance=5; may be repeated.")]
        public string[] Overrides { get; init; } = [];

        // A picture of more would be too large to draw, or to look at.
        public override ValidationResult Validate() =>
            Prompts.Length == 0 ? Wrong("say what to draw, e.g. ./lab sample --prompt \"a red sneaker\"")
            : Prompts.Length > MostRows ? Wrong($"{Prompts.Length} prompts: give at most {MostRows}")
            : Count is < 1 or > MostColumns ? Wrong($"--count is {Count}; it must lie between 1 and {MostColumns}")
            : Count * Prompts.Length > MostPictures ? Wrong($"--count {Count} for {Prompts.Length} prompts: more than {MostPictures} pictures; give fewer")
            : Seed is < 0 or > 2_000_000_000 ? Wrong($"--seed is {Seed}; it must lie between 0 and 2000000000")
            : ValidationResult.Success();

        private static ValidationResult Wrong(string message) => ValidationResult.Error(message);
    }

    private const int MostRows = 128, MostColumns = 256, MostPictures = 4096;

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var scope = NewDisposeScope();
        foreach (var prompt in settings.Prompts) HashedText.Require(prompt);            // a bad prompt is named before anything is loaded
        AtomicFile.Require(settings.Output);
        var checkpoint = Checkpoints.Find(settings.Run);
        var (model, experiment) = Checkpoint.LoadEma(checkpoint, settings.Overrides, "sampling.*", "data.autoencoder", "text_encoder.weights", "text_encoder.vocabulary", "device", "threads");
        using var owned = model;
        var device = Workbench.DeviceOf(experiment);
        var text = Workbench.TextOf(experiment, device);
        using var ownedText = text as IDisposable;
        using var renderer = Renderer.Of(experiment.Data, device);
        var features = text.Encode(settings.Prompts, experiment.Text).Each(t => t.repeat_interleave(settings.Count, 0).to(device));
        var seeds = settings.Prompts.SelectMany(_ => Enumerable.Range(settings.Seed, settings.Count)).Select(i => Seeds.Of(0, SeedUse.Samples, i)).ToList();
        using var progress = new Progress("sampling", seeds.Count, "pictures");
        progress.Report(0);
        List<Tensor> parts = [];
        foreach (var part in Enumerable.Range(0, seeds.Count).Chunk(experiment.Evaluation.BatchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            parts.Add(Pictures.Round(renderer.Render(Sampler.Images(model, features.Each(t => t.narrow(0, part[0], part.Length)), seeds.GetRange(part[0], part.Length), experiment.Sampling))));
            progress.Report(part[^1] + 1);
        }
        var png = ImageGrid.Png(cat(parts, 0), columns: settings.Count, scale: experiment.Data.IsFashion ? 4 : 1, rowCaptions: settings.Prompts);
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
