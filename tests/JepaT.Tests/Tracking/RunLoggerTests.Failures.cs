using System.Diagnostics;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

// Continued: what goes wrong, and what comes after.
public sealed partial class RunLoggerTests
{
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
