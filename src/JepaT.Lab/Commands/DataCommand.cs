using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab data</c>: finds, fetches and checks the data set, and shows it.</summary>
[Description("Find, fetch and check the data set; show what it holds.")]
internal sealed class DataCommand : Command<DataCommand.Settings>
{
    /// <summary>Options of the command.</summary>
    public sealed class Settings : CommandSettings
    {
        /// <summary>The user's folder.</summary>
        [CommandOption("--folder <FOLDER>")]
        [Description("Folder of the four IDX .gz files; by default Debian's package, the cache, or a download.")]
        public string? Folder { get; init; }

        /// <summary>Where to write the contact sheet.</summary>
        [CommandOption("--preview <FILE.png>")]
        [Description("Write a picture with one example a pair of item and colour.")]
        public string? Preview { get; init; }

        /// <summary>Which form the preview shows.</summary>
        [CommandOption("--name <NAME>")]
        [Description("What the picture shows: fashion-mnist-tinted (default) or fashion-mnist.")]
        [DefaultValue(FashionMnist.Tinted)]
        public string Name { get; init; } = FashionMnist.Tinted;

        /// <summary>Which split the preview shows.</summary>
        [CommandOption("--split <SPLIT>")]
        [Description("What the picture shows: train (default) or test.")]
        [DefaultValue("train")]
        public string Split { get; init; } = "train";

        /// <summary>Seed of the colours.</summary>
        [CommandOption("--tint-seed <SEED>")]
        [Description("Seed of the colours; by default 0.")]
        [DefaultValue(0ul)]
        public ulong TintSeed { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Preview is { } preview) AtomicFile.Require(preview);
        var fashion = FashionMnist.Open(settings.Folder);
        fashion.Dataset(settings.Name, settings.Split).Dispose();               // a wrong name is told without --preview, too
        var output = AnsiConsole.Console.Profile.Out.Writer;
        output.WriteLine($"Fashion-MNIST from {Path.GetFullPath(fashion.Folder)} ({Describe(fashion.Origin)})");
        output.WriteLine(fashion.IsOfficial ? "All four files have the published content (SHA-256)." : "A set of your own: not the published files.");
        output.WriteLine();
        foreach (var (name, count, sha) in fashion.Files) output.WriteLine($"  {name,-28} {count,6}  sha256 {sha}");
        output.WriteLine();
        output.WriteLine($"  {"data set",-22} {"split",-6} {"pictures",8} {"captions",9}  digest");
        foreach (var name in new[] { FashionMnist.Plain, FashionMnist.Tinted })
            foreach (var split in new[] { "train", "test" })
            {
                using var data = fashion.Dataset(name, split, CPU, settings.TintSeed);
                output.WriteLine($"  {name,-22} {split,-6} {data.Count,8} {data.Captions.Count,9}  {data.Digest}");
            }
        output.WriteLine();
        output.WriteLine($"{Vocabulary.HeldOutPairs.Count} of {Vocabulary.Pairs.Count} pairs are held out, they exist only as prompts:");
        foreach (var group in Vocabulary.HeldOutPairs.GroupBy(p => p.Colour).OrderBy(g => g.Key))
            output.WriteLine("  " + string.Join(", ", group.Select(p => Vocabulary.Caption(p.Item, p.Colour))));

        if (settings.Preview is { } path)
        {
            using var data = fashion.Dataset(settings.Name, settings.Split, CPU, settings.TintSeed);
            ContactSheet.Save(data, path);
            output.WriteLine();
            output.WriteLine($"preview: {Path.GetFullPath(path)}");
        }
        return 0;
    }

    private static string Describe(DataOrigin origin) => origin switch
    {
        DataOrigin.Given => "the folder given",
        DataOrigin.Debian => "Debian's package dataset-fashion-mnist",
        DataOrigin.Cache => "the cache",
        _ => "downloaded to the cache",
    };
}
