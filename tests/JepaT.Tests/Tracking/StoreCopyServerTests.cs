using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>From a database to a real MLflow server and on into another database: every row and file is the same.</summary>
public sealed class StoreCopyServerTests : IDisposable
{
    private readonly TrackingFolder first = new(), served = new(), last = new();

    public void Dispose()
    {
        first.Dispose();
        served.Dispose();
        last.Dispose();
    }

    [Fact]
    public void Runs_pushed_to_a_server_and_pulled_from_it_are_the_same_row_by_row()
    {
        using (var source = first.Open()) StoreCopySample.Fill(source);
        var wanted = StoreCopySample.Rows(first);
        using var server = MlflowServer.Start(served.Path, "--backend-store-uri", "sqlite:///mlflow.db");
        var uri = server.Address.ToString();

        Assert.Equal(0, Cli.Run(["runs", "push", "--from", first.Uri, "--to", uri, "--dry-run"], Console.Error));
        Assert.Empty(served.Rows("SELECT * FROM runs"));
        for (var time = 0; time < 2; time++)
        {
            Assert.Equal(0, Cli.Run(["runs", "push", "--from", first.Uri, "--to", uri], Console.Error));
            Assert.Equal(wanted, StoreCopySample.Rows(served));
        }
        for (var time = 0; time < 2; time++)
        {
            Assert.Equal(0, Cli.Run(["runs", "pull", "--from", uri, "--to", last.Uri], Console.Error));
            Assert.Equal(wanted, StoreCopySample.Rows(last));
        }

        Assert.Equal(0, Cli.Run(["runs", "pull", "--from", uri, "--to", first.Uri], Console.Error));           // to where they come from
        Assert.Equal(0, Cli.Run(["runs", "push", "--from", last.Uri, "--to", uri], Console.Error));            // and back
        Assert.Equal(wanted, StoreCopySample.Rows(first));
        Assert.Equal(wanted, StoreCopySample.Rows(served));
        Assert.Empty(first.Rows("SELECT * FROM tags WHERE key LIKE 'jepat.%'"));
    }

    [Fact]
    public void A_push_to_a_server_that_is_interrupted_is_finished_by_the_next_one()
    {
        using var source = first.Open();
        StoreCopySample.Fill(source);
        var wanted = StoreCopySample.Rows(first);
        using var server = MlflowServer.Start(served.Path, "--backend-store-uri", "sqlite:///mlflow.db");
        using var reached = TrackingStores.Open(server.Address.ToString());

        foreach (var at in (int[])[9, 14, 21])
        {
            using var target = new StoreWrapper(TrackingStores.Open(server.Address.ToString())) { BeforeWrite = n => { if (n == at) throw new InvalidOperationException("the power is gone"); } };
            Assert.Throws<InvalidOperationException>(() => Copy(source, target));
        }
        var report = Copy(source, reached);

        Assert.True(report.ToppedUp > 0, report.ToString());
        Assert.Equal(wanted, StoreCopySample.Rows(served));
        Assert.Equal(5, Copy(source, reached).Unchanged);
    }

    private static CopyReport Copy(ITrackingStore source, ITrackingStore target)
    {
        var copy = new StoreCopy(source, target, new());
        return copy.Copy(copy.Plan());
    }
}
