using System.Diagnostics;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Model;
using SkiaSharp;

namespace JepaT.Tests;

public sealed partial class RunLoggerTests : IDisposable
{
    private readonly TrackingFolder folder = new();
    private readonly StringWriter warnings = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_carries_user_command_commit_parent_and_what_was_logged()
    {
        using var store = folder.Open();
        using var parent = Start(store, "parent");
        using var log = RunLogger.Start(store, "test", "child", parent.RunId, new Dictionary<string, string> { ["preset"] = "full" });
        log.Params(new Dictionary<string, object?> { ["dim"] = 128, ["lr"] = 1e-5 });
        log.Metric("train/loss", 2, 0);
        log.Metric("train/loss", 1, 1);
        log.Note("# hello");
        log.Dataset("fashion", "a1b2c3d4", "training", "/data", """{"num_rows":3}""");
        log.ArtifactText("config.yaml", "a: 1\n");
        log.Finish();

        var run = store.GetRun(log.RunId);
        Assert.Equal((RunStatus.Finished, "child"), (run.Info.Status, run.Info.Name));
        Assert.True(run.Info.EndTime >= run.Info.StartTime);
        Assert.Equal(["dim=128", "lr=1e-05"], run.Params.Select(p => $"{p.Key}={p.Value}"));
        Assert.Equal([2.0, 1.0], store.MetricHistory(log.RunId, "train/loss").Select(m => m.Value));
        Assert.Equal(Environment.UserName, run.Tags["mlflow.user"]);
        Assert.StartsWith("lab", run.Tags["mlflow.source.name"], StringComparison.Ordinal);
        Assert.DoesNotContain("/", run.Tags["mlflow.source.name"], StringComparison.Ordinal);
        Assert.StartsWith("./lab ", run.Tags["jepat.command"], StringComparison.Ordinal);
        Assert.Equal(("LOCAL", parent.RunId, "full", "# hello"),
            (run.Tags["mlflow.source.type"], run.Tags["mlflow.parentRunId"], run.Tags["preset"], run.Tags["mlflow.note.content"]));
        Assert.Equal([new("fashion", "a1b2c3d4", "training", """{"uri":"/data"}""", """{"num_rows":3}""")], run.Inputs);
        Assert.Equal(["config.yaml"], store.Artifacts(log.RunId).Select(a => a.Path));
    }

    [Fact]
    public void A_param_longer_than_MLflow_keeps_is_cut_and_told()
    {
        using var store = folder.Open();
        using var log = RunLogger.Start(store, "test", "run", warnings: warnings);

        log.Param("long", new string('x', 6001));
        log.Param("fits", new string('x', 6000));
        log.Flush();

        Assert.Equal(6000, store.GetRun(log.RunId).Params["long"].Length);
        Assert.Contains("param long has 6001 characters, MLflow keeps the first 6000", warnings.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("fits", warnings.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Values_are_in_the_store_within_a_second_without_asking()
    {
        using var store = folder.Open();
        using var log = Start(store);
        log.Metric("m", 1, 0);

        var watch = Stopwatch.StartNew();
        while (folder.Rows("SELECT * FROM metrics").Count == 0 && watch.Elapsed < TimeSpan.FromSeconds(10)) Thread.Sleep(10);

        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 1);
    }

    [Fact]
    public void Ten_thousand_values_a_second_do_not_hold_up_the_loop()
    {
        using var store = folder.Open();
        using var log = Start(store);

        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 20_000; i++) log.Metric("train/loss", i, i);
        var queued = watch.Elapsed;
        log.Flush();

        Assert.InRange(queued.TotalSeconds, 0, 1);
        Assert.Equal(Enumerable.Range(0, 20_000).Select(i => (long)i), store.MetricHistory(log.RunId, "train/loss").Select(m => m.Step).Order());
    }

    [Fact]
    public void Resuming_makes_a_run_go_on_with_its_params_pictures_and_tables()
    {
        using var store = folder.Open();
        string id;
        using (var log = Start(store))
        {
            id = log.RunId;
            log.Param("dim", 128);
            log.Metric("m", 1, 0);
            log.Metric("system/cpu_utilization_percentage", 1, 4);
            log.Table("a", ["x"], [[1]]);
            log.Finish(RunStatus.Killed);
        }
        using (var log = RunLogger.Resume(store, id))
        {
            Assert.Equal((RunStatus.Running, null), (store.GetRun(id).Info.Status, store.GetRun(id).Info.EndTime));
            Assert.Equal([""], folder.Rows("SELECT end_time FROM runs"));
            log.Param("dim", 128);
            var changed = Assert.Throws<UserException>(() => log.Param("dim", 256));
            Assert.Contains("'dim'", changed.Message, StringComparison.Ordinal);
            log.Metric("m", 2, 1);
            log.Table("b", ["x"], [[2]]);
            log.LogSystem(TimeSpan.FromMilliseconds(50));
            Thread.Sleep(500);
            log.Finish();
        }

        var run = store.GetRun(id);
        Assert.Equal(RunStatus.Finished, run.Info.Status);
        Assert.Equal([0L, 1L], store.MetricHistory(id, "m").Select(m => m.Step));
        Assert.Equal("""[{"path":"a.json","type":"table"},{"path":"b.json","type":"table"}]""", run.Tags["mlflow.loggedArtifacts"]);
        var memory = store.MetricHistory(id, "system/system_memory_usage_megabytes");
        if (OperatingSystem.IsLinux()) Assert.Equal(5, memory[0].Step);
    }

    [Fact]
    public void Pictures_come_in_pairs_with_a_small_twin_and_nothing_else_is_in_their_folder()
    {
        using var store = folder.Open();
        using var log = Start(store);
        log.Image("train/samples", 10, TrackingFolder.Png(600, 300));
        log.Image("train/samples", 20, TrackingFolder.Png(28, 28));
        Assert.Throws<UserException>(() => log.Image("a+b", 0, TrackingFolder.Png(2, 2)));
        Assert.Throws<ArgumentException>(() => log.Image("a", 0, [1, 2, 3]));
        log.Finish();

        var files = Directory.GetFiles(Path.Combine(store.ArtifactFolder(log.RunId), "images")).Order().ToArray();
        Assert.Equal("True", store.GetRun(log.RunId).Tags["mlflow.loggedImages"]);
        Assert.Equal(4, files.Length);
        Assert.All(files, f => Assert.Matches(new Regex(@"^train~samples\+step\+(10|20)\+timestamp\+\d{13}\+[0-9a-f-]{36}(\+compressed)?\.png$"), Path.GetFileName(f)));
        var sizes = files.ToDictionary(f => Path.GetFileName(f)[..21] + f.Contains("compressed", StringComparison.Ordinal), Size);
        Assert.Equal((600, 300), sizes["train~samples+step+10False"]);
        Assert.Equal((256, 128), sizes["train~samples+step+10True"]);
        Assert.Equal((28, 28), sizes["train~samples+step+20True"]);

        static (int, int) Size(string file)
        {
            using var bitmap = SKBitmap.Decode(file);
            return (bitmap.Width, bitmap.Height);
        }
    }

    [Fact]
    public void A_table_is_MLflows_json_and_cannot_be_ragged()
    {
        using var store = folder.Open();
        using var log = Start(store);
        log.Table("ablation", ["preset", "fid"], [["none", 84.5], ["full", double.NaN]]);
        log.Table("ablation.json", ["preset", "fid"], [["none", 84.5], ["full", null]]);
        Assert.Throws<ArgumentException>(() => log.Table("bad", ["a", "b"], [[1]]));
        log.Finish();

        using var content = new StreamReader(store.OpenArtifact(log.RunId, "ablation.json"));
        Assert.Equal("""{"columns":["preset","fid"],"data":[["none",84.5],["full",null]]}""", content.ReadToEnd());
        Assert.Equal("""[{"path":"ablation.json","type":"table"}]""", store.GetRun(log.RunId).Tags["mlflow.loggedArtifacts"]);
    }

    [Fact]
    public void An_artifact_is_what_the_file_was_when_it_was_logged()
    {
        using var store = folder.Open();
        using var log = Start(store);
        var file = Path.Combine(folder.Path, "model.bin");
        File.WriteAllText(file, "old");
        var results = Directory.CreateDirectory(Path.Combine(folder.Path, "results", "sub"));
        File.WriteAllText(Path.Combine(results.FullName, "x.txt"), "x");

        log.Artifact(file, "checkpoints/model.bin");
        File.WriteAllText(file + ".new", "new");
        File.Move(file + ".new", file, overwrite: true);
        log.Artifact(Path.Combine(folder.Path, "results"));
        var missing = Assert.Throws<UserException>(() => log.Artifact(Path.Combine(folder.Path, "none.bin")));
        log.Finish();

        Assert.Contains("none.bin", missing.Message, StringComparison.Ordinal);
        Assert.Equal(["checkpoints/model.bin", "results/sub/x.txt"], store.Artifacts(log.RunId).Select(a => a.Path));
        using var content = new StreamReader(store.OpenArtifact(log.RunId, "checkpoints/model.bin"));
        Assert.Equal("old", content.ReadToEnd());
    }

    [Fact]
    public void Values_wait_in_memory_while_another_program_holds_the_lock_and_are_written_later()
    {
        using var store = folder.Open(patience: TimeSpan.FromSeconds(1));
        using var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        using (var other = folder.Connect())
        {
            using var transaction = other.BeginTransaction(deferred: false);
            for (var i = 0; i < 3000; i++) log.Metric("m", i, i);
            var late = Assert.Throws<UserException>(() => log.Flush(TimeSpan.FromSeconds(3)));
            log.Metric("m", 3000, 3000);        // training goes on

            Assert.Contains("locked by another program", late.Message, StringComparison.Ordinal);
            Assert.Contains("3000 values", late.Message, StringComparison.Ordinal);
        }
        log.Finish();

        Assert.Equal(3001, store.MetricHistory(log.RunId, "m").Count);
        Assert.Single(warnings.ToString().Split('\n'), line => line.StartsWith("warning", StringComparison.Ordinal));
    }
}
