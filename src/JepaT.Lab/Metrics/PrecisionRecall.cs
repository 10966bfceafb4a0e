namespace JepaT.Lab;

/// <summary>
/// Improved precision and recall (Kynkäänniemi et al. 2019). A set's manifold is the union of balls around its points, each
/// reaching to the point's k-th nearest neighbour in the set (itself left out). Precision is the share of generated points on
/// the real manifold, recall the share of real points on the generated one; a point on a ball's edge counts.
/// </summary>
/// <param name="Precision">In [0, 1].</param>
/// <param name="Recall">In [0, 1].</param>
public sealed record PrecisionRecall(double Precision, double Recall)
{
    /// <summary>The neighbour of the published metric.</summary>
    public const int Neighbour = 3;

    private const long ChunkBytes = 64L << 20;          // of one block of distances

    /// <param name="generated">Features (Ng, D), Ng &gt; k.</param>
    /// <param name="real">Features (Nr, D), Nr &gt; k.</param>
    /// <param name="k">Which neighbour sets the radius.</param>
    /// <exception cref="UserException">Too few points, different widths, or values that are not finite.</exception>
    public static PrecisionRecall Compute(Tensor generated, Tensor real, int k = Neighbour)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(k, 1);
        Features.Require(generated, "generated features", atLeast: k + 1);
        Features.Require(real, "real features", atLeast: k + 1);
        Features.RequireSameWidth(generated.shape[1], real.shape[1]);
        using var scope = NewDisposeScope();
        var g = generated.detach().cpu().to(ScalarType.Float64).contiguous();
        var r = real.detach().cpu().to(ScalarType.Float64).contiguous();
        return new(Covered(g, r, Radii(r, k)), Covered(r, g, Radii(g, k)));
    }

    /// <summary>Distance from each point to its k-th neighbour, (N); the point itself is number 0.</summary>
    private static Tensor Radii(Tensor points, int k)
    {
        using var scope = NewDisposeScope();
        var parts = Blocks(points, points, d => d.topk(k + 1, dim: 1, largest: false, sorted: true).values.select(1, k));
        return cat(parts).MoveToOuterDisposeScope();
    }

    /// <summary>Share of <paramref name="points"/> within some ball around <paramref name="centres"/>.</summary>
    private static double Covered(Tensor points, Tensor centres, Tensor radii)
    {
        using var scope = NewDisposeScope();
        var inside = Blocks(points, centres, d => d.le(radii).any(1).sum());
        return inside.Sum(t => t.item<long>()) / (double)points.shape[0];
    }

    /// <summary>
    /// <paramref name="reduce"/> on blocks of rows of the distances (rows, M). The distances come from direct differences: the
    /// usual |a|² + |b|² − 2ab moves the distance of equal points off 0 and flips ties such as a point that lies exactly on an edge.
    /// </summary>
    private static List<Tensor> Blocks(Tensor a, Tensor b, Func<Tensor, Tensor> reduce)
    {
        var rows = Math.Max(1, ChunkBytes / (sizeof(double) * b.shape[0]));
        List<Tensor> results = [];
        foreach (var part in a.split(rows))
        {
            using var scope = NewDisposeScope();
            results.Add(reduce(cdist(part, b, 2, compute_mode.donot_use_mm_for_euclid_dist)).MoveToOuterDisposeScope());
        }
        return results;
    }
}
