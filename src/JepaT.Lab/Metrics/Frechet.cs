namespace JepaT.Lab;

/// <summary>Fréchet distance between two Gaussians fitted to features (FID, Heusel et al. 2017).</summary>
public static class Frechet
{
    private const double MachineEpsilon = 2.220446049250313e-16;    // distance from 1 to the next double; double.Epsilon is another thing

    /// <summary>
    /// |μ1 − μ2|² + tr S1 + tr S2 − 2 tr (S1 S2)^½ in float64, never below 0.
    /// With any factors S = L Lᵀ the last trace is the nuclear norm of L1ᵀ L2. So no root of the product is taken, which is what
    /// loses half of the digits when a covariance is singular (fewer samples than features).
    /// </summary>
    /// <exception cref="UserException">The two have different widths.</exception>
    public static double Distance(FeatureStatistics a, FeatureStatistics b)
    {
        Features.RequireSameWidth(a.Dim, b.Dim);
        using var scope = NewDisposeScope();
        var meanTerm = (a.Mean - b.Mean).square().sum().item<double>();
        var root = NuclearNorm(Factor(a.Covariance).t().mm(Factor(b.Covariance)));
        var distance = meanTerm + a.Covariance.trace().item<double>() + b.Covariance.trace().item<double>() - 2 * root;
        return Math.Max(distance, 0);                   // equal sets give ±1e-14 of the trace
    }

    /// <summary>The distance between the sets themselves, each (N, D) with N ≥ 2.</summary>
    public static double Distance(Tensor a, Tensor b)
    {
        using var first = FeatureStatistics.From(a);
        using var second = FeatureStatistics.From(b);
        return Distance(first, second);
    }

    /// <summary>
    /// L (D, r) with S = L Lᵀ. Eigenvalues that are only the rounding noise of zero are left out: their roots, 1e-8 each instead
    /// of 1e-16, would add up.
    /// </summary>
    private static Tensor Factor(Tensor covariance)
    {
        var (values, vectors) = linalg.eigh((covariance + covariance.t()) / 2);
        var noise = values.abs().max() * (covariance.shape[0] * MachineEpsilon);
        var kept = values > noise;
        return vectors.index_select(1, kept.nonzero().squeeze(1)) * values.masked_select(kept).sqrt();
    }

    private static double NuclearNorm(Tensor m) => m.numel() == 0 ? 0 : linalg.svdvals(m).sum().item<double>();
}
