using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class EndedRunTests : IDisposable
{
    private static readonly Metric Fid = new("evaluate/fid_fashion_1k", 12.5, 5_000, 300);

    private readonly TrackingFolder folder = new();
    private readonly SqliteStore store;

    public EndedRunTests() => store = folder.Open();

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(RunStatus.Finished, 2_000L)]
    [InlineData(RunStatus.Failed, 3_000L)]
    [InlineData(RunStatus.Killed, 4_000L)]
    [InlineData(RunStatus.Running, null)]
    public void Values_come_to_a_run_that_keeps_status_and_end(RunStatus status, long? end)
    {
        var id = New(status, end);

        EndedRun.Add(store, id, [Fid], [KeyValuePair.Create("jepat.evaluation", "x")]);

        var run = store.GetRun(id);
        Assert.Equal((status, end, 1_000), (run.Info.Status, run.Info.EndTime, run.Info.StartTime));
        Assert.Equal([Fid], store.MetricHistory(id, Fid.Key));
        Assert.Equal("x", run.Tags["jepat.evaluation"]);
    }

    [Fact]
    public void A_value_that_is_refused_leaves_status_and_end_too()
    {
        var id = New(RunStatus.Finished, 2_000);

        Assert.Throws<UserException>(() => EndedRun.Add(store, id, [Fid with { Key = "no | such name" }], []));

        Assert.Equal((RunStatus.Finished, 2_000L), (store.GetRun(id).Info.Status, store.GetRun(id).Info.EndTime));
        Assert.Empty(store.GetRun(id).Metrics);
    }

    private string New(RunStatus status, long? end)
    {
        var id = store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1_000).RunId;
        store.UpdateRun(id, status, end);
        return id;
    }
}
