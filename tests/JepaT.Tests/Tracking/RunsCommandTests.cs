using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class RunsCommandTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Runs_are_listed_newest_first_with_their_children_and_figures()
    {
        using var store = folder.Open();
        var experiment = store.GetOrCreateExperiment("fusion [quick]");
        Add("older", 1_000_000, null);
        var parent = Add("ablation", 2_000_000, null);
        Add("none", 3_000_000, parent, new Metric("eval/fid_fashion_1k", 84.51, 0, 9), new Metric("train/loss", 1.25, 0, 9));
        Add("full", 4_000_000, parent, new Metric("train/loss", 1.25, 0, 9));

        var lines = List(store, null);
        var order = lines.Where(l => l.Contains("FINISHED", StringComparison.Ordinal)).Select(l => l.Split("fusion [quick]")[1].Split("FINISHED")[0].Trim());

        Assert.Equal(["ablation", "full", "none", "older"], order);
        Assert.Contains(lines, l => l.Contains("none", StringComparison.Ordinal) && l.Contains("fid_fashion_1k 84.51", StringComparison.Ordinal) && l.Contains("1 min 01 s", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains("full", StringComparison.Ordinal) && l.Contains("loss 1.25", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains($"cd {folder.Path} && mlflow server", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains($"#/experiments/{experiment}/runs?workflowType=machine_learning", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.Contains("copy the file before", StringComparison.Ordinal));

        string Add(string name, long start, string? parentRun, params Metric[] metrics)
        {
            var id = store.CreateRun(experiment, name, start, parentRun is null ? null : new Dictionary<string, string> { ["mlflow.parentRunId"] = parentRun }).RunId;
            store.LogBatch(id, metrics, [], []);
            store.UpdateRun(id, RunStatus.Finished, start + 61_000);
            return id;
        }
    }

    [Fact]
    public void An_unknown_experiment_is_refused_with_the_known_ones_and_an_empty_store_says_so()
    {
        using var store = folder.Open();
        Directory.CreateDirectory(Path.Combine(folder.Path, "mlruns"));

        var e = Assert.Throws<UserException>(() => List(store, "none"));
        Assert.Contains("'Default'", e.Message, StringComparison.Ordinal);
        var lines = List(store, null);
        Assert.StartsWith("no runs in", lines[0], StringComparison.Ordinal);
        Assert.Contains(lines, l => l.EndsWith("mlflow server --backend-store-uri sqlite:///mlflow.db", StringComparison.Ordinal));
    }

    private static string[] List(SqliteStore store, string? experiment)
    {
        using var console = new RecordedConsole(terminal: false);
        var hints = new StringWriter();
        RunsListCommand.List(store, new() { Experiment = experiment }, console.Console, hints, TimeProvider.System);
        return (console.Text + hints).Split('\n');
    }
}
