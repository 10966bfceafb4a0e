using System.Diagnostics;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Processes that are killed, a disk that is full, hours without a server, and the real MLflow that goes and comes.</summary>
public sealed class SpoolProcessTests : IDisposable
{
    private readonly TrackingFolder folder = new();
    private readonly ToldRuns told = new();
    private readonly StringWriter said = new();

    private string Spool => Path.Combine(folder.Path, "mlflow-spool");

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_killed_process_leaves_its_values_in_the_spool_and_sync_sends_them_and_marks_the_run()
    {
        var server = new FaultyServer(told);
        using var process = TrackingProcess.Start(server.Uri, "killed", int.MaxValue, Spool);
        try
        {
            var id = process.StandardOutput.ReadLine()!;
            var last = 0;
            while (last < 500) last = Step(process);
            server.Dispose();                       // from here on all goes to the spool
            while (last < 3000) last = Step(process);
            var busy = new StringWriter();
            Assert.True(new SpoolSync(Spool, busy).Send(TestContext.Current.CancellationToken));
            Assert.Contains("in use by another process", busy.ToString(), StringComparison.Ordinal);
            process.Kill();                         // SIGKILL
            process.WaitForExit();

            var output = new StringWriter();
            using var back = new FaultyServer(told, (n, _) => n % 3 == 2 ? new Fault(n % 2 == 0, 503) : null, server.Port);
            Assert.True(new SpoolSync(Spool, output, adapt: o => o with { BackoffFactor = 0, BackoffJitter = 0.01 }).Send(TestContext.Current.CancellationToken));

            var run = told.Runs[id];
            var steps = run.Metrics.Select(m => m.Step).Order().ToList();
            Assert.Equal(Enumerable.Range(0, steps.Count).Select(i => (long)i), steps);
            Assert.InRange(steps.Count, 2000, int.MaxValue);        // at most a second of values a millisecond apart
            Assert.Equal("KILLED", run.Status);
            Assert.Equal(run.Metrics.MaxBy(m => m.Step).Time, run.End);
            Assert.Contains("marked KILLED", output.ToString(), StringComparison.Ordinal);
            Assert.Contains("KILLED since", run.Tags["jepat.marked"], StringComparison.Ordinal);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    [Fact]
    public void The_next_start_in_a_database_marks_what_a_killed_process_has_left_and_nothing_else()
    {
        using var process = TrackingProcess.Start(folder.Uri, "killed", int.MaxValue);
        using var alive = TrackingProcess.Start(folder.Uri, "alive", int.MaxValue);
        try
        {
            var (id, living) = (process.StandardOutput.ReadLine()!, alive.StandardOutput.ReadLine()!);
            while (Step(process) < 500) { }
            process.Kill();
            process.WaitForExit();
            using var store = folder.Open();
            using var mine = RunLogger.Start(store, "processes", "mine");
            var experiment = store.GetOrCreateExperiment("processes");
            var tags = store.GetRun(id).Tags;
            var elsewhere = store.CreateRun(experiment, "of another machine", 1, new Dictionary<string, string> { ["jepat.machine"] = "0123456789abcdef", ["jepat.process"] = tags["jepat.process"] }).RunId;
            var foreign = store.CreateRun(experiment, "of another program", 1).RunId;
            // A process number is given again: the start time tells.
            var parts = store.GetRun(mine.RunId).Tags["jepat.process"].Split(':');
            var reused = store.CreateRun(experiment, "number given again", 5, new Dictionary<string, string> { ["jepat.machine"] = RunProcess.Machine, ["jepat.process"] = $"{parts[0]}:{parts[1]}:1" }).RunId;

            Assert.Equal(2, StaleRuns.Mark(store, said));

            var run = store.GetRun(id);
            Assert.Equal((RunStatus.Killed, run.Metrics["train/loss"].Timestamp), (run.Info.Status, run.Info.EndTime));
            Assert.Equal((RunStatus.Killed, 5L), (store.GetRun(reused).Info.Status, store.GetRun(reused).Info.EndTime));
            Assert.All(new[] { living, mine.RunId, elsewhere, foreign }, other => Assert.Equal(RunStatus.Running, store.GetRun(other).Info.Status));
            Assert.Equal(2, said.ToString().Split('\n').Count(l => l.Contains("marked KILLED", StringComparison.Ordinal)));
            Assert.Equal(0, StaleRuns.Mark(store, said));
            using var resumed = RunLogger.Resume(store, id);
            Assert.Equal(0, StaleRuns.Mark(store, said));           // it is of this process now
            Assert.Equal(RunStatus.Running, store.GetRun(id).Info.Status);
        }
        finally
        {
            foreach (var one in new[] { process, alive })
                if (!one.HasExited) one.Kill();
        }
    }

    [Fact]
    public void Hours_without_a_server_need_no_memory()
    {
        var (opened, started, port) = Away("long");
        using var store = opened;
        using var log = started;
        var before = GC.GetTotalMemory(forceFullCollection: true);

        var peak = 0L;
        for (var i = 1; i < 1_000_000; i++)
        {
            log.Metric("m", i, i);
            if (i % 50_000 != 0) continue;
            log.Flush();
            peak = Math.Max(peak, GC.GetTotalMemory(forceFullCollection: true) - before);
        }
        log.Flush();

        Assert.InRange(peak, 0, 32_000_000);
        using var back = new FaultyServer(told, port: port);
        log.Finish();
        Assert.Equal(Enumerable.Range(0, 1_000_000).Select(i => (long)i), told.Runs[log.RunId].Metrics.Select(m => m.Step).Order());
        Assert.InRange(back.Requests.Count, 1000, 1100);            // full batches
    }

    [Fact]
    public void A_slow_server_is_not_waited_for()
    {
        using var server = new FaultyServer(told, (_, path) => path.EndsWith("log-batch", StringComparison.Ordinal) ? new Fault(true, 200, Delay: 3300) : null);
        using var store = SpooledStore.Open(server.Uri, folder: Spool, warnings: said);
        using var log = RunLogger.Start(store, "slow", "run", warnings: said);
        log.Metric("m", 0, 0);
        log.Flush();                                        // the first to find out

        var watch = Stopwatch.StartNew();
        for (var i = 1; i < 5000; i++) log.Metric("m", i, i);
        log.Flush();
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 2.5);
        log.Finish();

        Assert.Equal(Enumerable.Range(0, 5000).Select(i => (long)i), told.Runs[log.RunId].Metrics.Select(m => m.Step).Order());
        Assert.Equal("FINISHED", told.Runs[log.RunId].Status);
    }

    [Fact]
    public void A_full_disk_is_told_once_and_the_values_wait_in_memory_until_there_is_room()
    {
        var (opened, started, port) = Away("full");
        using var store = opened;
        using var log = started;
        store.SpoolOf(log.RunId)!.DiskEnd = new FileInfo(SpoolFile.PathOf(Spool, log.RunId)).Length + 100;
        for (var i = 1; i < 500; i++) log.Metric("m", i, i);
        var late = Assert.Throws<UserException>(() => log.Flush(TimeSpan.FromSeconds(1.5)));
        for (var i = 500; i < 1000; i++) log.Metric("m", i, i);          // training goes on

        Assert.Contains("No space left", late.Message, StringComparison.Ordinal);
        Assert.Single(said.ToString().Split('\n'), line => line.Contains("No space left", StringComparison.Ordinal));
        store.SpoolOf(log.RunId)!.DiskEnd = long.MaxValue;
        log.Flush();
        using var back = new FaultyServer(told, port: port);
        log.Finish();
        Assert.Equal(Enumerable.Range(0, 1000).Select(i => (long)i), told.Runs[log.RunId].Metrics.Select(m => m.Step).Order());
    }

    [Fact]
    public void When_memory_has_taken_a_million_values_beside_a_full_disk_the_training_is_told()
    {
        var (opened, started, port) = Away("full");
        using var store = opened;
        using var log = started;
        store.SpoolOf(log.RunId)!.DiskEnd = 0;
        log.Metric("m", 1, 1);
        Assert.Throws<UserException>(() => log.Flush(TimeSpan.FromSeconds(1)));

        var error = Assert.Throws<UserException>(() =>
        {
            for (var i = 2; i < 1_100_000; i++) log.Metric("m", i, i);
        });

        Assert.Contains("1000000 values wait in memory, and more do not fit", error.Message, StringComparison.Ordinal);
        Assert.Contains("are lost: ", Assert.Throws<UserException>(() => log.Finish(patience: TimeSpan.FromSeconds(1))).Message, StringComparison.Ordinal);
    }

    /// <summary>A run whose server has gone after its start, with one value in the spool.</summary>
    private (SpooledStore Store, RunLogger Log, int Port) Away(string name)
    {
        var server = new FaultyServer(told);
        var store = SpooledStore.Open(server.Uri, folder: Spool, warnings: said);
        var log = RunLogger.Start(store, "away", name, warnings: said);
        log.Flush();
        server.Dispose();
        log.Metric("m", 0, 0);
        log.Flush();
        return (store, log, server.Port);
    }

    [Fact]
    public void The_next_start_sends_what_an_earlier_one_left_beside_its_own_values()
    {
        var (id, port) = Leave(2500);
        using var back = new FaultyServer(told, port: port);
        using (var store = SpooledStore.Open(back.Uri, folder: Spool, warnings: said))
        using (var log = RunLogger.Start(store, "away", "second", warnings: said))
        {
            for (var i = 0; i < 100; i++) log.Metric("m", i, i);
            for (var end = Environment.TickCount64 + 20_000; Environment.TickCount64 < end && File.Exists(SpoolFile.PathOf(Spool, id)); Thread.Sleep(20)) { }
            log.Finish();
        }

        Assert.Contains("values of 1 earlier run wait in", said.ToString(), StringComparison.Ordinal);
        Assert.Equal(["first", "second"], told.Runs.Values.Select(r => r.Name));
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => (long)i), told.Runs[id].Metrics.Select(m => m.Step).Order());
        Assert.All(told.Runs.Values, r => Assert.Equal("FINISHED", r.Status));
        Assert.Empty(Directory.GetFileSystemEntries(Spool));
    }

    [Fact]
    public void A_sync_that_is_stopped_goes_on_where_it_was()
    {
        var (id, port) = Leave(3000);
        using var stop = new CancellationTokenSource();
        var batches = 0;
        using var back = new FaultyServer(told, (_, path) =>
        {
            if (path.EndsWith("log-batch", StringComparison.Ordinal) && ++batches == 2) stop.Cancel();
            return null;
        }, port);
        Assert.Throws<OperationCanceledException>(() => new SpoolSync(Spool, said).Send(stop.Token));
        Assert.InRange(told.Runs[id].Metrics.Count, 1, 2999);

        Assert.True(new SpoolSync(Spool, said).Send(TestContext.Current.CancellationToken));

        Assert.Equal(Enumerable.Range(0, 3000).Select(i => (long)i), told.Runs[id].Metrics.Select(m => m.Step).Order());
        Assert.Equal(3000, back.Requests.Sum(r => r.Items));        // nothing is sent twice
        Assert.Equal("FINISHED", told.Runs[id].Status);
    }

    /// <summary>A run whose values wait: its server went away right after the start.</summary>
    private (string RunId, int Port) Leave(int values)
    {
        var server = new FaultyServer(told);
        using var store = SpooledStore.Open(server.Uri, folder: Spool, warnings: said);
        using var log = RunLogger.Start(store, "away", "first", warnings: said);
        server.Dispose();
        for (var i = 0; i < values; i++) log.Metric("m", i, i);
        log.Finish(patience: TimeSpan.FromSeconds(1));
        return (log.RunId, server.Port);
    }

    [Fact]
    public void The_real_server_is_killed_and_comes_back_and_all_is_there()
    {
        folder.Open().Dispose();
        var server = MlflowServer.Start(folder.Path);
        using var store = SpooledStore.Open(server.Address.ToString(), folder: Spool, warnings: said);
        using var log = RunLogger.Start(store, "real", "run", warnings: said);
        for (var i = 0; i < 1500; i++) log.Metric("train/loss", 1.0 / (i + 1), i);
        log.Param("dim", 128);
        log.Flush();
        server.Dispose();                       // killed
        for (var i = 1500; i < 4000; i++) log.Metric("train/loss", 1.0 / (i + 1), i);
        log.Metric("odd", double.NaN, 1);
        log.Image("train/samples", 1, TrackingFolder.Png(300, 200));
        log.Dataset("fashion", "a1b2c3d4", "training", "here");
        log.Tag("note", "ü");
        log.Flush();
        using var child = RunLogger.Start(store, "real", "child", log.RunId, warnings: said);
        child.Metric("m", 1, 0);
        Assert.StartsWith("local-", child.RunId, StringComparison.Ordinal);

        using var back = MlflowServer.Start(folder.Path, server.Address.Port);
        child.Finish();
        log.Finish();

        using var database = folder.Open();
        var run = database.GetRun(log.RunId);
        Assert.Equal((RunStatus.Finished, "128", "ü"), (run.Info.Status, run.Params["dim"], run.Tags["note"]));
        Assert.Equal(Enumerable.Range(0, 4000).Select(i => ((long)i, 1.0 / (i + 1))), database.MetricHistory(log.RunId, "train/loss").OrderBy(m => m.Step).Select(m => (m.Step, m.Value)));
        Assert.True(double.IsNaN(run.Metrics["odd"].Value));
        Assert.Equal(2, database.Artifacts(log.RunId).Count);
        Assert.Equal("fashion", Assert.Single(run.Inputs).Name);
        Assert.Equal((RunStatus.Finished, log.RunId), (database.GetRun(child.RunId).Info.Status, database.GetRun(child.RunId).Tags["mlflow.parentRunId"]));
        Assert.Equal(2, database.SearchRuns(new()).Count);
    }

    private static int Step(Process process) => int.Parse((process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("the process has ended")).Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
}
