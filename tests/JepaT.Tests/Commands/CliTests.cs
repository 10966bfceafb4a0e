using JepaT.Lab;
using static JepaT.Tests.CommandRun;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Command lines with mistakes: one line on standard error, exit code 1, and nothing left behind.</summary>
public sealed class CliTests : IDisposable
{
    private readonly TinyFashion files = new();
    private readonly TemporaryFolder folder = new();

    public void Dispose()
    {
        files.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("ablate --sed 1", "./lab ablate: unknown option --sed; the nearest known one is --set")]
    [InlineData("ablate --sedes=1", "./lab ablate: unknown option --sedes; the nearest known one is --seeds")]
    [InlineData("runs -q", "./lab runs: unknown option -q; ./lab runs --help lists them")]
    [InlineData("--foo runs", "./lab: unknown option --foo; ./lab --help lists them")]
    [InlineData("ablat", "unknown command 'ablat'; known are ablate, train,")]
    [InlineData("runs show a b", "./lab runs show: 'b' is one argument too many")]
    [InlineData("runs show", "missing required argument 'RUN'")]
    [InlineData("runs export", "say where to: -o runs.csv")]
    [InlineData("runs export a --filter b -o c.csv", "--filter searches for runs, but 'a' names one: leave one of the two out")]
    [InlineData("runs compare a --max 3", "--max searches for runs, but 'a' names one")]
    [InlineData("runs best x --lowest --highest", "--lowest and --highest: give one of the two")]
    [InlineData("runs best x --order-by y", "--order-by: the metric gives the order here")]
    [InlineData("runs list --filtr x", "./lab runs list: unknown option --filtr; the nearest known one is --filter")]
    [InlineData("runs -- x", "'x' after -- is not known here")]
    [InlineData("ablate --seeds x", "--seeds 'x': give a whole number")]
    [InlineData("ablate --seeds=99999999999", "--seeds '99999999999': give a whole number within its range")]
    [InlineData("data --tint-seed -1", "--tint-seed '-1': give a whole number within its range")]
    [InlineData("ablate --only", "./lab ablate: --only has no value")]
    [InlineData("sample -p", "./lab sample: -p has no value")]
    [InlineData("sample --prompt=", "./lab sample: --prompt has no value")]
    [InlineData("sample", "say what to draw")]
    [InlineData("sample -p a -n 100000000", "--count is 100000000; it must lie between 1 and 256")]
    [InlineData("sample -p a --seed 2147483647", "--seed is 2147483647; it must lie between")]
    [InlineData("runs --max 0", "--max 0: give 1 to 50000")]
    [InlineData("train --resume a b.yaml", "leave out b.yaml")]
    [InlineData("train --resume a -o b", "leave out --output")]
    [InlineData("train-evaluator --epochs 2000000000", "--epochs 2000000000: give 1 to 1000")]
    [InlineData("bench --repeats 0", "--repeats is 0; it must lie between 1 and 10000")]
    [InlineData("bench --threads 9999", "--threads is 9999, but this machine has")]
    [InlineData("data --split foo", "split 'foo' is unknown; known are train and test")]
    public void A_mistake_is_one_line(string line, string message)
    {
        string[] args = line.StartsWith("data --split", StringComparison.Ordinal) ? [.. line.Split(' '), "--folder", files.Folder] : line.Split(' ');

        Assert.Contains(message, Fails(args), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(",")]
    [InlineData("")]
    [InlineData(" , ")]
    public void Only_without_a_preset_runs_nothing(string only) =>
        Assert.Contains("name at least one preset (none, late,", Fails("ablate", Experiment(), "--only", only, "-o", Output), StringComparison.Ordinal);

    [Theory]
    [InlineData("train", "data.folder=/no/such/folder", "/no/such/folder: no such folder")]
    [InlineData("ablate", "data.folder=/no/such/folder", "/no/such/folder: no such folder")]
    [InlineData("train", "device=tpu", "device 'tpu' is unknown")]
    [InlineData("ablate", "device=cuda:x", "device 'cuda:x' is unknown")]
    [InlineData("train", "training.batch_size=1000", "training.batch_size 1000 is more than the")]
    [InlineData("ablate", "training.batch_size=1000", "training.batch_size 1000 is more than the")]
    [InlineData("train", "threads=9999", "threads is 9999, but this machine has")]
    [InlineData("ablate", "evaluation.batch_size=1000000000", "evaluation.batch_size is 1000000000")]
    public void A_start_that_cannot_be_leaves_no_folder(string command, string setting, string message)
    {
        Assert.Contains(message, Fails(command, Experiment(), "--tracking", Uri, "-o", Output, "--set", setting), StringComparison.Ordinal);

        Assert.False(Directory.Exists(Output));
    }

    [Fact]
    public void A_run_is_not_started_twice_and_is_sampled_only_to_where_one_can_write()
    {
        Assert.Equal(0, Run("train", Experiment(), "--tracking", Uri, "-o", Output).Code);

        Assert.Contains("holds a run already", Fails("train", Experiment(), "--tracking", Uri, "-o", Output), StringComparison.Ordinal);
        Assert.Contains($"{Output}: is a folder", Fails("sample", "-p", "a red bag", "--run", Output, "-o", Output), StringComparison.Ordinal);
        Assert.Contains("only sampling.*, data.autoencoder, text_encoder.weights, text_encoder.vocabulary, device, threads may change", Fails("sample", "-p", "a red bag", "--run", Output, "--set", "training.steps=3"), StringComparison.Ordinal);
        Assert.Equal(0, Run("sample", "-p", "a red bag", "-n", "3", "--run", Output, "-o", folder.File("bag.png")).Code);
        Assert.True(File.Exists(folder.File("bag.png")));
    }

    [Fact]
    public void An_ablation_is_no_run_to_resume_and_its_presets_set_the_fusion()
    {
        Assert.Equal(0, Run("ablate", Experiment(), "--only", "none", "--tracking", Uri, "-o", Output).Code);
        var before = Directory.GetFiles(Output);

        Assert.Contains("is an ablation's folder", Fails("train", "--resume", Output, "--tracking", Uri), StringComparison.Ordinal);
        Assert.Contains("the presets of an ablation set the fusion", Fails("ablate", Experiment(), "--set", "fusion.raw_text=false"), StringComparison.Ordinal);
        Assert.Equal(before, Directory.GetFiles(Output));
    }

    [Fact]
    public void What_the_system_refuses_is_one_line_and_a_bug_is_not()
    {
        string[] args = ["train"];

        using var x = zeros(2);
        Assert.Matches(@"^\./lab train: failed in native code \(shape '\[3\]' is invalid[^\n]*\)$", Cli.Explain(Record.Exception(() => x.reshape(3))!, args));
        Assert.Matches("^\\./lab train: out of memory \\([^\\n]*can't allocate memory[^\\n]*\\); lower training.batch_size", Cli.Explain(Record.Exception(() => zeros(1L << 50))!, args));
        Assert.StartsWith("./lab train: out of memory; lower training.batch_size", Cli.Explain(new InsufficientMemoryException(), args), StringComparison.Ordinal);
        Assert.Equal("./lab train: No space left on device", Cli.Explain(new IOException("No space left on device"), args));
        Assert.Null(Cli.Explain(new InvalidOperationException("a bug"), args));
    }

    [Fact]
    public void The_version_is_told() => Assert.Equal(0, Run("--version").Code);

    private string Output => folder.File("out");

    private string Uri => $"sqlite:///{folder.File("mlflow.db")}";

    private string Experiment() => TinyExperiment(folder, files);
}
