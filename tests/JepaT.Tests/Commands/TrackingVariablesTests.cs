using JepaT.Lab;
using static JepaT.Tests.CommandRun;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>MLflow's variables at the command line, and a training whose server is away.</summary>
public sealed class TrackingVariablesTests : IDisposable
{
    private readonly TinyFashion files = new();
    private readonly TemporaryFolder folder = new();
    private readonly List<string> set = [];

    public TrackingVariablesTests() => set_num_threads(1);

    public void Dispose()
    {
        foreach (var name in set) Environment.SetEnvironmentVariable(name, null);
        files.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void The_experiment_is_named_by_its_variable_for_train_evaluate_and_ablate()
    {
        Set("MLFLOW_EXPERIMENT_NAME", "named outside");
        Assert.Equal(0, Run("train", Experiment(), "--tracking", Uri, "-o", folder.File("a")).Code);
        Assert.Equal(0, Run("evaluate", folder.File("a"), "--tracking", Uri).Code);
        Assert.Equal(0, Run("ablate", Experiment(), "--only", "none", "--tracking", Uri, "-o", folder.File("b")).Code);

        using var store = SqliteStore.Open(Uri);
        Assert.Equal(["Default", "named outside"], store.Experiments().Select(e => e.Name));
        Assert.Equal(4, store.SearchRuns(new()).Count);
        Assert.Equal("tiny", store.SearchRuns(new())[0].Params["name"]);        // what was run is told as it is
    }

    [Fact]
    public void A_run_named_by_its_variable_is_gone_on_with_by_train_and_refused_where_it_cannot_be()
    {
        using var store = SqliteStore.Open(Uri);
        var experiment = store.GetOrCreateExperiment("theirs");
        string Made(string name) => store.CreateRun(experiment, name, 1).RunId;
        var (id, deleted) = (Made("prepared"), Made("deleted"));
        store.UpdateRun(id, RunStatus.Finished, 2);
        store.DeleteRun(deleted);

        Set("MLFLOW_RUN_ID", new string('f', 32));
        Assert.Contains($"MLFLOW_RUN_ID={new string('f', 32)}: there is no run", Fails("train", Experiment(), "--tracking", Uri, "-o", folder.File("a")), StringComparison.Ordinal);
        Set("MLFLOW_RUN_ID", deleted);
        Assert.Contains("it is deleted", Fails("train", Experiment(), "--tracking", Uri, "-o", folder.File("a")), StringComparison.Ordinal);
        Set("MLFLOW_RUN_ID", id);
        Assert.Contains("names one run, but an ablation makes several", Fails("ablate", Experiment(), "--only", "none", "--tracking", Uri, "-o", folder.File("b")), StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("b")));
        Assert.Equal(0, Run("train", Experiment(), "--tracking", Uri, "-o", folder.File("a")).Code);
        Set("MLFLOW_RUN_ID", Made("another"));
        Assert.Contains("names another run than that of", Fails("train", "--resume", folder.File("a"), "--tracking", Uri), StringComparison.Ordinal);

        var run = store.GetRun(id);
        Assert.Equal((RunStatus.Finished, "prepared", experiment), (run.Info.Status, run.Info.Name, run.Info.ExperimentId));
        Assert.Contains("train/loss", run.Metrics.Keys);
        Assert.Equal("tiny", run.Params["name"]);
        Assert.Equal(id, new RunFolder(folder.File("a")).RunId);
        Assert.Equal(2, store.SearchRuns(new()).Count);
    }

    [Fact]
    public void A_run_goes_on_in_the_store_that_has_it_wherever_it_is_called()
    {
        var place = new RunFolder(folder.File("a"));
        Assert.Equal(0, Run("train", Experiment(), "--tracking", Uri, "-o", place.Path).Code);
        Assert.Equal(Uri, place.Store);
        using var store = SqliteStore.Open(Uri);
        var start = store.GetRun(place.RunId!).Info.EndTime;
        Assert.Equal(["report.html"], store.Artifacts(place.RunId!).Select(f => f.Path).Where(f => f.EndsWith(".html", StringComparison.Ordinal)));
        Assert.Contains("train/loss", File.ReadAllText(place.Report), StringComparison.Ordinal);
        Set("MLFLOW_TRACKING_URI", "sqlite:///" + folder.File("other.db"));

        Assert.Equal(0, Run("train", "--resume", place.Path).Code);
        Assert.Equal(0, Run("evaluate", place.Path).Code);

        Assert.True(store.GetRun(place.RunId!).Info.EndTime > start);
        Assert.Equal(2, store.SearchRuns(new()).Count);                     // and the evaluation
        Assert.False(File.Exists(folder.File("other.db")));
        var gone = Fails("train", "--resume", place.Path, "--tracking", "sqlite:///" + folder.File("gone.db"));
        Assert.Contains("there is no store sqlite:///", gone, StringComparison.Ordinal);
        Assert.Contains("name the one that has the run with --tracking", gone, StringComparison.Ordinal);
        Assert.False(File.Exists(folder.File("gone.db")));
    }

    [Fact]
    public void A_named_run_that_was_trained_or_has_other_params_is_refused_and_left_as_it_was()
    {
        using var store = SqliteStore.Open(Uri);
        Assert.Equal(0, Run("train", Experiment(), "--tracking", Uri, "-o", folder.File("good")).Code);
        var good = store.GetRun(new RunFolder(folder.File("good")).RunId!);
        var prepared = store.CreateRun(good.Info.ExperimentId, "prepared", 1).RunId;
        store.LogBatch(prepared, [], [KeyValuePair.Create("model.dim", "64")], [KeyValuePair.Create("mlflow.note.content", "mine")]);
        store.UpdateRun(prepared, RunStatus.Finished, 2);
        var before = Rows();

        Set("MLFLOW_RUN_ID", good.Info.RunId);
        Assert.Contains($"MLFLOW_RUN_ID={good.Info.RunId}: it has been trained for ", Fails("train", Experiment(), "--tracking", Uri, "-o", folder.File("other")), StringComparison.Ordinal);
        Set("MLFLOW_RUN_ID", prepared);
        Assert.Contains("param 'model.dim'", Fails("train", Experiment(), "--tracking", Uri, "-o", folder.File("other")), StringComparison.Ordinal);

        Assert.Equal(before, Rows());
        Assert.False(Directory.Exists(folder.File("other")));

        List<string> Rows()
        {
            using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={SqliteStore.FileOf(Uri)};Pooling=False");
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "SELECT run_uuid || status || end_time FROM runs UNION SELECT run_uuid || key || value FROM tags UNION SELECT run_uuid || key || value FROM params "
                + "UNION SELECT run_uuid || COUNT(*) FROM metrics GROUP BY run_uuid";
            using var reader = command.ExecuteReader();
            var rows = new List<string>();
            while (reader.Read()) rows.Add(reader.GetString(0));
            return rows;
        }
    }

    [Fact]
    public void A_training_whose_server_is_away_ends_well_and_all_of_it_is_sent_by_sync()
    {
        var told = new ToldRuns();
        var away = new FaultyServer(told);
        away.Dispose();
        Set("JEPAT_MLFLOW_SPOOL", folder.File("spool"));
        var place = new RunFolder(folder.File("a"));

        Assert.Equal(0, Run("train", Experiment(), "--tracking", away.Uri, "-o", place.Path).Code);

        Assert.StartsWith("local-", place.RunId, StringComparison.Ordinal);
        Assert.Equal(0, Run("runs", "sync", "--dry-run").Code);
        using var back = new FaultyServer(told, port: away.Port);
        Assert.Equal(0, Run("runs", "sync").Code);
        Assert.Equal(0, Run("runs", "sync", "--spool", folder.File("spool")).Code);     // nothing is left

        var (id, run) = Assert.Single(told.Runs);
        Assert.Equal((id, "FINISHED"), (place.RunId, run.Status));
        Assert.Equal(new FileInfo(place.Checkpoint).Length, run.Files["checkpoints/checkpoint.safetensors"].Length);
        using var curves = new RunCurves(place);
        Assert.NotEmpty(curves.All()["train/loss"]);
        foreach (var (key, points) in curves.All())
            Assert.Equal(points.Select(p => (p.Step, p.Value)), run.Metrics.Where(m => m.Key == key).OrderBy(m => m.Step).Select(m => (m.Step, m.Value)));
        Assert.Contains("there is no such folder", Fails("runs", "sync", "--spool", folder.File("none")), StringComparison.Ordinal);
    }

    [Fact]
    public void An_ablation_whose_server_is_away_is_sent_whole_and_goes_on_in_the_same_runs()
    {
        var told = new ToldRuns();
        var away = new FaultyServer(told);
        away.Dispose();
        Set("JEPAT_MLFLOW_SPOOL", folder.File("spool"));
        string[] command = ["ablate", Experiment(), "--only", "none", "--tracking", away.Uri, "-o", folder.File("b")];
        Assert.Equal(0, Run(command).Code);

        using var back = new FaultyServer(told, port: away.Port);
        Assert.Equal(0, Run("runs", "sync").Code);
        var parent = new RunFolder(folder.File("b")).RunId!;
        Assert.Equal(2, told.Runs.Count);
        Assert.Equal((parent, "FINISHED"), (told.Runs.Single(r => r.Value.Name == "none-seed0").Value.Tags["mlflow.parentRunId"], told.Runs[parent].Status));
        Assert.Contains("report.html", told.Runs[parent].Files.Keys);
        Assert.Equal(0, Run(command).Code);             // nothing to do but the report, and that in the same run
        Assert.Equal(2, told.Runs.Count);
        Assert.Equal("FINISHED", told.Runs[parent].Status);
    }

    [Fact]
    public void The_result_of_a_run_that_was_stopped_has_the_curves_that_its_store_has()
    {
        var tiny = TrainerTests.Tiny();
        var experiment = tiny with { Data = tiny.Data with { Folder = files.Folder }, Evaluation = tiny.Evaluation with { Every = 4 } };
        var place = new RunFolder(folder.File("run"));
        using var store = SqliteStore.Open(Uri);
        using var deferred = new DeferredStore(Uri);
        using var bench = new Workbench(experiment, deferred);
        using var stop = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() => TrainingRun.Execute(experiment, bench, place, "run", null, stop.Token, new StopAt(stop, 3)));
        File.AppendAllText(place.Of(RunCurves.FileName), "{\"key\":\"train/lo");       // as a kill leaves it

        var result = TrainingRun.Execute(experiment, bench, place, "run", null, TestContext.Current.CancellationToken);

        Compare();
        File.Delete(place.Of(RunCurves.FileName));                                      // a folder of before there were such files
        result = TrainingRun.Execute(experiment, bench, place, "run", null, TestContext.Current.CancellationToken);
        Compare();

        void Compare()
        {
            var keys = store.GetRun(result.RunId).Metrics.Keys.Where(RunCurves.Shows).ToList();
            Assert.Contains("train/loss", keys);
            Assert.Equal(keys, result.Curves.Keys);
            foreach (var key in keys)
                Assert.Equal(store.MetricHistory(result.RunId, key).GroupBy(m => m.Step).OrderBy(g => g.Key).Select(g => new CurvePoint(g.Key, g.Last().Value)), result.Curves[key]);
        }
    }

    private sealed class StopAt(CancellationTokenSource stop, long step) : IRunWatcher
    {
        public void Logged(long at, TrainingValues values)
        {
            if (at >= step) stop.Cancel();
        }

        public void Evaluated(long at, IReadOnlyList<(string Name, double Value)> metrics, Tensor samples)
        {
        }
    }

    private string Uri => $"sqlite:///{folder.File("mlflow.db")}";

    private void Set(string name, string value)
    {
        set.Add(name);
        Environment.SetEnvironmentVariable(name, value);
    }

    private string Experiment() => TinyExperiment(folder, files);
}
