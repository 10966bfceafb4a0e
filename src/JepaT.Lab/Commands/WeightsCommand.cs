using System.ComponentModel;
using System.Globalization;
using System.Security.Cryptography;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab weights</c>: what is in a file of weights, and the same in another format.</summary>
[Description("Show or convert weights: safetensors and PyTorch files.")]
internal sealed class WeightsCommand : Command<WeightsCommand.Settings>
{
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "<inspect|convert>")]
        [Description("inspect FILE lists the tensors; convert FILE OUT writes them to a .safetensors or .pth file.")]
        public string Action { get; init; } = "";

        [CommandArgument(1, "<FILE>")]
        [Description("safetensors, an index of several files (*.index.json), or a PyTorch file (.pth, .pt, .ckpt, .bin).")]
        public string File { get; init; } = "";

        [CommandArgument(2, "[OUT]")]
        [Description("The file to write; its ending tells the format.")]
        public string? Output { get; init; }

        [CommandOption("--section <NAME>")]
        [Description("Dictionary of a checkpoint, e.g. model; by default its EMA weights, or else its weights.")]
        public string? Section { get; init; }

        [CommandOption("--dtype <TYPE>")]
        [Description("Convert floating tensors to float32, float16 or bfloat16.")]
        public string? Type { get; init; }

        [CommandOption("--published")]
        [Description("Names as the published code has them; a .pth file then holds model and model_ema.")]
        public bool Published { get; init; }

        public override ValidationResult Validate() =>
            Action is not ("inspect" or "convert") ? Wrong($"'{Action}' is unknown; known are inspect and convert")
            : Action == "inspect" && (Output is not null || Type is not null || Published) ? Wrong("inspect takes a file and --section only")
            : Action == "convert" && Output is null ? Wrong("convert: name the file to write, e.g. ./lab weights convert in.pth out.safetensors")
            : Output is not null && Path.GetExtension(Output) is not (".safetensors" or ".pth" or ".pt") ? Wrong($"{Output}: give a name that ends in .safetensors, .pth or .pt")
            : Type is not null && !Types.ContainsKey(Type) ? Wrong($"--dtype '{Type}' is unknown; known are {string.Join(", ", Types.Keys)}")
            : Published && Section is not null && Path.GetExtension(Output) != ".safetensors" ? Wrong("--published writes both model and model_ema to a .pth file: leave --section out")
            : ValidationResult.Success();

        private static ValidationResult Wrong(string message) => ValidationResult.Error(message);
    }

    // A longer name pushes its own line only.
    private const int MaxColumn = 100;

    private static readonly Dictionary<string, ScalarType> Types = new()
    {
        ["float32"] = ScalarType.Float32,
        ["float16"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
    };

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Action == "inspect") Inspect(settings.File, settings.Section, AnsiConsole.Profile.Out.Writer);
        else Convert(settings, AnsiConsole.Profile.Out.Writer);
        return 0;
    }

    /// <summary>A table of the tensors, a line each however many there are, then what the file is.</summary>
    internal static void Inspect(string path, string? section, TextWriter output)
    {
        using var file = WeightFile.Open(path, section);
        string[] titles = ["Name", "Type", "Shape", "Bytes"];
        int[] widths = [.. titles.Select(t => t.Length)];
        foreach (var row in file.Entries.Select(Row))
            for (var i = 0; i < row.Length; i++) widths[i] = Math.Min(MaxColumn, Math.Max(widths[i], row[i].Length));
        Write(titles);
        Write([.. widths.Select(w => new string('─', w))]);
        foreach (var e in file.Entries) Write(Row(e));
        output.WriteLine();
        output.WriteLine($"format      {file.Format}, {Number(file.Length)} bytes");
        if (file.Section.Length > 0) output.WriteLine($"section     {file.Section}, of {string.Join(", ", file.Sections.Select(s => s.Length == 0 ? "(no name)" : OneLine(s)))}");
        output.WriteLine($"tensors     {file.Entries.Count}, {Number(file.Entries.Sum(e => (decimal)e.Count))} parameters, {Number(file.Entries.Sum(e => (decimal)e.Bytes))} bytes");
        if (file.Unread.Count > 0) output.WriteLine($"passed over {string.Join(", ", file.Unread.Select(OneLine))}");
        foreach (var (key, value) in file.Metadata) output.WriteLine($"metadata    {OneLine(key)} = {OneLine(value)}");
        output.WriteLine($"sha-256     {Hash(path)}");

        static string[] Row(WeightEntry e) => [OneLine(e.Name), OneLine(e.Type), $"({string.Join(", ", e.Shape)})", Number(e.Bytes)];

        void Write(string[] cells) => output.WriteLine($"{cells[0].PadRight(widths[0])}  {cells[1].PadRight(widths[1])}  {cells[2].PadRight(widths[2])}  {cells[3].PadLeft(widths[3])}");
    }

    private static void Convert(Settings settings, TextWriter console)
    {
        var output = settings.Output!;
        AtomicFile.Require(output);
        using var file = WeightFile.Open(settings.File, settings.Section);
        if (file.Files.Any(f => SamePath.Is(f, output))) throw new UserException($"{output}: is the file to be converted, or a part of it; name another file to write");
        var tensors = ToWrite(file, settings);
        if (Path.GetExtension(output) == ".safetensors")
        {
            // A section's numbers alone are no checkpoint any more: only what tells of the origin goes along.
            var metadata = file.Metadata.Where(m => m.Key != "format").ToDictionary();
            if (file.Section.Length > 0) metadata["section"] = file.Section;
            AtomicFile.Write(output, stream => Safetensors.Save(stream, tensors, metadata));
        }
        else if (settings.Published)
        {
            // The published code reads both; a file with one dictionary has it twice.
            var plain = file.Sections.FirstOrDefault(s => s is "model" or "state_dict");
            using var model = WeightFile.Open(settings.File, plain);
            AtomicFile.Write(output, stream => TorchWriter.Save(stream, [("model", ToWrite(model, settings)), ("model_ema", tensors)]));
        }
        else
        {
            AtomicFile.Write(output, stream => TorchWriter.Save(stream, tensors));
        }
        console.WriteLine($"{Path.GetFullPath(output)}  ({tensors.Count} tensors{(file.Section.Length > 0 ? $" of {file.Section}" : "")} from {settings.File})");
    }

    // Read one after the other while the file is written: the memory of one tensor does.
    private static List<WeightToWrite> ToWrite(WeightFile file, Settings settings)
    {
        List<WeightToWrite> tensors = [];
        foreach (var entry in file.Entries)
        {
            if ((settings.Published ? PublishedNames.Own(entry.Name) : entry.Name) is not { } name) continue;
            // Types without TorchSharp's are eights of a float or newer ones, but for the three whole numbers.
            var floats = entry.Type is "float64" or "float32" or "float16" or "bfloat16" || entry.ScalarType is null && entry.Type is not ("uint16" or "uint32" or "uint64");
            if (settings.Type is not null && floats && entry.ScalarType is null)
                throw new UserException($"{file.Path}: tensor {OneLine(entry.Name)} is {OneLine(entry.Type)}, which cannot be converted here; leave --dtype out to copy it as it is");
            tensors.Add(file.ToWrite(entry.Name, name, settings.Type is { } wanted && floats ? Types[wanted] : null));
        }
        return tensors.Select(t => t.Name).Distinct().Count() == tensors.Count ? tensors
            : throw new UserException($"{file.Path}: two of its names become one without their prefixes; leave --published out");
    }

    private static string Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return System.Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static string Number(decimal n) => n.ToString("N0", CultureInfo.InvariantCulture);

    private static string OneLine(string text)
    {
        var line = string.Concat(text.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? '?' : c));
        return line.Length > 200 ? line[..200] + "…" : line;
    }
}
