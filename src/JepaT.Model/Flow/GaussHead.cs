namespace JepaT.Model;

/// <summary>
/// Gaussian diffusion of 1,000 steps: the network tells the noise ε and where the variance lies between its bounds (Nichol and Dhariwal
/// 2021, as MAR). Kept as published, oddity 17: the bound is not divided by 1,000, and is in bits while the squared error is not.
/// </summary>
internal sealed class GaussHead(ModelConfig config, Init init) : IDenoisingHead
{
    private static readonly GaussianSchedule Training = new();
    private static readonly double[][] TableRows =
    [
        Training.SqrtAlphaBar, Training.SqrtOneMinusAlphaBar, Training.SqrtRecipAlphaBar, Training.SqrtRecipM1AlphaBar,
        Training.PosteriorX0, Training.PosteriorXt, Training.MinLogVariance, Training.MaxLogVariance,
    ];

    private Tensor? tables;                             // TableRows, on the device and of the type that training has

    public DenoisingMlp Net { get; } = new(config, 2L * config.TokenDim, init);

    /// <summary>
    /// Squared error of ε plus the variational bound, through which only the variance learns. The step is ⌊1,000 t⌋.
    /// </summary>
    public Tensor RowLosses(Tensor x1, Tensor z, Tensor t, Tensor noise)
    {
        using var scope = NewDisposeScope();
        var step = (t * Training.Timesteps.Count).to(int64);                                // (copies, R)
        var rows = Tables(x1);
        var xt = At(Training.SqrtAlphaBar) * x1 + At(Training.SqrtOneMinusAlphaBar) * noise;
        var output = Net.call(xt, Net.EmbedTime(step.to(xt.dtype)) + Net.EmbedCondition(z)).chunk(2, -1);
        var (eps, v) = (output[0], output[1]);                                              // (copies, R, D) each
        var squared = (noise - eps).square().mean([-1]);

        var (toX0, toXt, low, high) = (At(Training.PosteriorX0), At(Training.PosteriorXt), At(Training.MinLogVariance), At(Training.MaxLogVariance));
        var x0 = At(Training.SqrtRecipAlphaBar) * xt - At(Training.SqrtRecipM1AlphaBar) * eps.detach();
        var (mean, logVariance) = (toX0 * x0 + toXt * xt, LogVariance(v, low, high));
        var off = toX0 * x1 + toXt * xt - mean;                                             // from the true posterior's mean
        var divergence = (logVariance - low - 1 + (low - logVariance).exp() + off.square() * (-logVariance).exp()) * 0.5;
        var likelihood = LogLikelihood(x1, mean, logVariance * 0.5);
        var bound = where(step == 0, -likelihood.mean([-1]), divergence.mean([-1])) / Math.Log(2);
        return (squared + bound).MoveToOuterDisposeScope();

        // The table at each row's step: (copies, R, 1).
        Tensor At(double[] table) => rows[Array.IndexOf(TableRows, table)].take(step).unsqueeze(-1);
    }

    /// <summary>
    /// The reverse steps of <see cref="SamplingConfig.GaussSpacing"/>; every step but the last adds its noise times the temperature.
    /// Guidance moves ε, the variance is the conditional one (oddity 18).
    /// </summary>
    public Tensor Sample(Tensor noise, Tensor z, Tensor stepNoise, double guidance, SamplingConfig config, List<Tensor>? states = null)
    {
        using var scope = NewDisposeScope();
        var s = new GaussianSchedule(config.GaussSpacing);
        var (rows, d) = (noise.shape[0], noise.shape[1]);
        var timeEmbedding = Net.EmbedTime(tensor(s.Timesteps.Select(t => (float)t).ToArray(), dtype: noise.dtype, device: noise.device));
        var condition = Net.EmbedCondition(z);                                              // neither depends on x
        var x = noise.alias();
        Keep(x);
        for (var i = s.Timesteps.Count - 1; i >= 0; i--)
        {
            using var inner = NewDisposeScope();
            var output = Net.call(x, timeEmbedding[i] + condition);
            var eps = Guidance.Apply(output.narrow(1, 0, d), rows, guidance);
            var x0 = x * (float)s.SqrtRecipAlphaBar[i] - eps * (float)s.SqrtRecipM1AlphaBar[i];
            var next = x0 * (float)s.PosteriorX0[i] + x * (float)s.PosteriorXt[i];
            if (i > 0)
            {
                var logVariance = LogVariance(output.narrow(0, 0, rows).narrow(1, d, d), tensor((float)s.MinLogVariance[i]), tensor((float)s.MaxLogVariance[i]));
                next += (logVariance * 0.5).exp() * stepNoise[s.Timesteps.Count - 1 - i] * config.Temperature;
            }
            x = next.MoveToOuterDisposeScope();
            Keep(x);
        }
        return x.MoveToOuterDisposeScope();

        void Keep(Tensor state) => states?.Add(state.clone().DetachFromDisposeScope());
    }

    public int StepNoises(SamplingConfig config) => new GaussianSchedule(config.GaussSpacing).Timesteps.Count - 1;

    public float[] Times(SamplingConfig config) =>
        [.. new GaussianSchedule(config.GaussSpacing).Timesteps.Reverse().Select(t => 1 - (t + 1f) / Training.Timesteps.Count), 1];

    // Copied to the device once, not in each step.
    private Tensor Tables(Tensor like)
    {
        if (tables is not null && tables.dtype == like.dtype && tables.device.ToString() == like.device.ToString()) return tables;
        tables?.Dispose();
        return tables = stack([.. TableRows.Select(r => tensor(r, dtype: like.dtype, device: like.device))]).DetachFromDisposeScope();
    }

    // v in [-1, 1] lies between the log variances of the posterior and of the forward step.
    private static Tensor LogVariance(Tensor v, Tensor low, Tensor high)
    {
        var share = (v + 1) * 0.5;
        return share * high + (1 - share) * low;
    }

    /// <summary>Log of what a Gaussian gives to one of 256 levels in [-1, 1]; the outermost ones reach to infinity.</summary>
    internal static Tensor LogLikelihood(Tensor x, Tensor mean, Tensor logScale)
    {
        const double level = 1 / 255.0, outermost = 0.999;
        var (distance, sharpness) = (x - mean, (-logScale).exp());
        var (above, below) = (NormalCdf(sharpness * (distance + level)), NormalCdf(sharpness * (distance - level)));
        return where(x < -outermost, Log(above), where(x > outermost, Log(1 - below), Log(above - below)));

        static Tensor Log(Tensor p) => p.clamp_min(1e-12).log();

        static Tensor NormalCdf(Tensor y) => ((y + y.pow(3) * 0.044715) * Math.Sqrt(2 / Math.PI)).tanh().add(1) * 0.5;
    }
}
