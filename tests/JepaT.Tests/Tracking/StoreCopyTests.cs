using System.Security.Cryptography;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Copies between two databases; those through a real server are in <see cref="StoreCopyServerTests"/>.</summary>
public sealed class StoreCopyTests : IDisposable
{
    private readonly TrackingFolder from = new(), to = new();

    public void Dispose()
    {
        from.Dispose();
        to.Dispose();
    }

    [Fact]
    public void A_copy_has_every_row_and_file_and_the_same_copy_again_writes_nothing()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        var before = StoreCopySample.Rows(from);

        CopyReport first, second;
        using (var target = new StoreWrapper(to.Open()))
        {
            var plan = new StoreCopy(source, target, new()).Plan();
            Assert.Equal(0, target.Writes);
            first = new StoreCopy(source, target, new()).Copy(plan);
            Assert.Equal(plan.Report.ToString(), first.ToString());                 // what was said is what was done
        }
        using (var target = new StoreWrapper(to.Open()))
        {
            second = Copy(source, target);
            Assert.Equal(3, target.Writes);                                         // the experiments are asked for, nothing else
        }

        Assert.Equal((5, 0, 0, 2511L, 6), (first.Created, first.ToppedUp, first.Unchanged, first.Values, first.Files));
        Assert.Equal((0, 0, 5, 0L, 0), (second.Created, second.ToppedUp, second.Unchanged, second.Values, second.Files));
        Assert.Empty(first.Problems);
        Assert.Equal(before, StoreCopySample.Rows(to));
        Assert.Equal(before, StoreCopySample.Rows(from));                           // the source is only read
        Assert.Contains(before, r => r.StartsWith("file|", StringComparison.Ordinal));
        Assert.Contains(before, r => r.StartsWith("metric|", StringComparison.Ordinal) && r.Contains("odd/values|5|9007199254740993|1|0", StringComparison.Ordinal));
    }

    [Fact]
    public void A_run_that_goes_on_is_topped_up_with_what_is_new_and_ends_as_it_ended()
    {
        using var source = from.Open();
        var (_, running) = StoreCopySample.Fill(source);
        using var target = new StoreWrapper(to.Open());
        Copy(source, target);

        source.LogBatch(running, [new("train/loss", 0.5, 9, 2), new("eval/fid", 30, 9, 2)], [KeyValuePair.Create("late", "1")], [KeyValuePair.Create("phase", "two")]);
        StoreCopySample.Upload(source, running, "last.bin", [4, 5, 6]);             // as large as before, and another
        var second = Copy(source, target);
        Assert.Equal((0, 1, 4, 2L, 1), (second.Created, second.ToppedUp, second.Unchanged, second.Values, second.Files));
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));

        source.UpdateRun(running, RunStatus.Finished, 20);
        Assert.Equal(1, Copy(source, target).ToppedUp);
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));

        source.UpdateRun(running, RunStatus.Running, null);                         // resumed, going back in its steps
        source.LogBatch(running, [new("train/loss", 0.25, 30, 1)], [], []);
        source.UpdateRun(running, RunStatus.Killed, 31);
        var third = Copy(source, target);
        Assert.Equal((1, 1L), (third.ToppedUp, third.Values));
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
        Assert.Equal(0, Copy(source, target).ToppedUp);
    }

    [Fact]
    public void A_copy_brought_back_adds_to_its_origin_only_what_that_lacks()
    {
        using var source = from.Open();
        var (parent, running) = StoreCopySample.Fill(source);
        using var target = new StoreWrapper(to.Open());
        Copy(source, target);
        var copied = target.SearchRuns(new()).ToDictionary(r => r.Tags["jepat.origin"], r => r.Info.RunId);
        using var back = new StoreWrapper(source);
        var before = StoreCopySample.Rows(from);

        Assert.Equal((0, 0, 5), Counts(Copy(target, back)));
        Assert.Equal(before, StoreCopySample.Rows(from));
        Assert.Empty(from.Rows("SELECT * FROM tags WHERE key LIKE 'jepat.%'"));

        // Somebody comments and goes on at the copy, and the origin changes too.
        var there = copied[parent];
        target.UpdateRun(there, RunStatus.Running, null, "another name");
        target.LogBatch(there, [new("eval/fid", 7, 1, 1)], [], [KeyValuePair.Create("said", "there")]);
        StoreCopySample.Upload(target, there, "more/notes.md", "# n"u8.ToArray());
        source.LogBatch(running, [], [], [KeyValuePair.Create("phase", "here")]);
        target.LogBatch(copied[running], [], [], [KeyValuePair.Create("phase", "there")]);
        var report = Copy(target, back);

        var run = source.GetRun(parent);
        Assert.Equal(("parent", RunStatus.Finished, 1_700_000_010_000L, "there", 7.0), (run.Info.Name, run.Info.Status, run.Info.EndTime, run.Tags["said"], run.Metrics["eval/fid"].Value));
        Assert.Equal(["ablation.json", "more/notes.md"], source.Artifacts(parent).Select(f => f.Path));
        Assert.Equal("here", source.GetRun(running).Tags["phase"]);
        Assert.Equal((0, 1, 4), Counts(report));
        Assert.Equal((0, 0, 5), Counts(Copy(target, back)));
        Assert.Equal(5, source.SearchRuns(new()).Count);
    }

    [Fact]
    public void What_is_asked_for_is_copied_a_run_with_its_parents_and_children()
    {
        using var source = from.Open();
        var (parent, running) = StoreCopySample.Fill(source);
        using var target = to.Open();

        Assert.Contains("there are 'Default', 'ablation', 'other'", Assert.Throws<UserException>(() => Copy(source, target, new() { Experiment = "none" })).Message, StringComparison.Ordinal);
        Assert.Contains("there is no run beef", Assert.Throws<UserException>(() => Copy(source, target, new() { Run = "beef" })).Message, StringComparison.Ordinal);
        Assert.Contains("runs begin so", Assert.Throws<UserException>(() => Copy(source, target, new() { Run = "" })).Message, StringComparison.Ordinal);

        Assert.Equal(2, Copy(source, target, new() { Run = running[..12], Artifacts = false }).Created);
        Assert.Equal(["parent", "running"], target.SearchRuns(new()).Select(r => r.Info.Name).Order());
        Assert.DoesNotContain(target.Experiments(), e => e.Name == "other");
        Assert.Equal((2, 2, 0), (Copy(source, target, new() { Run = parent, Artifacts = false }) is var all ? all.Created : 0, all.Unchanged, all.Files));
        Assert.Equal((6, 1), (Copy(source, target) is var last ? last.Files : 0, last.Created));      // the files that were left out, and the other experiment
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
    }

    [Fact]
    public void Several_databases_become_one_also_when_two_hold_the_same_run()
    {
        using var job = new TrackingFolder();
        using (var source = from.Open()) StoreCopySample.Fill(source);
        using (var other = job.Open()) StoreCopySample.Fill(other);
        File.Copy(from.File, Path.Combine(from.Path, "backup.db"));
        var wanted = StoreCopySample.Rows(from).Concat(StoreCopySample.Rows(job)).Distinct().Order(StringComparer.Ordinal).ToList();

        for (var time = 0; time < 2; time++)
        {
            Assert.Equal(0, Cli.Run(["runs", "merge", from.File, "sqlite:///" + job.File, Path.Combine(from.Path, "backup.db"), "--to", to.Path], Console.Error));
            Assert.Equal(wanted, StoreCopySample.Rows(to));
        }
        Assert.Equal(["Default", "ablation", "other"], to.Rows("SELECT name FROM experiments"));
        Assert.Empty(Directory.EnumerateFiles(to.Path, ".*"));                      // the lock is gone
    }

    [Fact]
    public void A_dry_run_writes_nothing_and_makes_no_database()
    {
        using (var source = from.Open()) StoreCopySample.Fill(source);
        var missing = Path.Combine(to.Path, "sub", "all.db");
        Assert.Equal(0, Cli.Run(["runs", "merge", from.File, "--to", missing, "--dry-run"], Console.Error));
        Assert.Empty(Directory.EnumerateFileSystemEntries(to.Path));

        to.Open().Dispose();
        var before = SHA256.HashData(File.ReadAllBytes(to.File));
        Assert.Equal(0, Cli.Run(["runs", "pull", "--from", from.Uri, "--to", to.Uri, "--dry-run"], Console.Error));
        Assert.Equal(before, SHA256.HashData(File.ReadAllBytes(to.File)));
    }

    [Fact]
    public void Experiments_and_runs_deleted_at_the_target_stay_deleted()
    {
        using var source = from.Open();
        StoreCopySample.Fill(source);
        using var target = to.Open();
        Copy(source, target);
        target.DeleteRun(target.SearchRuns(new()).Single(r => r.Info.Name == "failed").Info.RunId);
        Assert.Equal((1, 4), (Copy(source, target) is var report ? report.Trashed : 0, report.Unchanged));

        to.Execute("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE name = 'other'");
        var e = Assert.Throws<UserException>(() => Copy(source, target));
        Assert.Contains("the experiment 'other' was deleted at", e.Message, StringComparison.Ordinal);
        Assert.Contains("mlflow experiments restore -x", e.Message, StringComparison.Ordinal);
        Assert.Equal(3, Copy(source, target, new() { Experiment = "ablation" }).Unchanged);
    }

    [Fact]
    public void A_child_copied_before_its_parent_was_restored_is_nested_later()
    {
        using var source = from.Open();
        var (parent, _) = StoreCopySample.Fill(source);
        source.DeleteRun(parent);
        using var target = to.Open();
        Copy(source, target);
        source.RestoreRun(parent);
        Copy(source, target);
        Assert.Equal(StoreCopySample.Rows(from), StoreCopySample.Rows(to));
        Assert.Equal((0, 0, 5), Counts(Copy(source, target)));
    }

    private static CopyReport Copy(ITrackingStore source, ITrackingStore target, CopyOptions? options = null)
    {
        var copy = new StoreCopy(source, target, options ?? new());
        return copy.Copy(copy.Plan());
    }

    private static (int Created, int ToppedUp, int Unchanged) Counts(CopyReport report) => (report.Created, report.ToppedUp, report.Unchanged);
}
