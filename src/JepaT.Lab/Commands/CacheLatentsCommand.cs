using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab cache-latents</c>: encodes a folder of pictures once, so that training needs no autoencoder.</summary>
[Description("Encode pictures and their mirror images to a cache on disk; stop with Ctrl-C, the same command goes on.")]
internal sealed class CacheLatentsCommand : Command<CacheLatentsCommand.Settings>
{
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "[FOLDER]")]
        [Description("Pictures (JPEG, PNG, WebP): one folder a class, or any layout with --captions.")]
        public string? Folder { get; init; }

        [CommandOption("-o|--output <CACHE>")]
        [Description("Folder of the cache.")]
        public string? Output { get; init; }

        [CommandOption("--autoencoder <FILE>")]
        [Description("Weights of the autoencoder.")]
        public string? Autoencoder { get; init; }

        [CommandOption("--size <PIXELS>")]
        [Description("Height and width that pictures are cropped to; by default 256.")]
        [DefaultValue(256)]
        public int Size { get; init; } = 256;

        [CommandOption("--batch <N>")]
        [Description("Pictures encoded at once; by default 32.")]
        [DefaultValue(32)]
        public int Batch { get; init; } = 32;

        [CommandOption("--threads <N>")]
        [Description("Threads that decode; by default one a processor.")]
        public int? Threads { get; init; }

        [CommandOption("--device <DEVICE>")]
        [Description("Where to encode: cpu (default), cuda or cuda:N.")]
        [DefaultValue("cpu")]
        public string Device { get; init; } = "cpu";

        [CommandOption("--captions <FILE>")]
        [Description("CSV or JSONL with file and caption; by default captions come from the classes' names.")]
        public string? Captions { get; init; }

        [CommandOption("--classes <FILE>")]
        [Description("Names of WordNet ids, as LOC_synset_mapping.txt; by default looked for beside FOLDER.")]
        public string? Classes { get; init; }

        [CommandOption("--template <TEXT>")]
        [Description("Caption of a class; by default \"a photo of a {name}\".")]
        [DefaultValue(ImageFolder.DefaultTemplate)]
        public string Template { get; init; } = ImageFolder.DefaultTemplate;

        [CommandOption("--corrupt <WHAT>")]
        [Description("At a picture that cannot be decoded: fail (default) or skip.")]
        [DefaultValue("fail")]
        public string Corrupt { get; init; } = "fail";

        [CommandOption("--dtype <TYPE>")]
        [Description("Numbers on disk: float32 (default) or float16, half as large.")]
        [DefaultValue("float32")]
        public string Dtype { get; init; } = "float32";

        [CommandOption("--verify")]
        [Description("Only compare the cache's files with their checksums. Training checks each picture's own whenever it reads it.")]
        public bool Verify { get; init; }

        public override ValidationResult Validate() =>
            Output is null ? ValidationResult.Error("--output is missing: name the cache's folder")
            : Verify ? ValidationResult.Success()
            : Folder is null ? ValidationResult.Error("FOLDER is missing: name the folder with the pictures")
            : Autoencoder is null ? ValidationResult.Error("--autoencoder is missing: name the file with its weights")
            : Size is < 16 or > 4096 || Size % 16 != 0 ? ValidationResult.Error($"--size {Size}: give a multiple of 16 from 16 to 4096")
            : Batch is < 1 or > 4096 ? ValidationResult.Error($"--batch {Batch}: give 1 to 4096")
            : Threads is < 1 ? ValidationResult.Error($"--threads {Threads}: give 1 or more")
            : Corrupt is not ("skip" or "fail") ? ValidationResult.Error($"--corrupt '{Corrupt}': give skip or fail")
            : Dtype is not ("float32" or "float16") ? ValidationResult.Error($"--dtype '{Dtype}': give float32 or float16")
            : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var stop = new StopSignal("the shard under way is given up, finished ones stay");
        return settings.Verify ? Verify(settings.Output!, stop.Token) : Write(settings, stop.Token);
    }

    private static int Verify(string cache, CancellationToken stop)
    {
        IReadOnlyList<(int Shard, string Fault)> faults;
        var index = LatentIndex.Read(cache);
        using (var progress = new Progress("comparing checksums", index.Shards.Count, "shards"))
            faults = LatentCache.Verify(cache, done => progress.Report(done), stop);
        if (faults.Count > 0) throw new UserException($"{faults[0].Fault}; {faults.Count} of {index.Shards.Count} shards are bad: the command that wrote the cache makes them anew");
        Describe(cache, index);
        return 0;
    }

    private static int Write(Settings settings, CancellationToken stop)
    {
        var threads = settings.Threads ?? Environment.ProcessorCount;
        MachineLimits.Threads("--threads", threads);
        var device = Workbench.DeviceOf(new Experiment { Device = settings.Device });
        var source = ImageFolder.Open(settings.Folder!, settings.Captions, settings.Classes, settings.Template);
        using var encoder = Autoencoders.Open(settings.Autoencoder!, device);
        using var progress = new Progress($"encoding {source.Name}", source.Files.Count, "pictures");
        var index = LatentCacheWriter.Write(source, encoder, settings.Output!, new()
        {
            ImageSize = settings.Size,
            Batch = settings.Batch,
            Threads = threads,
            Corrupt = settings.Corrupt == "skip" ? CorruptPictures.Skip : CorruptPictures.Fail,
            Dtype = settings.Dtype,
        }, done => progress.Report(done), stop);
        Describe(settings.Output!, index);
        return 0;
    }

    private static void Describe(string cache, LatentIndex index)
    {
        var bytes = index.Shards.Sum(index.BytesOf);
        var output = AnsiConsole.Console.Profile.Out.Writer;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{Path.GetFullPath(cache)}: {index.Shards.Sum(s => s.Count)} pictures and their mirror images, {index.Shards.Count} of {index.ShardCount()} shards, {bytes / 1e9:0.0##} GB"));
        var skipped = index.Shards.SelectMany(s => s.Skipped).ToList();
        if (skipped.Count > 0) output.WriteLine($"{skipped.Count} corrupt pictures were skipped: {string.Join(", ", skipped.Take(5).Select(s => $"{s.Key} ({s.Value})"))}{(skipped.Count > 5 ? ", …" : "")}");
    }
}
