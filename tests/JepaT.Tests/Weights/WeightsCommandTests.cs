using System.Security.Cryptography;
using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class WeightsCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Inspect_lists_the_tensors_and_says_what_the_file_is()
    {
        var path = WeightSamples.File("training.pth");

        var text = Inspect(path, null);

        Assert.Matches(@"a\.weight +float32 +\(2, 3\) +24", text);
        Assert.Contains($"format      PyTorch, {new FileInfo(path).Length:N0} bytes", text, StringComparison.Ordinal);
        Assert.Contains("section     model_ema, of model, model_ema, optimizer", text, StringComparison.Ordinal);
        Assert.Contains("tensors     4, 12 parameters, 48 bytes", text, StringComparison.Ordinal);
        Assert.Contains("passed over argparse.Namespace", text, StringComparison.Ordinal);
        Assert.Contains($"sha-256     {Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)))}", text, StringComparison.Ordinal);
        Assert.Contains("state.0.exp_avg_sq", Inspect(path, "optimizer"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_s_text_cannot_command_the_terminal()
    {
        var path = folder.File("a.safetensors");
        Safetensors.Save(path, [new("\u001b[2Jx", ones(1))], new Dictionary<string, string> { ["[red]k"] = "two\nlines\u0007" });

        var text = Inspect(path, null);

        Assert.DoesNotContain('\u001b', text);
        Assert.Contains("metadata    [red]k = two lines?", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("out.safetensors", null)]
    [InlineData("out.pth", null)]
    [InlineData("out.safetensors", "bfloat16")]
    [InlineData("out.pt", "float16")]
    public void Convert_keeps_names_and_numbers(string name, string? type)
    {
        var output = folder.File(name);
        string[] line = ["weights", "convert", WeightSamples.File("types-legacy.pth"), output];

        Assert.Equal(("", 0), Run(type is null ? line : [.. line, "--dtype", type]));

        using var file = WeightFile.Open(output);
        var wanted = type switch { "bfloat16" => ScalarType.BFloat16, "float16" => ScalarType.Float16, _ => (ScalarType?)null };
        WeightSamples.AssertEqual(WeightSamples.Types().ToDictionary(t => t.Key, t => wanted is { } w && t.Value.is_floating_point() ? t.Value.to(w) : t.Value), file);
    }

    [Fact]
    public void A_run_s_checkpoint_goes_out_under_the_published_names()
    {
        var (model, ema) = (new JepaModel(JepaModelTests.Small, seed: 1), new JepaModel(JepaModelTests.Small, seed: 2));
        var (checkpoint, pth, safetensors) = (folder.File("checkpoint.safetensors"), folder.File("out.pth"), folder.File("out.safetensors"));
        Safetensors.Save(checkpoint, model.StateDict().Select(w => KeyValuePair.Create("model." + w.Key, w.Value)).Concat(ema.StateDict().Select(w => KeyValuePair.Create("ema." + w.Key, w.Value)))
            .Append(new("optimizer.step", ones(1))), new Dictionary<string, string> { ["format"] = "jepat-checkpoint-1", ["step"] = "7" });

        Assert.Equal(("", 0), Run("weights", "convert", checkpoint, pth, "--published"));
        Assert.Equal(("", 0), Run("weights", "convert", checkpoint, safetensors, "--published", "--section", "model"));

        using var published = WeightFile.Open(pth);
        using var publishedModel = WeightFile.Open(pth, "model");
        using var single = WeightFile.Open(safetensors);
        Assert.Equal(["model", "model_ema"], published.Sections);
        WeightSamples.AssertEqual(ema.StateDict(), published);
        WeightSamples.AssertEqual(model.StateDict(), publishedModel);
        WeightSamples.AssertEqual(model.StateDict(), single);
        Assert.Equal(("7", "model", false), (single.Metadata["step"], single.Metadata["section"], single.Metadata.ContainsKey("format")));
    }

    [Theory]
    [InlineData("weights list x", "'list' is unknown; known are inspect and convert")]
    [InlineData("weights convert x", "convert: name the file to write")]
    [InlineData("weights convert x y.bin", "y.bin: give a name that ends in .safetensors, .pth or .pt")]
    [InlineData("weights convert x y.pth --dtype int8", "--dtype 'int8' is unknown; known are float32, float16, bfloat16")]
    [InlineData("weights inspect x y.pth", "inspect takes a file and --section only")]
    [InlineData("weights inspect nowhere.pth", "nowhere.pth: cannot be opened")]
    [InlineData("weights inspect x --section", "--section has no value")]
    public void A_mistake_is_one_line(string line, string message)
    {
        var (error, code) = Run(line.Split(' '));

        Assert.Equal(1, code);
        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Equal(error.Length - 1, error.IndexOf('\n', StringComparison.Ordinal));
    }

    [Fact]
    public void A_conversion_that_fails_leaves_no_file()
    {
        var output = folder.File("out.safetensors");

        var (error, code) = Run("weights", "convert", WeightSamples.File("evil.pth"), output);

        Assert.Equal(1, code);
        Assert.Contains("posix.system", error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Theory]
    [InlineData("F8_E4M3", 3)]
    [InlineData("U16", 6)]
    [InlineData("U64", 24)]
    [InlineData("F4", 2)]
    public void What_TorchSharp_cannot_hold_is_copied_byte_for_byte(string dtype, int bytes)
    {
        var (path, output) = (folder.File("a.safetensors"), folder.File("b.safetensors"));
        WeightSamples.WriteRaw(path, $$$"""{"x":{"dtype":"{{{dtype}}}","shape":[3],"data_offsets":[0,{{{bytes}}}]},"y":{"dtype":"F32","shape":[1],"data_offsets":[{{{bytes}}},{{{bytes + 4}}}]}}""", bytes + 4);

        Assert.Equal(("", 0), Run("weights", "convert", path, output));

        var (before, after) = (WeightFile.Open(path), WeightFile.Open(output));
        using (before) using (after)
        {
            Assert.Equal(before.Entries.Select(e => (e.Name, e.Type, e.Bytes)), after.Entries.Select(e => (e.Name, e.Type, e.Bytes)));
            Assert.Equal(File.ReadAllBytes(path)[^(bytes + 4)..], File.ReadAllBytes(output)[^(bytes + 4)..]);
        }
        Assert.Contains($"dtype\":\"{dtype}", File.ReadAllText(output), StringComparison.Ordinal);
        var error = Run("weights", "convert", path, folder.File("c.pth")).Error;
        Assert.StartsWith($"{path}: tensor x is ", error.Replace("error: ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("write a .safetensors file", error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_safetensors_cannot_hold_is_told_with_the_file()
    {
        var path = folder.File("a.pth");
        using (var stream = File.Create(path)) TorchWriter.Save(stream, [new WeightToWrite("z", zeros(2, ScalarType.ComplexFloat64))]);

        var (error, code) = Run("weights", "convert", path, folder.File("b.safetensors"));

        Assert.Equal(1, code);
        Assert.Contains($"{path}: tensor z is complex128, which safetensors has not: write a .pth file", error, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("b.safetensors")));
    }

    [Theory]
    [InlineData("F8_E4M3", 1, "tensor x is float8_e4m3fn, which cannot be converted here; leave --dtype out")]
    [InlineData("F4", 1, "tensor x is F4, which cannot be converted here; leave --dtype out")]
    [InlineData("U16", 2, "")]
    public void A_type_is_only_asked_of_what_can_be_converted(string dtype, int bytes, string message)
    {
        var (path, output) = (folder.File("a.safetensors"), folder.File("b.safetensors"));
        WeightSamples.WriteRaw(path, $$$"""{"x":{"dtype":"{{{dtype}}}","shape":[1],"data_offsets":[0,{{{bytes}}}]}}""", bytes);

        var (error, code) = Run("weights", "convert", path, output, "--dtype", "float32");

        Assert.Contains(message, error, StringComparison.Ordinal);
        Assert.Equal((message.Length > 0 ? 1 : 0, message.Length == 0), (code, File.Exists(output)));
    }

    [Theory]
    [InlineData("in.safetensors")]
    [InlineData("./folder/../in.safetensors")]
    [InlineData("link.safetensors")]
    [InlineData("linked folder/in.safetensors")]
    [InlineData("linked folder/link.safetensors")]
    public void The_file_itself_is_not_written_over(string output)
    {
        var path = folder.File("in.safetensors");
        Safetensors.Save(path, [new("x", ones(2))]);
        var before = File.ReadAllBytes(path);
        File.CreateSymbolicLink(folder.File("link.safetensors"), "in.safetensors");
        Directory.CreateSymbolicLink(folder.File("linked folder"), folder.Path);

        var (error, code) = Run("weights", "convert", path, Path.Combine(folder.Path, output), "--dtype", "float16");

        Assert.Equal(1, code);
        Assert.Contains("is the file to be converted, or a part of it; name another file to write", error, StringComparison.Ordinal);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public void A_part_of_an_index_is_not_written_over()
    {
        Safetensors.Save(folder.File("part.safetensors"), [new("x", ones(2))]);
        File.WriteAllText(folder.File("all.index.json"), """{"weight_map": {"x": "part.safetensors"}}""");

        Assert.Contains("a part of it", Run("weights", "convert", folder.File("all.index.json"), folder.File("part.safetensors")).Error, StringComparison.Ordinal);
        Assert.Equal(("", 0), Run("weights", "convert", folder.File("all.index.json"), folder.File("whole.safetensors")));
    }

    [Fact]
    public void Hundreds_of_thousands_of_tensors_are_listed_in_seconds()
    {
        const int count = 300_000;
        var path = folder.File("many.safetensors");
        WeightSamples.WriteRaw(path, "{" + string.Join(",", Enumerable.Range(0, count).Select(i => $$"""
            "layers.{{i}}.weight":{"dtype":"U8","shape":[1,1],"data_offsets":[{{i}},{{i + 1}}]}
            """)) + "}", count);
        var (clock, allocated) = (System.Diagnostics.Stopwatch.StartNew(), GC.GetAllocatedBytesForCurrentThread());
        var lines = new LineCounter();

        WeightsCommand.Inspect(path, null, lines);

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Assert.InRange(lines.Count, count, count + 20);
        Assert.True(allocated < 3000L * count, $"{allocated / count} bytes allocated a tensor");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(10), $"took {clock.Elapsed}");
    }

    private sealed class LineCounter : StringWriter
    {
        public int Count { get; private set; }

        public override void WriteLine(string? value) => Count++;
    }

    private static string Inspect(string path, string? section)
    {
        var text = new StringWriter();
        WeightsCommand.Inspect(path, section, text);
        return text.ToString();
    }

    private static (string Error, int Code) Run(params string[] args)
    {
        var error = new StringWriter { NewLine = "\n" };
        var code = Cli.Run(args, error);
        return (error.ToString(), code);
    }
}
