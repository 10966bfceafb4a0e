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

    private static readonly Dictionary<string, ScalarType> Types = new()
    {
        ["float32"] = ScalarType.Float32,
        ["float16"] = ScalarType.Float16,
        ["bfloat16"] = ScalarType.BFloat16,
    };

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Action == "inspect") Inspect(settings.File, settings.Section, AnsiConsole.Console);
        else Convert(settings, AnsiConsole.Console);
        return 0;
    }

    /// <summary>A table of the tensors, then what the file is.</summary>
    internal static void Inspect(string path, string? section, IAnsiConsole console)
    {
        using var file = WeightFile.Open(path, section);
        if (!console.Profile.Out.IsTerminal) console.Profile.Width = 250;       // a line a tensor, for grep and cut
        var table = new Table().Border(TableBorder.Simple).AddColumns("Name", "Type", "Shape").AddColumn(new TableColumn("Bytes").RightAligned());
        foreach (var e in file.Entries)
            table.AddRow(new[] { OneLine(e.Name), e.Type, $"({string.Join(", ", e.Shape)})", Number(e.Bytes) }.Select(Markup.Escape).ToArray());
        console.Write(table);
        var output = console.Profile.Out.Writer;                                // never wrapped: it is to be copied
        output.WriteLine($"format      {file.Format}, {Number(file.Length)} bytes");
        if (file.Section.Length > 0) output.WriteLine($"section     {file.Section}, of {string.Join(", ", file.Sections.Select(s => s.Length == 0 ? "(no name)" : OneLine(s)))}");
        output.WriteLine($"tensors     {file.Entries.Count}, {Number(file.Entries.Sum(e => e.Count))} parameters, {Number(file.Entries.Sum(e => e.Bytes))} bytes");
        if (file.Unread.Count > 0) output.WriteLine($"passed over {string.Join(", ", file.Unread.Select(OneLine))}");
        foreach (var (key, value) in file.Metadata) output.WriteLine($"metadata    {OneLine(key)} = {OneLine(value)}");
        output.WriteLine($"sha-256     {Hash(path)}");
    }

    private static void Convert(Settings settings, IAnsiConsole console)
    {
        var output = settings.Output!;
        AtomicFile.Require(output);
        using var file = WeightFile.Open(settings.File, settings.Section);
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
        console.Profile.Out.Writer.WriteLine($"{Path.GetFullPath(output)}  ({tensors.Count} tensors{(file.Section.Length > 0 ? $" of {file.Section}" : "")} from {settings.File})");
    }

    // Read one after the other while the file is written: the memory of one tensor does.
    private static List<WeightToWrite> ToWrite(WeightFile file, Settings settings)
    {
        List<WeightToWrite> tensors = [];
        foreach (var entry in file.Entries)
        {
            if ((settings.Published ? PublishedNames.Own(entry.Name) : entry.Name) is not { } name) continue;
            var type = entry.ScalarType ?? throw new UserException($"{file.Path}: tensor {OneLine(entry.Name)} is {entry.Type}, which cannot be converted here");
            if (settings.Type is { } wanted && entry.Type is ("float64" or "float32" or "float16" or "bfloat16")) type = Types[wanted];
            tensors.Add(new(name, type, entry.Shape, () => file.Read(entry.Name)));
        }
        return tensors.Select(t => t.Name).Distinct().Count() == tensors.Count ? tensors
            : throw new UserException($"{file.Path}: two of its names become one without their prefixes; leave --published out");
    }

    private static string Hash(string path)
    {
        using var stream = File.OpenRead(path);
        return System.Convert.ToHexStringLower(SHA256.HashData(stream));
    }

    private static string Number(long n) => n.ToString("N0", CultureInfo.InvariantCulture);

    private static string OneLine(string text)
    {
        var line = string.Concat(text.ReplaceLineEndings(" ").Select(c => char.IsControl(c) ? '?' : c));
        return line.Length > 200 ? line[..200] + "…" : line;
    }
}
