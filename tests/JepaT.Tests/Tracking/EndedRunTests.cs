using System.Reflection;
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

    [Fact]
    public void The_run_goes_on_while_it_takes_them_as_stores_want_it()
    {
        var id = New(RunStatus.Finished, 2_000);
        var strict = DispatchProxy.Create<ITrackingStore, StrictStore>();
        ((StrictStore)strict).Inner = store;
        Assert.Throws<UserException>(() => strict.LogBatch(id, [Fid], [], []));

        EndedRun.Add(strict, id, [Fid], []);

        Assert.Equal((RunStatus.Finished, 2_000L), (store.GetRun(id).Info.Status, store.GetRun(id).Info.EndTime));
        Assert.Equal([Fid], store.MetricHistory(id, Fid.Key));
    }

    [Fact]
    public void A_run_that_cannot_be_set_back_is_named_with_what_it_was()
    {
        var id = New(RunStatus.Killed, 2_000);
        var strict = DispatchProxy.Create<ITrackingStore, StrictStore>();
        (((StrictStore)strict).Inner, ((StrictStore)strict).KeepsRunning) = (store, true);

        var error = Assert.Throws<UserException>(() => EndedRun.Add(strict, id, [Fid], [])).Message;

        Assert.Contains($"run 'run' ({id}) now counts as RUNNING, it was KILLED: the store is away", error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_real_server_takes_them_and_gives_status_and_end_back()
    {
        var id = New(RunStatus.Finished, 2_000);
        using var server = MlflowServer.Start(folder.Path);
        using var rest = TrackingStores.Open(server.Address.ToString());

        EndedRun.Add(rest, id, [Fid], [KeyValuePair.Create("jepat.evaluation", "x")]);

        var run = rest.GetRun(id);
        Assert.Equal((RunStatus.Finished, 2_000L, "x"), (run.Info.Status, run.Info.EndTime, run.Tags["jepat.evaluation"]));
        Assert.Equal(Fid, run.Metrics[Fid.Key]);
    }

    private string New(RunStatus status, long? end)
    {
        var id = store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1_000).RunId;
        store.UpdateRun(id, status, end);
        return id;
    }
}

/// <summary>Takes values only for a run that goes on, and where asked no end. Public and open, since the runtime derives from it.</summary>
public class StrictStore : DispatchProxy
{
    public ITrackingStore Inner { get; set; } = null!;

    public bool KeepsRunning { get; set; }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
    {
        if (targetMethod!.Name == nameof(ITrackingStore.LogBatch) && Inner.GetRun((string)args![0]!).Info is not { Status: RunStatus.Running, EndTime: null })
            throw new UserException("the run has ended");
        if (targetMethod.Name == nameof(ITrackingStore.UpdateRun) && KeepsRunning && args![1] is not RunStatus.Running) throw new UserException("the store is away");
        return targetMethod.Invoke(Inner, BindingFlags.DoNotWrapExceptions, null, args, null);
    }
}
