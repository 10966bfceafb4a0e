using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

// Continued.
public sealed partial class SpoolTests
{
    [Fact]
    public void A_run_is_resumed_while_the_server_is_away_with_what_the_spool_knows_of_it()
    {
        var server = new FaultyServer(told);
        server.Dispose();
        string id;
        using (var store = Open(server.Uri))
        using (var log = RunLogger.Start(store, "away", "run", warnings: said))
        {
            id = log.RunId;
            log.Param("dim", 128);
            log.Metric("m", 1, 0);
            log.Finish(RunStatus.Killed, Second);
        }
        using (var store = Open(server.Uri))
        using (var log = RunLogger.Resume(store, id, warnings: said))
        {
            Assert.Equal("run", log.Name);
            Assert.Throws<UserException>(() => log.Param("dim", 256));
            log.Metric("m", 2, 1);
            log.Finish(patience: Second);
        }
        using var back = new FaultyServer(told, port: server.Port);
        Assert.True(Sync(new StringWriter()));

        var run = Assert.Single(told.Runs).Value;
        Assert.Equal("FINISHED", run.Status);
        Assert.Equal([(0L, 1.0), (1L, 2.0)], Values(run, "m"));
        using var elsewhere = SpooledStore.Open(back.Uri, folder: Path.Combine(folder, "other"), warnings: said);
        Assert.Contains("was started without its server", Assert.Throws<UserException>(() => RunLogger.Resume(elsewhere, id)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_server_refuses_is_kept_aside_and_told_once_and_the_others_arrive()
    {
        var server = new FaultyServer(told);
        using var store = Open(server.Uri);
        using var log = RunLogger.Start(store, "away", "run", warnings: said);
        log.Flush();
        server.Dispose();
        for (var i = 0; i < 1500; i++) log.Metric(i % 500 == 3 ? "bad/x" : "m", i, i);
        log.ArtifactText("bad.txt", "the server has no room for this name");
        log.Flush();
        using var back = new FaultyServer(told, port: server.Port);
        log.Finish();

        var run = Assert.Single(told.Runs).Value;
        Assert.Equal(Enumerable.Range(0, 1500).Where(i => i % 500 != 3).Select(i => ((long)i, (double)i)), Values(run, "m"));
        Assert.Equal("FINISHED", run.Status);
        var refused = File.ReadAllLines(Path.Combine(Spool, log.RunId + ".refused.jsonl"));
        Assert.Equal(4, refused.Length);
        Assert.All(refused[..3], line => Assert.Contains("bad/x", line, StringComparison.Ordinal));
        Assert.Contains("bad.txt", refused[3], StringComparison.Ordinal);
        Assert.Equal("the server has no room for this name", File.ReadAllText(Assert.Single(Directory.GetFiles(Path.Combine(Spool, log.RunId + ".refused")))));
        Assert.Empty(run.Files);
        Assert.Single(said.ToString().Split('\n'), line => line.Contains("a bad value", StringComparison.Ordinal));
    }

    [Fact]
    public void A_run_deleted_meanwhile_keeps_its_values_and_one_ended_meanwhile_gets_them_and_its_end_back()
    {
        var server = new FaultyServer(told);
        string id;
        using (var store = Open(server.Uri))
        {
            var log = RunLogger.Start(store, "away", "run", warnings: said);
            id = log.RunId;
            log.Flush();
            server.Dispose();
            log.Metric("m", 1, 0);
            log.Flush();                    // and no end: the process was killed
        }
        using var back = new FaultyServer(told, port: server.Port);
        var output = new StringWriter();
        told.Runs[id].Deleted = true;
        Assert.False(Sync(output));
        Assert.Contains("was deleted at", output.ToString(), StringComparison.Ordinal);
        (told.Runs[id].Deleted, told.Runs[id].Status, told.Runs[id].End) = (false, "KILLED", 77);

        Assert.True(Sync(output));

        Assert.Equal(("KILLED", 77L, 1), (told.Runs[id].Status, told.Runs[id].End, told.Runs[id].Metrics.Count));
    }

    [Fact]
    public void A_run_deleted_while_it_trains_is_told_once_and_its_values_are_sent_when_it_is_restored()
    {
        using var server = new FaultyServer(told);
        string id;
        using (var store = Open(server.Uri))
        {
            var log = RunLogger.Start(store, "away", "run", warnings: said);
            id = log.RunId;
            log.Flush();
            told.Runs[id].Deleted = true;
            for (var i = 0; i < 20; i++)
            {
                log.Metric("m", i, i);      // training goes on
                if (i % 10 == 0) log.Flush();
            }
            log.Finish(patience: Second);
        }
        Assert.Empty(told.Runs[id].Metrics);
        told.Runs[id].Deleted = false;

        Assert.True(Sync(new StringWriter()));

        Assert.Equal(Enumerable.Range(0, 20).Select(i => (long)i), told.Runs[id].Metrics.Select(m => m.Step));
        Assert.Equal("FINISHED", told.Runs[id].Status);
        Assert.Single(said.ToString().Split('\n'), line => line.Contains("restore it", StringComparison.Ordinal));
    }

    [Fact]
    public void What_waits_in_the_spool_counts_as_logged_when_the_run_is_resumed()
    {
        var server = new FaultyServer(told);
        string id;
        using (var store = Open(server.Uri))
        {
            var log = RunLogger.Start(store, "away", "run", warnings: said);
            id = log.RunId;
            log.Metric("m", 1, 1);
            log.Flush();
            server.Dispose();
            log.Metric("m", 2, 2);
            log.Image("eval/samples", 2, TrackingFolder.Png(300, 300));
            log.Flush();                    // and no end: the process was killed
        }
        using (var store = Open(server.Uri))
        using (var log = RunLogger.Resume(store, id, warnings: said))
        {
            Assert.Equal([true, true, false], new long[] { 1, 2, 3 }.Select(step => log.HadMetric("m", step)));
            Assert.Equal([false, true, false], new long[] { 1, 2, 3 }.Select(step => log.HadImage("eval/samples", step)));
            Assert.False(log.HadImage("eval/others", 2));
            log.Finish(patience: Second);
        }
    }

    [Fact]
    public void The_server_is_not_asked_before_the_time_it_says()
    {
        using var server = new FaultyServer(told, (n, path) => n is > 0 and < 12 && path.EndsWith("log-batch", StringComparison.Ordinal) ? new Fault(false, 429, 2) : null);
        using var store = Open(server.Uri);
        using var log = RunLogger.Start(store, "patient", "run", warnings: said);
        log.Metric("m", 1, 0);
        Thread.Sleep(5000);
        var times = server.Requests.Where(r => r.Path.EndsWith("log-batch", StringComparison.Ordinal)).Select(r => r.Time).ToList();

        log.Finish(patience: Second);
        Assert.InRange(times.Count, 2, 3);
        Assert.All(times.Zip(times.Skip(1)), t => Assert.InRange(t.Second - t.First, 1900, 5000));
    }

    private SpooledStore Open(string uri) => SpooledStore.Open(uri, folder: Spool, warnings: said, adapt: o => o with { BackoffFactor = 0.05, BackoffJitter = 0.05 });

    private bool Sync(StringWriter output) => new SpoolSync(Spool, output, adapt: o => o with { MaxRetries = 1, BackoffFactor = 0.05, BackoffJitter = 0.05 }).Send(TestContext.Current.CancellationToken);

    private static IEnumerable<(long, double)> Values(ToldRuns.ToldRun run, string key) =>
        run.Metrics.Where(m => m.Key == key).OrderBy(m => m.Step).ThenBy(m => m.Time).Select(m => (m.Step, m.Value));

    private void Nothing_is_left()
    {
        if (Directory.Exists(Spool)) Assert.DoesNotContain(Directory.GetFileSystemEntries(Spool), f => !f.EndsWith(".id", StringComparison.Ordinal));
    }
}
