using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Never in the way, nothing lost: a server that fails in every way, and every value arrives exactly once.</summary>
public sealed partial class SpoolTests : IDisposable
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    private readonly string folder = Directory.CreateTempSubdirectory("jepat-spool-").FullName;
    private readonly ToldRuns told = new();
    private readonly StringWriter said = new();

    private string Spool => Path.Combine(folder, "mlflow-spool");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string, bool, int, int?, int> Faults() => new()
    {
        { "slow", true, 200, null, 60 },
        { "reset before it was done", false, 0, null, 0 },
        { "reset after it was done", true, 0, null, 0 },
        { "dies in the body of the answer", true, 1, null, 0 }, { "dies in the body of the request", false, 2, null, 0 },
        { "429", false, 429, null, 0 },
        { "429 with Retry-After", false, 429, 0, 0 },
        { "500 before", false, 500, null, 0 }, { "500 after it was done", true, 500, null, 0 },
        { "502", false, 502, null, 0 }, { "503", false, 503, null, 0 },
        { "503 after it was done", true, 503, 0, 0 }, { "504 after it was done", true, 504, null, 0 },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public void Whatever_half_of_the_answers_are_every_value_arrives_exactly_once(string kind, bool handle, int status, int? retryAfter, int delay)
    {
        var random = new Random(kind.Length);
        using var server = new FaultyServer(told, (n, _) => n == 0 || random.Next(2) == 0 ? null : new Fault(handle, status, retryAfter, delay));
        using (var store = Open(server.Uri))
        using (var log = RunLogger.Start(store, "faults", kind, warnings: said))
        {
            log.Params(new Dictionary<string, object?> { ["lr"] = 1e-5, ["dim"] = 128 });
            for (var i = 0; i < 2500; i++)
            {
                log.Metric("train/loss", i / 3.0, i);
                if (i % 500 == 0) log.Tag("last", $"{i}");
                if (i % 1000 == 7) Thread.Sleep(400);
            }
            log.Metric("odd", double.NaN, -3);
            log.ArtifactText("notes/a.txt", kind);
            log.Artifact("big.bin", new byte[2_000_000]);
            log.Dataset("fashion", "a1b2c3d4", "training", "here");
            log.Finish();
        }

        var run = Assert.Single(told.Runs).Value;
        Assert.Equal(("FINISHED", kind, "2000"), (run.Status, run.Name, run.Tags["last"]));
        Assert.Equal(Enumerable.Range(0, 2500).Select(i => ((long)i, i / 3.0)), Values(run, "train/loss"));
        Assert.True(double.IsNaN(Assert.Single(run.Metrics, m => m.Key == "odd").Value));
        Assert.Equal("dim=128 lr=1e-05", string.Join(' ', run.Params.Select(p => $"{p.Key}={p.Value}").Order()));
        Assert.Equal(2_000_000, run.Files["big.bin"].Length);
        Assert.Equal(kind, System.Text.Encoding.UTF8.GetString(run.Files["notes/a.txt"]));
        Assert.All(run.Inputs, name => Assert.Equal("fashion", name));
        Assert.Equal("faults", Assert.Single(told.Experiments).Key);
        Assert.All(server.Requests, r => Assert.InRange(r.Items, 0, 1000));
        Nothing_is_left();
    }

    [Fact]
    public void Training_goes_on_while_the_server_is_away_and_all_is_there_in_order_when_it_is_back()
    {
        var server = new FaultyServer(told);
        using var store = Open(server.Uri);
        using var log = RunLogger.Start(store, "away", "run", warnings: said);
        log.Metric("m", 0, 0);
        log.Flush();
        server.Dispose();

        var watch = System.Diagnostics.Stopwatch.StartNew();
        for (var i = 1; i < 3000; i++) log.Metric("m", i, i);
        log.Param("dim", 1);
        for (var i = 0; i < 5; i++) log.Tag("state", $"{i}");
        log.Image("train/samples", 3, TrackingFolder.Png(300, 300));
        log.ArtifactText("a.txt", "first");
        log.Flush();                                    // as at a checkpoint
        log.ArtifactText("a.txt", "second");
        log.Flush();

        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 20);
        Assert.True(File.Exists(SpoolFile.PathOf(Spool, log.RunId)));
        Assert.Single(said.ToString().Split('\n'), line => line.StartsWith("warning", StringComparison.Ordinal));
        using var back = new FaultyServer(told, port: server.Port);
        log.Finish();

        var run = Assert.Single(told.Runs).Value;
        Assert.Equal(Enumerable.Range(0, 3000).Select(i => ((long)i, (double)i)), Values(run, "m"));
        Assert.Equal(("FINISHED", "1", "4", "second"), (run.Status, run.Params["dim"], run.Tags["state"], System.Text.Encoding.UTF8.GetString(run.Files["a.txt"])));
        Assert.Equal(2, run.Files.Keys.Count(f => f.StartsWith("images/", StringComparison.Ordinal)));
        Assert.All(back.Requests, r => Assert.InRange(r.Items, 0, 1000));
        Nothing_is_left();
    }

    [Fact]
    public void What_an_ended_process_left_is_sent_by_sync_once_and_in_order()
    {
        var server = new FaultyServer(told);
        string id;
        using (var store = Open(server.Uri))
        using (var log = RunLogger.Start(store, "away", "run", warnings: said))
        {
            id = log.RunId;
            server.Dispose();
            for (var i = 0; i < 2000; i++) log.Metric("m", i, i);
            log.ArtifactText("a.txt", "text");
            log.Finish(patience: Second);
        }
        Assert.Contains($"values of run 'run' wait in {SpoolFile.PathOf(Spool, id)}; './lab runs sync' sends them", said.ToString(), StringComparison.Ordinal);
        Assert.Equal("RUNNING", told.Runs[id].Status);
        var output = new StringWriter();
        new SpoolSync(Spool, output).List();
        Assert.Contains("2000 values and 1 files", output.ToString().Replace("2001", "2000", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.False(Sync(output));                     // still away
        var before = File.ReadAllBytes(SpoolFile.PathOf(Spool, id));

        using var back = new FaultyServer(told, port: server.Port);
        Assert.True(Sync(output));

        Assert.Equal(Enumerable.Range(0, 2000).Select(i => ((long)i, (double)i)), Values(told.Runs[id], "m"));
        Assert.Equal("FINISHED", told.Runs[id].Status);
        Nothing_is_left();
        // A process that was killed before it noted what it had sent: all is sent again, and nothing changes.
        File.WriteAllBytes(SpoolFile.PathOf(Spool, id), [.. before, .. "{\"metrics\":[{\"key\":\"m\",\"val"u8]);
        Directory.CreateDirectory(Path.Combine(Spool, id));
        foreach (var line in System.Text.Encoding.UTF8.GetString(before).Split('\n').Where(l => l.Contains("\"file\"", StringComparison.Ordinal)))
            File.WriteAllText(Path.Combine(Spool, id, System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("file").GetString()!), "text");
        Assert.True(Sync(output));
        Assert.Contains("its last line is broken off", output.ToString(), StringComparison.Ordinal);
        Assert.Equal(2000, told.Runs[id].Metrics.Count);
        Assert.Equal("FINISHED", told.Runs[id].Status);
        Nothing_is_left();
        Assert.True(Sync(output));
        Assert.EndsWith($"nothing waits in {Spool}\n", output.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_run_started_without_the_server_is_made_once_when_it_answers_and_keeps_its_children(bool answerIsLost)
    {
        var probe = new FaultyServer(told);
        probe.Dispose();
        var place = new RunFolder(Directory.CreateDirectory(Path.Combine(folder, "run")).FullName);
        string child;
        using (var store = Open(probe.Uri))
        using (var parent = RunLogger.Start(store, "away", "parent", warnings: said))
        {
            Assert.StartsWith("local-", parent.RunId, StringComparison.Ordinal);
            using var log = RunLogger.Start(store, "away", "child", parent.RunId, warnings: said);
            place.SetRunId(child = log.RunId);
            log.Tag("jepat.folder", place.Path);
            log.Metric("m", 1, 0);
            log.Flush();
            parent.Metric("p", 1, 0);
            var lost = false;
            using var server = new FaultyServer(told, (_, path) => answerIsLost && !lost && path.EndsWith("runs/create", StringComparison.Ordinal) && (lost = true) ? new Fault(true, 0) : null, probe.Port);
            log.Metric("m", 2, 1);
            log.Finish();
            parent.Finish();
            Assert.DoesNotContain("local-", log.RunId + parent.RunId, StringComparison.Ordinal);
        }

        Assert.Equal(["child", "parent"], told.Runs.Values.Select(r => r.Name).Order());
        var (theirs, id) = (told.Runs.Single(r => r.Value.Name == "child").Value, told.Runs.Single(r => r.Value.Name == "child").Key);
        Assert.Equal(told.Runs.Single(r => r.Value.Name == "parent").Key, theirs.Tags["mlflow.parentRunId"]);
        Assert.Equal([(0L, 1.0), (1L, 2.0)], Values(theirs, "m"));
        Assert.All(told.Runs.Values, r => Assert.Equal("FINISHED", r.Status));
        Assert.Equal(id, place.RunId);

        using var again = new FaultyServer(told, port: probe.Port);
        using (var store = Open(again.Uri))
        using (var log = RunLogger.Resume(store, child, warnings: said))        // by the local id, if somebody has kept it
        {
            Assert.Equal((id, "child"), (log.RunId, log.Name));
            log.Metric("m", 3, 2);
            log.Finish();
        }
        Assert.Equal(2, told.Runs.Count);
        Assert.Equal(3, theirs.Metrics.Count(m => m.Key == "m"));
    }
}
