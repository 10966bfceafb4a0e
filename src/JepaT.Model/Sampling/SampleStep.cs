namespace JepaT.Model;

/// <summary>How to generate; defaults are the quick experiment's.</summary>
public sealed record SamplingConfig
{
    /// <summary>Masked iterations: how many times the backbone runs. At most the number of tokens.</summary>
    public int Iterations { get; init; } = 8;

    /// <summary>Euler steps of the flow head in each iteration (evaluations for each token).</summary>
    public int OdeSteps { get; init; } = 25;

    /// <summary>Guidance scale; 1 is none.</summary>
    public double Guidance { get; init; } = 3;

    /// <summary>Linear (rises with the share of tokens generated) or constant.</summary>
    public GuidanceSchedule GuidanceSchedule { get; init; } = GuidanceSchedule.Linear;

    /// <summary>Above 1 spends more ODE steps of the flow head near the noise; 1 is uniform.</summary>
    public double TimeShift { get; init; } = 1;

    /// <summary>
    /// Reverse steps of the Gaussian head: <c>100</c>, first and last included; <c>10,5</c>, so many in each section; <c>ddim25</c>, a whole
    /// stride; 1000 takes all (published scripts: 100).
    /// </summary>
    public string GaussSpacing { get; init; } = "100";

    /// <summary>Factor of the noise in the Gaussian head's steps; the flow head has none (reference, oddity 15).</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Checks the values against a model's number of tokens.</summary>
    /// <exception cref="UserException">Names the key out of range.</exception>
    public void Validate(int tokens)
    {
        if (Iterations < 1) throw new UserException($"sampling.iterations is {Iterations}; it must be at least 1");
        if (Iterations > tokens)
            throw new UserException($"sampling.iterations is {Iterations}, but an image has only {tokens} tokens; take at most {tokens}");
        if (OdeSteps is < 1 or > 10_000) throw new UserException($"sampling.ode_steps is {OdeSteps}; it must lie between 1 and 10000");
        if (Guidance is not (>= 0 and <= 100)) throw new UserException($"sampling.guidance is {Guidance}; it must lie between 0 and 100");
        if (TimeShift is not (>= 0.01 and <= 100)) throw new UserException($"sampling.time_shift is {TimeShift}; it must lie between 0.01 and 100");
        if (Temperature is not (>= 0 and <= 10)) throw new UserException($"sampling.temperature is {Temperature}; it must lie between 0 and 10");
        if (string.IsNullOrEmpty(GaussSpacing)) throw new UserException("sampling.gauss_spacing is empty; write e.g. 100, 10,5 or ddim25 (1000 takes all steps)");
        _ = new GaussianSchedule(GaussSpacing);         // names what cannot be made
    }
}

/// <summary>How the guidance scale moves over the iterations.</summary>
public enum GuidanceSchedule
{
    /// <summary>1 + (scale − 1) · share of tokens that are no longer masked.</summary>
    Linear,

    /// <summary>The same in every iteration.</summary>
    Constant,
}

/// <summary>Everything random of B images in sampling. Each token is generated once, so its noise is addressed by its place.</summary>
/// <param name="Orders">(B, L) int64, a permutation each; the first places stay masked longest.</param>
/// <param name="Noise">(B, L, D): what each token starts from.</param>
/// <param name="StepNoise">(S, B, L, D): noise of the head's step s, see <see cref="JepaModel.StepNoises"/>; more than S are not read.</param>
public sealed record SampleDraws(Tensor Orders, Tensor Noise, Tensor StepNoise);

/// <summary>What one masked iteration of the sampler did. The caller owns it; its tensors are detached from any scope.</summary>
/// <param name="Iteration">Counted from 0.</param>
/// <param name="Tokens">(B, L, D) all tokens so far; masked ones are 0.</param>
/// <param name="Mask">(B, L) bool, true where still masked after this iteration.</param>
/// <param name="Order">(B, L) int64, places in the order of generation reversed: the first ones are generated last.</param>
/// <param name="Predicted">(B, m) int64, places generated in this iteration, ascending.</param>
/// <param name="Z">(B, m, C) the predictor's fused output at these places; with guidance the conditional half.</param>
/// <param name="Guidance">Guidance scale of this iteration.</param>
/// <param name="OdeStates">If asked: (B, m, D) at each of <see cref="JepaModel.StateTimes"/>, noise first; else empty.</param>
public sealed record SampleStep(int Iteration, Tensor Tokens, Tensor Mask, Tensor Order, Tensor Predicted, Tensor Z, double Guidance,
    IReadOnlyList<Tensor> OdeStates) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in (Tensor[])[Tokens, Mask, Order, Predicted, Z, .. OdeStates]) t.Dispose();
    }
}
