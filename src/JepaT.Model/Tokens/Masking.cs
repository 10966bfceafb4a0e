namespace JepaT.Model;

/// <summary>The laws of masking: how many tokens are hidden in training, and in which steps they appear in sampling.</summary>
public static class Masking
{
    private const double Mean = 1, Deviation = 0.25;

    /// <summary>
    /// Mask ratio for a uniform draw u in [0, 1): inverse distribution function of N(1, 0.25²) truncated to
    /// [<paramref name="minimum"/>, 1] (as MAR; one draw serves the whole batch).
    /// </summary>
    public static double Ratio(double u, double minimum = 0.7)
    {
        var low = NormalCdf((minimum - Mean) / Deviation);
        return Mean + Deviation * InverseNormalCdf(low + u * (0.5 - low));
    }

    /// <summary>How many of L tokens a mask ratio hides: rounded up, at least 1 so that there is a loss.</summary>
    public static int Count(double ratio, int tokens) => Math.Clamp((int)Math.Ceiling(tokens * ratio), 1, tokens);

    /// <summary>
    /// Tokens that stay masked after iteration <paramref name="step"/> of <paramref name="iterations"/>: cosine schedule, at least
    /// one new token an iteration. The last iteration still says 1 although it predicts all (oddity 16; the linear guidance counts on it).
    /// </summary>
    public static int LeftAfter(int tokens, int iterations, int step, int maskedNow)
    {
        var left = (int)Math.Floor(tokens * Math.Cos(Math.PI / 2 * (step + 1) / iterations));
        return Math.Max(1, Math.Min(maskedNow - 1, left));
    }

    /// <summary>Places in the first <paramref name="count"/> of each order, ascending: (B, L) → (B, count).</summary>
    public static Tensor First(Tensor orders, long count) => Sorted(orders, 0, count);

    /// <summary>Places in the rest of each order, ascending: (B, L) → (B, L - count).</summary>
    public static Tensor Rest(Tensor orders, long count) => Sorted(orders, count, orders.shape[1] - count);

    /// <summary>Places at [start, start + count) of each order, ascending.</summary>
    internal static Tensor Sorted(Tensor orders, long start, long count)
    {
        using var part = orders.narrow(1, start, count);
        var (values, indices) = part.sort(1);
        indices.Dispose();
        return values;
    }

    private static double NormalCdf(double x)
    {
        using var z = tensor(x / Math.Sqrt(2), float64);
        using var erf = z.erf();
        return 0.5 * (1 + erf.item<double>());
    }

    private static double InverseNormalCdf(double p)
    {
        using var y = tensor(2 * p - 1, float64);
        using var x = y.erfinv();
        return Math.Sqrt(2) * x.item<double>();
    }
}
