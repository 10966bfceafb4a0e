using System.Security.Cryptography;
using JepaT.Lab;
using JepaT.Model;
using Spectre.Console;
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

    private static string Inspect(string path, string? section)
    {
        var text = new StringWriter();
        WeightsCommand.Inspect(path, section, AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No }));
        return text.ToString();
    }

    private static (string Error, int Code) Run(params string[] args)
    {
        var error = new StringWriter { NewLine = "\n" };
        var code = Cli.Run(args, error);
        return (error.ToString(), code);
    }
}
