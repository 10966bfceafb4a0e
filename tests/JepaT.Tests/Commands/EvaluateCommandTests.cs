using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class EvaluateCommandTests : IDisposable
{
    private readonly TinyFashion files = new();
    private readonly TrackingFolder folder = new();

    public EvaluateCommandTests() => set_num_threads(1);

    private string Run => Path.Combine(folder.Path, "runs", "short");

    public void Dispose()
    {
        files.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void An_evaluation_is_a_run_nested_in_the_one_it_measures_which_gets_the_headline_figures_and_stays_as_it_was()
    {
        Train();
        using var store = folder.Open();
        var before = store.GetRun(Id);

        Lab("evaluate", Run, "--count", "30", "--set", "sampling.guidance=1", "--tracking", folder.Uri);

        var after = store.GetRun(Id);
        Assert.Equal(before.Info, after.Info);
        Assert.Equal(before.Params, after.Params);
        var child = Assert.Single(store.SearchRuns(new() { ParentRunId = Id }));
        Assert.Equal((RunStatus.Finished, "evaluate-short", before.Info.ExperimentId), (child.Info.Status, child.Info.Name, child.Info.ExperimentId));
        Assert.Equal(("30", "1.0"), (child.Params["evaluation.count"], child.Params["sampling.guidance"]));
        var added = after.Metrics.Keys.Except(before.Metrics.Keys).Order(StringComparer.Ordinal);
        Assert.Equal(["evaluate/alignment_held_out_fashion_16", "evaluate/alignment_seen_fashion_30", "evaluate/fid_fashion_30", "evaluate/is_fashion_30"], added);
        Assert.All(added, key => Assert.Equal((child.Metrics["eval" + key["evaluate".Length..]].Value, 8), (after.Metrics[key].Value, after.Metrics[key].Step)));
        Assert.All(before.Metrics, m => Assert.Equal(m.Value, after.Metrics[m.Key]));
        Assert.Equal($"{child.Info.RunId} (step 8, guidance 1, 2 iterations)", after.Tags["jepat.evaluation"]);
    }

    [Fact]
    public void Another_store_gets_a_run_of_its_own()
    {
        Train();
        var other = $"sqlite:///{Path.Combine(folder.Path, "other.db")}";

        Lab("evaluate", Path.Combine(Run, "checkpoint.safetensors"), "--tracking", other);

        using var store = SqliteStore.Open(other, readOnly: true);
        var run = Assert.Single(store.SearchRuns(new()));
        Assert.DoesNotContain("mlflow.parentRunId", run.Tags.Keys);
        Assert.Contains("eval/fid_fashion_20", run.Metrics.Keys);
    }

    [Fact]
    public void A_run_that_the_store_does_not_have_is_told_in_a_line()
    {
        using var store = folder.Open();
        var place = new RunFolder(Directory.CreateDirectory(Run).FullName);
        Says("does not say which run it holds");
        place.SetRunId(new string('a', 32));
        Says($"there is no run {new string('a', 32)}");
        var id = store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1_000).RunId;
        place.SetRunId(id);
        Assert.Equal(id, EvaluateCommand.Evaluated(store, place, TextWriter.Null));
        store.DeleteRun(id);
        Says($"{id} in {store.Uri} was deleted");

        void Says(string what)
        {
            var warnings = new StringWriter();
            Assert.Null(EvaluateCommand.Evaluated(store, place, warnings));
            Assert.Contains(what, Assert.Single(warnings.ToString().TrimEnd().Split('\n')), StringComparison.Ordinal);
        }
    }

    private string Id => File.ReadAllText(Path.Combine(Run, "mlflow-run")).Trim();

    private void Train()
    {
        var tiny = TrainerTests.Tiny();
        var path = Path.Combine(folder.Path, "tiny.yaml");
        File.WriteAllText(path, ExperimentFile.ToYaml(tiny with { Data = tiny.Data with { Folder = files.Folder } }));
        Lab("train", path, "-o", Run, "--tracking", folder.Uri);
    }

    private static void Lab(params string[] args)
    {
        var error = new StringWriter();
        Assert.True(Cli.Run(args, error) == 0, $"{args[0]}: {error}");
    }
}
