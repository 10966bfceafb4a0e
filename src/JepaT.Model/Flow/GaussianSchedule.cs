namespace JepaT.Model;

/// <summary>
/// Tables of the 1,000-step cosine diffusion and its respacings, in double precision (reference: GaussSchedule): what the
/// published Gaussian head trains and samples with.
/// </summary>
public sealed class GaussianSchedule
{
    private const int TrainingSteps = 1000;
    private const double MaxBeta = 0.999;

    /// <param name="spacing">
    /// Empty for all steps; <c>"10"</c> for 10, first and last included; <c>"10,5"</c> for so many in each section; <c>"ddim25"</c> for
    /// a whole stride.
    /// </param>
    /// <exception cref="UserException">The spacing cannot be read or made.</exception>
    public GaussianSchedule(string spacing = "")
    {
        var bar = new double[TrainingSteps];
        var product = 1.0;
        for (var i = 0; i < TrainingSteps; i++)
            bar[i] = product *= 1 - Math.Min(1 - Bar((i + 1.0) / TrainingSteps) / Bar((double)i / TrainingSteps), MaxBeta);
        Timesteps = Respace(spacing);
        var n = Timesteps.Count;
        double[] table() => new double[n];
        (SqrtAlphaBar, SqrtOneMinusAlphaBar, SqrtRecipAlphaBar, SqrtRecipM1AlphaBar) = (table(), table(), table(), table());
        (PosteriorX0, PosteriorXt, MinLogVariance, MaxLogVariance) = (table(), table(), table(), table());
        double keptBefore = 1, previous = 1;
        for (var i = 0; i < n; i++)
        {
            var beta = 1 - bar[Timesteps[i]] / keptBefore;
            keptBefore = bar[Timesteps[i]];
            var ac = previous * (1 - beta);
            SqrtAlphaBar[i] = Math.Sqrt(ac);
            SqrtOneMinusAlphaBar[i] = Math.Sqrt(1 - ac);
            SqrtRecipAlphaBar[i] = Math.Sqrt(1 / ac);
            SqrtRecipM1AlphaBar[i] = Math.Sqrt(1 / ac - 1);
            PosteriorX0[i] = beta * Math.Sqrt(previous) / (1 - ac);
            PosteriorXt[i] = (1 - previous) * Math.Sqrt(1 - beta) / (1 - ac);
            MinLogVariance[i] = Math.Log(beta * (1 - previous) / (1 - ac));
            MaxLogVariance[i] = Math.Log(beta);
            previous = ac;
        }
        MinLogVariance[0] = MinLogVariance[Math.Min(1, n - 1)];         // the first posterior variance is 0: its log is taken from the next
    }

    /// <summary>Training times that are kept, ascending.</summary>
    public IReadOnlyList<int> Timesteps { get; }

    /// <summary>√ᾱ.</summary>
    public double[] SqrtAlphaBar { get; }

    /// <summary>√(1 − ᾱ).</summary>
    public double[] SqrtOneMinusAlphaBar { get; }

    /// <summary>√(1/ᾱ).</summary>
    public double[] SqrtRecipAlphaBar { get; }

    /// <summary>√(1/ᾱ − 1).</summary>
    public double[] SqrtRecipM1AlphaBar { get; }

    /// <summary>Weight of x0 in the posterior mean.</summary>
    public double[] PosteriorX0 { get; }

    /// <summary>Weight of x_t in the posterior mean.</summary>
    public double[] PosteriorXt { get; }

    /// <summary>Log of the posterior variance, the lower bound of the learned one.</summary>
    public double[] MinLogVariance { get; }

    /// <summary>Log of β, the upper bound.</summary>
    public double[] MaxLogVariance { get; }

    private static double Bar(double t) => Math.Pow(Math.Cos((t + 0.008) / 1.008 * Math.PI / 2), 2);

    private static IReadOnlyList<int> Respace(string spacing)
    {
        if (spacing.Length == 0) return [.. Enumerable.Range(0, TrainingSteps)];
        if (spacing.StartsWith("ddim", StringComparison.Ordinal))
        {
            if (int.TryParse(spacing.AsSpan(4), out var want))
                for (var stride = 1; stride < TrainingSteps; stride++)
                    if ((TrainingSteps + stride - 1) / stride == want) return [.. Enumerable.Range(0, want).Select(i => i * stride)];
            throw new UserException($"sampling.gauss_spacing '{spacing}' cannot be made: no whole stride over {TrainingSteps} steps gives that many");
        }
        var counts = spacing.Split(',').Select(s => int.TryParse(s, out var c) && c > 0 ? c
            : throw new UserException($"sampling.gauss_spacing '{spacing}' is no list of step counts such as 100 or 10,5")).ToArray();
        SortedSet<int> kept = [];
        var start = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            var size = TrainingSteps / counts.Length + (i < TrainingSteps % counts.Length ? 1 : 0);
            if (counts[i] > size) throw new UserException($"sampling.gauss_spacing '{spacing}' asks for {counts[i]} of {size} steps");
            var stride = counts[i] == 1 ? 1 : (size - 1.0) / (counts[i] - 1);
            var at = 0.0;
            for (var k = 0; k < counts[i]; k++, at += stride) kept.Add(start + (int)Math.Round(at, MidpointRounding.ToEven));
            start += size;
        }
        return [.. kept];
    }
}
