namespace JepaT.Model;

/// <summary>
/// Flow matching: the straight path from noise x0 (t = 0) to a token x1 (t = 1); the network tells the velocity x1 − x0 (paper:
/// flow-matching objective).
/// </summary>
internal sealed class FlowHead(ModelConfig config, Init init) : IDenoisingHead
{
    private const double TimeScale = 1000;

    // The sinusoids were made for times up to 1,000; over [0, 1) most of them hardly move (reference, oddity 15).
    private readonly bool unscaledTime = config.Errata.UnscaledTime;

    public DenoisingMlp Net { get; } = new(config, config.TokenDim, init);

    /// <summary>t (…) in [0, 1] → (…, W).</summary>
    public Tensor EmbedTime(Tensor t)
    {
        if (unscaledTime) return Net.EmbedTime(t);
        using var scaled = t * TimeScale;
        return Net.EmbedTime(scaled);
    }

    /// <summary>Mean over channels of (v − (x1 − x0))² at xt = t x1 + (1 − t) x0.</summary>
    public Tensor RowLosses(Tensor x1, Tensor z, Tensor t, Tensor x0)
    {
        using var scope = NewDisposeScope();
        var ut = x1 - x0;                                                   // (copies, R, D)
        var xt = addcmul(x0, t.unsqueeze(-1), ut, 1);
        var y = EmbedTime(t) + Net.EmbedCondition(z);
        return (Net.call(xt, y) - ut).square().mean([-1]).MoveToOuterDisposeScope();
    }

    /// <summary>Euler steps of the ODE, which knows no noise on the way (nor a temperature: oddity 15).</summary>
    public Tensor Sample(Tensor noise, Tensor z, Tensor stepNoise, double guidance, SamplingConfig config, List<Tensor>? states = null) =>
        OdeSolver.Euler(this, noise, z, guidance, config.OdeSteps, config.TimeShift, states);

    public int StepNoises(SamplingConfig config) => 0;

    public float[] Times(SamplingConfig config)
    {
        using var times = OdeSolver.Times(config.OdeSteps, config.TimeShift);
        return times.data<float>().ToArray();
    }
}
