using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class KernelDistanceTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(5);

    public void Dispose()
    {
        scope.Dispose();
        generator.Dispose();
    }

    [Fact]
    public void Constant_sets_are_apart_by_the_kernel_alone()
    {
        // x = (1, 1), y = (-1, -1): k(x, x) = k(y, y) = 8, k(x, y) = 0.
        var result = KernelDistance.Compute(ones(6, 2), -ones(6, 2), seed: 1, subsets: 3, size: 4);

        Assert.Equal(16, result.Mean, 1e-12);
        Assert.Equal(0, result.Std, 1e-12);
    }

    [Fact]
    public void Memory_does_not_grow_with_the_number_of_subsets()
    {
        var (a, b) = (Normal(600, 512), Normal(600, 512));
        _ = KernelDistance.Compute(a, b, seed: 1, subsets: 2, size: 600);
        var (before, most) = (Environment.WorkingSet, 0L);
        using var ended = new ManualResetEventSlim();
        var watch = new Thread(() =>
        {
            while (!ended.Wait(5)) most = Math.Max(most, Environment.WorkingSet);
        });
        watch.Start();
        _ = KernelDistance.Compute(a, b, seed: 1, subsets: 120, size: 600);
        ended.Set();
        watch.Join();

        // Two sets of rows are 5 MB, their kernels 9 MB; the rows of all subsets would be 600 MB.
        Assert.InRange(most - before, long.MinValue, 300L << 20);
    }

    [Fact]
    public void Two_draws_of_one_distribution_are_at_distance_zero_on_average()
    {
        var same = KernelDistance.Compute(Normal(2000, 8), Normal(2000, 8), seed: 2, subsets: 50, size: 200);
        var shifted = KernelDistance.Compute(Normal(2000, 8), Normal(2000, 8) + 0.5, seed: 2, subsets: 50, size: 200);

        Assert.InRange(same.Mean, -0.01, 0.01);
        Assert.True(same.Each.Min() < 0, "an unbiased estimate of 0 falls on both sides of it");
        Assert.True(shifted.Mean > 10 * Math.Abs(same.Mean));
    }

    [Fact]
    public void Distance_is_symmetric_in_the_sets()
    {
        var (x, y) = (Normal(40, 5), Normal(30, 5) * 2);
        var (sx, sy) = (KernelDistance.Draw(40, 7, 20, generator), KernelDistance.Draw(30, 7, 20, generator));

        Assert.Equal(KernelDistance.Compute(x, y, sx, sy).Mean, KernelDistance.Compute(y, x, sy, sx).Mean, 1e-12);
    }

    [Fact]
    public void A_seed_gives_the_same_subsets_without_repeats()
    {
        using Generator first = new(11), second = new(11), third = new(12);

        var subsets = KernelDistance.Draw(20, 4, 15, first);

        Assert.True(subsets.Equals(KernelDistance.Draw(20, 4, 15, second)));
        Assert.False(subsets.Equals(KernelDistance.Draw(20, 4, 15, third)));
        Assert.All(Enumerable.Range(0, 4), i => Assert.Equal(15, subsets[i].data<long>().Distinct().Count()));
    }

    [Fact]
    public void A_subset_larger_than_a_set_is_refused()
    {
        var error = Assert.Throws<UserException>(() => KernelDistance.Compute(Normal(50, 3), Normal(9, 3), seed: 0, size: 10));

        Assert.Contains("subset of 10 cannot be drawn from 9", error.Message, StringComparison.Ordinal);
    }

    private Tensor Normal(int n, int d) => randn([n, d], dtype: ScalarType.Float64, generator: generator);
}
