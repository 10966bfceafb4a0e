using System.Diagnostics;

namespace JepaT.Tests;

/// <summary>The entry script's own decisions, function by function; sh is on every machine but Windows.</summary>
public sealed class LabScriptTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public LabScriptTests()
    {
        Write("runs/fashion/experiment.yaml", "name: a\ndata:\n  folder: x\n  name: fashion-mnist-tinted\nmodel:\n  dim: 1\n");
        Write("runs/imagenet/experiment.yaml", "name: fashion-mnist\ndata:\n  # name: fashion-mnist\n  name: latents             # cached\nmodel:\n  dim: 1\n");
        Write("runs/quoted/experiment.yaml", "data:\n  name: 'image-folder'\n");
        Write("unsaid.yaml", "name: latents\ndata:\n  size: 64\ntext_encoder:\n  name: clip\n");
        Write("runs/fashion/checkpoint.safetensors", "");
        Write("runs/imagenet/checkpoint.safetensors", "");
    }

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("train", true)]
    [InlineData("train quick.yaml", true)]
    [InlineData("ablate experiments/quick.yaml", true)]
    [InlineData("train experiments/imagenet/base.yaml", false)]
    [InlineData("train imagenet/base.yaml --output x", false)]
    [InlineData("train unsaid.yaml", true)]
    [InlineData("train unsaid.yaml --set data.name=image-folder", false)]
    [InlineData("train --set data.name=fashion-mnist experiments/imagenet/base.yaml", true)]
    [InlineData("train --resume runs/imagenet", false)]
    [InlineData("evaluate runs/imagenet", false)]
    [InlineData("evaluate runs/imagenet/checkpoint.safetensors --count 100", false)]
    [InlineData("evaluate runs/fashion", true)]
    [InlineData("evaluate runs/quoted", false)]
    [InlineData("evaluate", false)]                                            // the newest
    [InlineData("data", true)]
    public void Fashion_MNIST_is_only_fetched_for_an_experiment_that_takes_it(string line, bool wanted)
    {
        if (OperatingSystem.IsWindows()) return;
        File.SetLastWriteTimeUtc(folder.File("runs/fashion/checkpoint.safetensors"), DateTime.UnixEpoch);

        var (code, error) = Call("wants_fashion", line.Split(' '));

        Assert.Equal("", error);
        Assert.Equal(wanted ? 0 : 1, code);
    }

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder.File(name))!);
        File.WriteAllText(folder.File(name), text);
    }

    private (int Code, string Error) Call(string function, string[] words)
    {
        var lines = File.ReadAllLines(Path.Combine(ConventionsTests.Root, "lab")).SkipWhile(l => l != function + "() {").ToList();
        var text = string.Join('\n', lines.Take(lines.IndexOf("}") + 1));
        using var sh = Process.Start(new ProcessStartInfo("sh", ["-euc", $"root=$1; shift\n{text}\nif {function} \"$@\"; then exit 0; else exit 1; fi", "sh", ConventionsTests.Root, .. words])
        {
            WorkingDirectory = folder.Path,
            RedirectStandardError = true,
        })!;
        var error = sh.StandardError.ReadToEnd();
        sh.WaitForExit();
        return (sh.ExitCode, error);
    }
}
