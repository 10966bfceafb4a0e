using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>A server as a store: what is logged through it is what a database on the same folder gives back, row by row.</summary>
public sealed class RestStoreTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_logged_through_the_server_reads_the_same_from_the_server_and_from_its_database()
    {
        folder.Open().Dispose();
        using var server = MlflowServer.Start(folder.Path);
        using var store = TrackingStores.Open(server.Address.ToString());
        string id, child;
        using (var parent = RunLogger.Start(store, "over http", "parent"))
        using (var log = RunLogger.Start(store, "over http", "child", parent.RunId))
        {
            (id, child) = (parent.RunId, log.RunId);
            log.Params(new Dictionary<string, object?> { ["lr"] = 1e-5, ["note"] = "ünï中 \"quoted\" <b>", ["long"] = new string('v', 6001) });
            for (var i = 0; i < 2500; i++) log.Metric("train/loss", 3.0 / (i + 1), i);
            log.Metric("odd/nan", double.NaN, 9007199254740993);
            log.Metric("odd/inf", double.NegativeInfinity, -3);
            log.Dataset("fashion", "a1b2c3d4", "training", "here", """{"num_rows":60000}""");
            log.Image("train/samples", 100, TrackingFolder.Png(400, 300));
            log.ArtifactText("plots/a name with spaces & ü.html", "<h1>x</h1>");
            log.Note("*done*");
            log.Finish();
            parent.Finish(RunStatus.Killed);
        }
        using (var resumed = RunLogger.Resume(store, child))
        {
            Assert.Null(store.GetRun(child).Info.EndTime);
            resumed.Metric("train/loss", 0.5, 2500);
            resumed.Finish();
        }

        using var database = folder.Open();
        foreach (var run in new[] { id, child })
        {
            var (theirs, ours) = (store.GetRun(run), database.GetRun(run));
            Assert.Equal(ours.Info, theirs.Info);
            Assert.Equal(ours.Params.OrderBy(p => p.Key, StringComparer.Ordinal), theirs.Params.OrderBy(p => p.Key, StringComparer.Ordinal));
            Assert.Equal(ours.Tags.OrderBy(p => p.Key, StringComparer.Ordinal), theirs.Tags.OrderBy(p => p.Key, StringComparer.Ordinal));
            Assert.Equal(ours.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal), theirs.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal));
            foreach (var key in ours.Metrics.Keys) Assert.Equal(database.MetricHistory(run, key), store.MetricHistory(run, key));
            Assert.Equal(ours.Inputs, theirs.Inputs);
            Assert.Equal(database.Artifacts(run), store.Artifacts(run));
            foreach (var file in store.Artifacts(run)) Assert.Equal(Bytes(database, run, file.Path), Bytes(store, run, file.Path));
        }
        Assert.Equal(2501, store.MetricHistory(child, "train/loss").Count);
        Assert.Equal([child], store.SearchRuns(new() { ParentRunId = id }).Select(r => r.Info.RunId));
        Assert.Equal(database.SearchRuns(new()).Select(r => r.Info), store.SearchRuns(new()).Select(r => r.Info));
        Assert.Equal(database.Experiments().Select(e => (e.Id, e.Name, e.ArtifactLocation)), store.Experiments().Select(e => (e.Id, e.Name, e.ArtifactLocation)));

        var runs = RunSet.Open(server.Address.ToString());                      // as notebook 5 does
        Assert.Equal(["child", "parent"], runs.Select(r => r.Name).Order());
        var read = runs.Single(r => r.Name == "child");
        Assert.Equal((2501, 0.5), (read.Curve("train/loss").Count, read.Curve("train/loss")[^1].Value));
        Assert.Contains("train/samples", read.Pictures("train/samples").ToHtml(), StringComparison.Ordinal);
        Assert.Equal("<h1>x</h1>", read.Text("plots/a name with spaces & ü.html"));

        store.DeleteTag(child, "mlflow.note.content");
        Assert.DoesNotContain("mlflow.note.content", database.GetRun(child).Tags.Keys);
        store.DeleteRun(child);
        Assert.Equal([child], database.SearchRuns(new() { Stage = RunStage.Deleted }).Select(r => r.Info.RunId));
        database.RestoreRun(child);
        Assert.False(store.GetRun(child).Info.Deleted);
        Refused("a#b", () => store.LogBatch(child, [new("a#b", 1, 0, 0)], [], []));
        Refused("written once", () => store.LogBatch(child, [], [KeyValuePair.Create("lr", "2")], []));
        Refused("no run", () => store.GetRun(new string('f', 32)));
        Refused("no artifact", () => store.OpenArtifact(child, "nothing.bin"));
    }

    [Fact]
    public void An_address_where_nothing_listens_is_told_at_once_with_what_to_do() =>
        Refused("start the server", () => TrackingStores.Open("http://user:hunter2@127.0.0.1:9/"));

    private static void Refused(string words, Action call)
    {
        var message = Assert.Throws<UserException>(call).Message;
        Assert.Contains(words, message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", message, StringComparison.Ordinal);
    }

    private static byte[] Bytes(ITrackingStore store, string run, string path)
    {
        using var stream = store.OpenArtifact(run, path);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
