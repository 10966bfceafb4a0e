using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

// Continued: what goes wrong, and what comes after.
public sealed partial class AblationRunnerTests
{
    [Fact]
    public void A_folder_at_work_takes_no_second_program_and_is_free_afterwards()
    {
        var place = new RunFolder(Output);
        using (place.Use())
        {
            Assert.Contains("at work in this folder", Assert.Throws<UserException>(() => Run(Tiny(["none"]))).Message, StringComparison.Ordinal);
            Assert.False(File.Exists(place.Experiment));
        }

        Assert.True(Assert.Single(Run(Tiny(["none"])).Runs).Finished);
    }

    [Fact]
    public void Weights_to_start_from_that_no_run_can_take_are_told_once_and_leave_nothing()
    {
        var (missing, other) = (Path.Combine(folder.FullName, "missing.safetensors"), Path.Combine(folder.FullName, "other.safetensors"));
        using (var model = new JepaModel(JepaModelTests.Small)) Safetensors.Save(other, model.StateDict());
        void Refused(string init, string message, bool partial = false)
        {
            var said = new StringWriter();
            var tiny = Tiny(["none", "full"]);
            Assert.Contains($"{init}: {message}", Assert.Throws<UserException>(() =>
                Run(tiny with { Training = tiny.Training with { Init = init, InitPartial = partial } }, output: said)).Message, StringComparison.Ordinal);
            Assert.Equal("", said.ToString());
            Assert.Equal(["other.safetensors"], folder.EnumerateFileSystemInfos().Select(f => f.Name));
        }

        Refused(missing, "cannot be opened");
        Refused(missing, "cannot be opened", partial: true);
        Refused(other, "does not fit this model");
    }

    [Fact]
    public void Runs_that_have_begun_do_not_need_the_weights_they_started_from()
    {
        var (tiny, init) = (Tiny(["none"]), Path.Combine(folder.FullName, "init.safetensors"));
        using (var model = new JepaModel(tiny.ResolvedModel)) Safetensors.Save(init, model.StateDict());
        var started = tiny with { Training = tiny.Training with { Init = init } };
        Run(started);
        File.Delete(init);

        Assert.True(Assert.Single(Run(started).Runs).Finished);
        File.Delete(Path.Combine(Output, "none-seed0", "result.json"));
        Assert.True(Assert.Single(Run(started).Runs).Finished);
    }

    [Theory]
    [InlineData("ablate", "data.folder=nowhere")]
    [InlineData("ablate", "training.init=nowhere/weights.safetensors")]
    [InlineData("train", "data.folder=nowhere")]
    [InlineData("train", "training.init=nowhere/weights.safetensors")]
    public void A_start_that_fails_leaves_neither_folder_nor_database(string command, string setting)
    {
        var (path, error) = (Path.Combine(folder.FullName, "tiny.yaml"), new StringWriter());
        File.WriteAllText(path, ExperimentFile.ToYaml(Tiny(["none"])));

        Assert.Equal(1, Cli.Run([command, path, "-o", Path.Combine(folder.FullName, "deep", "out"), "--tracking", Uri, "--set", setting], error));

        Assert.Contains("nowhere", Assert.Single(error.ToString().TrimEnd().Split('\n')), StringComparison.Ordinal);
        Assert.Equal(["tiny.yaml"], folder.EnumerateFileSystemInfos().Select(f => f.Name));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    public void A_folder_that_was_made_for_nothing_goes_again_with_those_above_it_but_none_that_was_there(string end)
    {
        var (there, deep) = (Directory.CreateDirectory(Path.Combine(folder.FullName, "there")), Path.Combine(folder.FullName, "there", "a", "b"));
        using (new RunFolder(deep + end).Use()) Assert.True(Directory.Exists(deep));
        Assert.Empty(there.EnumerateFileSystemInfos());
        Assert.True(there.Exists);

        using (new RunFolder(deep + end).Use()) File.WriteAllText(Path.Combine(deep, "kept"), "");
        Assert.Equal(["kept"], Directory.EnumerateFileSystemEntries(deep).Select(Path.GetFileName));
    }

    [Fact]
    public void A_store_that_cannot_be_made_is_told_before_there_is_a_folder()
    {
        File.WriteAllText(Path.Combine(folder.FullName, "file"), "");
        using var store = new DeferredStore($"sqlite:///{Path.Combine(folder.FullName, "file", "mlflow.db")}");
        using var bench = new Workbench(Tiny(["none"]), store);

        Assert.Throws<UserException>(() => new AblationRunner(Tiny(["none"]), bench, Output, "./lab ablate", TextWriter.Null).Run([], TestContext.Current.CancellationToken));

        Assert.Equal(["file"], folder.EnumerateFileSystemInfos().Select(f => f.Name));
    }

    [Fact]
    public void A_full_disk_below_the_store_is_what_is_told_of_each_run()
    {
        var experiment = Tiny(["none", "full"]);
        var said = new StringWriter();
        using var made = new DeferredStore(Uri);
        using var bench = new Workbench(experiment, made);
        var store = (SqliteStore)bench.Store;
        var runner = new AblationRunner(experiment, bench, Output, "./lab ablate", said);
        store.LimitPages(new FileInfo(store.File).Length / 4096 + 1);       // the disk's end, as SQLite sees it: some way into the first run

        var error = Record.Exception(() => runner.Run([], TestContext.Current.CancellationToken));

        Assert.True(error is null or UserException, error?.ToString());      // the parent's own values may still have found room
        Assert.Contains("none, seed 0: failed", said.ToString(), StringComparison.Ordinal);
        Assert.Contains("the disk is full", said.ToString(), StringComparison.Ordinal);
        Assert.All(new[] { "none-seed0", "full-seed0" }, name => Assert.Equal(8, Checkpoint.StepOf(new RunFolder(Path.Combine(Output, name)).Checkpoint)));      // the store is not in the way
        store.LimitPages(1_000_000);
        var runs = runner.Run([], TestContext.Current.CancellationToken).Runs;
        Assert.All(runs, r => Assert.Equal(("FINISHED", null), (r.Status, r.Error)));
        foreach (var key in new[] { "train/loss", "eval/fid_fashion_20" })
            Assert.All(runs, r => Assert.Equal(r.Curves[key].Select(p => (p.Step, p.Value)), store.MetricHistory(r.RunId, key).Select(m => (m.Step, m.Value)).Order()));
    }

    [Fact]
    public void Steps_that_are_trained_again_after_a_kill_are_in_the_store_once()
    {
        var experiment = Tiny(["full"]);
        experiment = experiment with { Training = experiment.Training with { CheckpointEvery = 3 } };
        using var made = new DeferredStore(Uri);
        using var bench = new Workbench(experiment, made);
        var place = new RunFolder(Path.Combine(folder.FullName, "run"));
        // As a kill after step 5 leaves it: pictures and values of step 4 are in the store, the checkpoint is of step 3.
        var kept = Path.Combine(folder.FullName, "kept");
        var killed = new Watcher(step =>
        {
            if (step == 4) File.Copy(place.Checkpoint, kept);
            if (step == 5) throw new DivergedException("killed");
        });
        Assert.Throws<DivergedException>(() => TrainingRun.Execute(experiment, bench, place, "run", null, TestContext.Current.CancellationToken, killed));
        File.Move(kept, place.Checkpoint, overwrite: true);
        Assert.Equal(3, Checkpoint.StepOf(place.Checkpoint));

        var result = TrainingRun.Execute(experiment, bench, place, "run", null, TestContext.Current.CancellationToken);

        var store = bench.Store;
        foreach (var key in store.GetRun(result.RunId).Metrics.Keys.Where(k => k.StartsWith("train/", StringComparison.Ordinal)))
            Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], store.MetricHistory(result.RunId, key).Select(m => m.Step));
        Assert.Equal([4, 8], store.MetricHistory(result.RunId, "eval/fid_fashion_20").Select(m => m.Step));
        Assert.Equal(["images/eval~samples+step+0", "images/eval~samples+step+4", "images/eval~samples+step+8"], store.Artifacts(result.RunId).Select(a => a.Path)
            .Where(p => p.StartsWith("images/", StringComparison.Ordinal) && !p.Contains("compressed", StringComparison.Ordinal)).Select(p => p.Split("+timestamp+")[0]).Order());
    }

    private sealed class Watcher(Action<long> logged) : IRunWatcher
    {
        public void Logged(long step, TrainingValues values) => logged(step);

        public void Evaluated(long step, IReadOnlyList<(string Name, double Value)> metrics, Tensor samples)
        {
        }
    }

    private string Output => Path.Combine(folder.FullName, "out");

    private string Uri => $"sqlite:///{Path.Combine(folder.FullName, "mlflow.db")}";

    private Experiment Tiny(string[] presets)
    {
        var tiny = TrainerTests.Tiny();
        return tiny with
        {
            Data = tiny.Data with { Folder = files.Folder },
            Evaluation = tiny.Evaluation with { Every = 4 },
            Ablation = new AblationConfig { Presets = presets },
        };
    }

    private AblationResult Run(Experiment experiment, string[]? only = null, TextWriter? output = null, CancellationTokenSource? stop = null)
    {
        using var store = new DeferredStore(Uri);
        using var bench = new Workbench(experiment, store);
        return new AblationRunner(experiment, bench, Output, "./lab ablate", output ?? TextWriter.Null).Run(only ?? [], stop?.Token ?? TestContext.Current.CancellationToken);
    }
}
