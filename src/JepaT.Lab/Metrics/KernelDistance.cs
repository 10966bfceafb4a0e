namespace JepaT.Lab;

/// <summary>
/// Kernel distance (KID, Bińkowski et al. 2018): unbiased squared maximum mean discrepancy with the kernel (x·y/D + 1)³, mean
/// and population standard deviation over random subsets. Unbiased, so it may be slightly negative and, unlike FID, does not
/// depend on the number of samples.
/// </summary>
public static class KernelDistance
{
    /// <summary>Subsets of the published distance.</summary>
    public const int Subsets = 100;

    /// <summary>Largest size of a subset, as published.</summary>
    public const int SubsetSize = 1000;

    /// <summary>Over the subsets given: row i of <paramref name="subsetsA"/> is compared with row i of <paramref name="subsetsB"/>.</summary>
    /// <param name="a">Features (Na, D).</param>
    /// <param name="b">Features (Nb, D).</param>
    /// <param name="subsetsA">(S, m) int64 rows of <paramref name="a"/>, m ≥ 2.</param>
    /// <param name="subsetsB">(S, m) int64 rows of <paramref name="b"/>.</param>
    /// <exception cref="UserException">Too few samples, different widths, or values that are not finite.</exception>
    public static KernelDistanceResult Compute(Tensor a, Tensor b, Tensor subsetsA, Tensor subsetsB)
    {
        Features.Require(a, "features", atLeast: 2);
        Features.Require(b, "features", atLeast: 2);
        Features.RequireSameWidth(a.shape[1], b.shape[1]);
        if (subsetsA.dim() != 2 || !subsetsA.shape.SequenceEqual(subsetsB.shape) || subsetsA.shape[0] < 1 || subsetsA.shape[1] < 2)
            throw new ArgumentException("subsets: both must be (S, m) with S ≥ 1 and m ≥ 2");
        using var scope = NewDisposeScope();
        var x = a.detach().cpu().to(ScalarType.Float64);
        var y = b.detach().cpu().to(ScalarType.Float64);
        var each = new double[subsetsA.shape[0]];
        for (var i = 0; i < each.Length; i++)
        {
            using var subset = NewDisposeScope();
            each[i] = Mmd(x.index_select(0, subsetsA[i]), y.index_select(0, subsetsB[i]));
        }
        var (mean, std) = Statistics.MeanAndStd(each);
        return new(mean, std, each);
    }

    /// <summary>Over subsets drawn from <paramref name="seed"/>, without replacement within a subset.</summary>
    /// <exception cref="UserException">A subset is larger than a set.</exception>
    public static KernelDistanceResult Compute(Tensor a, Tensor b, int seed, int subsets = Subsets, int size = SubsetSize)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator((ulong)seed);
        return Compute(a, b, Draw(a.shape[0], subsets, size, generator), Draw(b.shape[0], subsets, size, generator));
    }

    /// <summary><paramref name="subsets"/> random subsets of <paramref name="size"/> out of <paramref name="count"/> rows, (S, m) int64.</summary>
    /// <exception cref="UserException">The subset is larger than the set, or smaller than 2.</exception>
    public static Tensor Draw(long count, int subsets, int size, Generator generator)
    {
        if (size > count) throw new UserException($"kernel distance: a subset of {size} cannot be drawn from {count} samples; lower the subset size");
        if (size < 2) throw new UserException($"kernel distance: a subset needs at least 2 samples, not {size}");
        using var scope = NewDisposeScope();
        var rows = Enumerable.Range(0, subsets).Select(_ => randperm(count, ScalarType.Int64, generator: generator).narrow(0, 0, size));
        return stack(rows.ToArray()).MoveToOuterDisposeScope();
    }

    /// <summary>Unbiased MMD² of x and y, both (m, D) float64.</summary>
    private static double Mmd(Tensor x, Tensor y)
    {
        var m = x.shape[0];
        var within = Sum(x, x, diagonal: false) + Sum(y, y, diagonal: false);
        return within / (m * (m - 1.0)) - 2 * Sum(x, y, diagonal: true) / (m * m);
    }

    // A scope for each kernel: several at once, freed together, leave holes in malloc's heap that the next subset does not fit into.
    private static double Sum(Tensor x, Tensor y, bool diagonal)
    {
        using var scope = NewDisposeScope();
        var kernel = x.mm(y.t()).div_(x.shape[1]).add_(1).pow_(3);
        return (diagonal ? kernel.sum() : kernel.sum() - kernel.trace()).item<double>();
    }
}

/// <summary>Mean and population standard deviation over subsets, and the value of each subset.</summary>
public sealed record KernelDistanceResult(double Mean, double Std, IReadOnlyList<double> Each);
