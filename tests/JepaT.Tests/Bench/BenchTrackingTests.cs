using JepaT.Lab;

namespace JepaT.Tests;

public sealed class BenchTrackingTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_rate_is_that_of_values_which_are_all_in_the_store()
    {
        using var store = folder.Open();
        var done = new List<int>();

        var rate = BenchTracking.Rate(store, "here", 2345, done.Add, TestContext.Current.CancellationToken);

        Assert.Equal(["2345|10"], folder.Rows("SELECT COUNT(*), COUNT(DISTINCT key) FROM metrics"));
        Assert.Equal([1000, 2000, 2345], done);
        Assert.Equal(2345 / rate.Seconds, rate.PerSecond);
    }

    [Fact]
    public void Pairs_tell_a_slow_store_from_the_time_in_calls()
    {
        using var store = folder.Open();
        using var slow = new StoreWrapper(store) { BeforeWrite = _ => Thread.Sleep(100) };
        var steps = 0;

        var pairs = BenchTracking.Pairs(() => { steps++; Thread.Sleep(2); }, slow, pairs: 3, steps: 5, cancel: TestContext.Current.CancellationToken);

        Assert.Equal(1 + (3 * 2 * 5), steps);
        Assert.Equal(["5|15"], folder.Rows("SELECT COUNT(DISTINCT key), COUNT(DISTINCT step) FROM metrics"));
        Assert.All(pairs, p => Assert.True(p.With > 0.1 + 0.01, $"{p}"));               // the write is in its own block,
        Assert.All(pairs, p => Assert.True(p.Without < 0.1, $"{p}"));                   // not in the other
        Assert.All(pairs, p => Assert.InRange(p.Share, 0, 0.2));                        // and the training thread did not do it
        Assert.All(pairs, p => Assert.Equal(p.With / p.Without, p.Ratio));
    }
}
