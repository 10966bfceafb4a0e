using System.Diagnostics;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Model;
using SkiaSharp;

namespace JepaT.Tests;

public sealed class RunLoggerTests : IDisposable
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

    [Fact]
    public void A_run_deleted_meanwhile_is_told_once_and_has_all_its_values_when_it_is_restored()
    {
        using var store = folder.Open();
        var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        folder.Execute("UPDATE runs SET lifecycle_stage = 'deleted'");
        log.Metric("m", 1, 0);
        var flush = Assert.Throws<UserException>(() => log.Flush());

        log.Metric("m", 2, 1);              // training goes on
        var watch = Stopwatch.StartNew();
        log.Hurry();
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
        folder.Execute("UPDATE runs SET lifecycle_stage = 'active'");
        log.Finish();

        Assert.Contains("restore it with", flush.Message, StringComparison.Ordinal);
        Assert.Equal([1.0, 2.0], store.MetricHistory(log.RunId, "m").Select(m => m.Value));
        Assert.Equal(RunStatus.Finished, store.GetRun(log.RunId).Info.Status);
        Assert.Single(warnings.ToString().Split('\n'), line => line.Contains("restore it with", StringComparison.Ordinal));
    }

    [Fact]
    public void What_is_lost_at_the_end_is_named()
    {
        using var store = folder.Open();
        var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        log.Flush();
        folder.Execute("UPDATE runs SET lifecycle_stage = 'deleted'");
        for (var i = 31; i <= 40; i++) log.Metric("m", i, i);
        log.ArtifactText("a.txt", "a");

        var error = Assert.Throws<UserException>(() => log.Finish());

        Assert.Contains("10 values (steps 31 to 40) and 2 other entries", error.Message, StringComparison.Ordinal);
        Assert.Contains("lost: the run", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void One_value_that_is_refused_does_not_hold_up_the_others()
    {
        using var store = folder.Open();
        var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        log.Flush();
        store.LogBatch(log.RunId, [], [KeyValuePair.Create("dim", "64")], []);      // by another program
        for (var i = 0; i < 700; i++) log.Metric("m", i, i);
        log.Param("dim", 128);
        for (var i = 700; i < 900; i++) log.Metric("m", i, i);

        log.Hurry();
        Assert.Equal(900, store.MetricHistory(log.RunId, "m").Count);
        var error = Assert.Throws<UserException>(() => log.Finish());

        Assert.Contains("1 values are lost: param 'dim'", error.Message, StringComparison.Ordinal);
        Assert.Single(warnings.ToString().Split('\n'), line => line.StartsWith("warning", StringComparison.Ordinal));
        Assert.Equal(RunStatus.Finished, store.GetRun(log.RunId).Info.Status);
    }

    [Fact]
    public void Values_that_wait_on_a_full_disk_are_written_when_there_is_room_again()
    {
        using var store = folder.Open();
        var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        log.Flush();
        store.LimitPages(new FileInfo(store.File).Length / 4096 + 1);
        for (var i = 0; i < 3000; i++)
        {
            log.Metric("m", i, i);
            if (i == 1500) log.Hurry();
        }
        store.LimitPages(1_000_000);
        log.Finish();

        Assert.Equal(3000, store.MetricHistory(log.RunId, "m").Count);
        Assert.Single(warnings.ToString().Split('\n'), line => line.StartsWith("warning", StringComparison.Ordinal) && line.Contains("disk is full", StringComparison.Ordinal));
    }

    [Fact]
    public void What_waits_in_memory_is_bounded()
    {
        using var store = new StoreWrapper(folder.Open()) { BeforeWrite = _ => throw new UserException("the disk is full") };
        var queue = new LogQueue(store, "none", "run 'a'", warnings, mostWaiting: 5);
        queue.Add(new TagEntry("a", "b"));
        queue.Hurry(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 4; i++) queue.Add(new TagEntry("a", "b"));

        var full = Assert.Throws<UserException>(() => queue.Add(new TagEntry("a", "b")));

        Assert.Contains("run 'a': 5 values wait in memory, and more do not fit: ", full.Message, StringComparison.Ordinal);
        Assert.Throws<UserException>(() => queue.Close(new TagEntry("a", "c"), TimeSpan.FromMinutes(1)));
    }

    [Fact]
    public void A_run_abandoned_because_the_disk_is_full_is_marked_when_that_fits()
    {
        using var store = folder.Open();
        var log = RunLogger.Start(store, "test", "run", warnings: warnings);
        log.Flush();
        store.LimitPages(new FileInfo(store.File).Length / 4096 + 1);           // the disk's end, as SQLite sees it
        for (var i = 0; i < 1000; i++) log.Metric("m", i, i);
        var full = Assert.Throws<UserException>(() => log.Flush());

        log.Abandon(RunStatus.Failed, full.Message);

        Assert.Contains("disk is full", full.Message, StringComparison.Ordinal);
        Assert.Equal(RunStatus.Failed, store.GetRun(log.RunId).Info.Status);
        Assert.StartsWith("warning", Assert.Single(warnings.ToString().Trim().Split('\n')), StringComparison.Ordinal);      // and the error is not told again
    }

    [Fact]
    public void A_failure_is_a_paragraph_of_the_note_until_the_run_ends_well()
    {
        using var store = folder.Open();
        var log = Start(store);
        log.Note("# mine\n\n**Failed**: is a word of my own");
        log.Abandon(RunStatus.Failed, "first\n\nwith a gap");
        Assert.Equal("# mine\n\n**Failed**: is a word of my own\n\n**Failed**: first\n\nwith a gap", Note());

        RunLogger.Resume(store, log.RunId).Abandon(RunStatus.Failed, "second");
        Assert.Equal("# mine\n\n**Failed**: is a word of my own\n\n**Failed**: second", Note());

        var last = RunLogger.Resume(store, log.RunId);
        store.LogBatch(log.RunId, [], [], [KeyValuePair.Create("mlflow.note.content", Note() + "\n\nand more")]);      // meanwhile, in MLflow's page
        last.Finish();
        Assert.Equal("# mine\n\n**Failed**: is a word of my own\n\nand more", Note());

        string Note() => store.GetRun(log.RunId).Tags["mlflow.note.content"];
    }

    [Fact]
    public void A_failure_does_not_push_a_long_note_out()
    {
        using var store = folder.Open();
        var log = Start(store);
        log.Note(new string('x', MlflowRules.MaxTagValue - 20));
        log.Abandon(RunStatus.Failed, new string('y', 100));
        Assert.Equal(MlflowRules.MaxTagValue, store.GetRun(log.RunId).Tags["mlflow.note.content"].Length);

        RunLogger.Resume(store, log.RunId).Finish();

        Assert.Equal(new string('x', MlflowRules.MaxTagValue - 20), store.GetRun(log.RunId).Tags["mlflow.note.content"]);
    }

    [Fact]
    public void An_exception_in_the_training_leaves_a_failed_run_with_all_its_values()
    {
        using var store = folder.Open();
        var id = "";
        Assert.Throws<DivideByZeroException>(Train);

        Assert.Equal(RunStatus.Failed, store.GetRun(id).Info.Status);
        Assert.Single(store.MetricHistory(id, "m"));

        void Train()
        {
            using var log = Start(store);
            id = log.RunId;
            log.Metric("m", 1, 0);
            throw new DivideByZeroException();
        }
    }

    [Fact]
    public void A_finished_logger_refuses_more_and_bad_names_fail_at_the_call()
    {
        using var store = folder.Open();
        using var log = Start(store);
        Assert.Throws<UserException>(() => log.Metric("a//b", 1, 0));
        Assert.Throws<UserException>(() => log.Tag("a#b", ""));
        Assert.Throws<UserException>(() => log.ArtifactText("images/x.txt", ""));
        log.Finish();

        Assert.Throws<ObjectDisposedException>(() => log.Metric("m", 1, 0));
    }

    private static RunLogger Start(SqliteStore store, string name = "run") => RunLogger.Start(store, "test", name);
}
