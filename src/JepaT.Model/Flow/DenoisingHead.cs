namespace JepaT.Model;

/// <summary>Which law turns noise into tokens.</summary>
public enum HeadKind
{
    /// <summary>Flow matching on a straight path, sampled by an ODE (the paper's).</summary>
    Flow,

    /// <summary>Gaussian diffusion of 1,000 steps with learned variance, as MAR's (the published code's other head).</summary>
    Gauss,
}

/// <summary>
/// What stands behind z: the loss of noisy tokens in training, and the way from noise to tokens in sampling. R rows are tokens of
/// all images; the heads differ in path, loss and steps, not in the network.
/// </summary>
internal interface IDenoisingHead
{
    /// <summary>The network; it holds all weights.</summary>
    DenoisingMlp Net { get; }

    /// <summary>
    /// Loss of each row: tokens x1 (R, D), z (R, C), t (copies, R) in [0, 1), noise (copies, R, D) → (copies, R). z is embedded once for
    /// all copies.
    /// </summary>
    Tensor RowLosses(Tensor x1, Tensor z, Tensor t, Tensor noise);

    /// <summary>
    /// Tokens (R, D) from noise (R, D). z (R, C), with guidance (2R, C): conditional rows, then unconditional ones.
    /// <paramref name="stepNoise"/> (S, R, D) is the noise of the steps in between, <paramref name="states"/> receives the rows at each of the
    /// <see cref="Times"/>, owned by the caller.
    /// </summary>
    Tensor Sample(Tensor noise, Tensor z, Tensor stepNoise, double guidance, SamplingConfig config, List<Tensor>? states = null);

    /// <summary>S, how often a token gets fresh noise after the first.</summary>
    int StepNoises(SamplingConfig config);

    /// <summary>When the states of sampling are, from 0 (noise) to 1 (the token).</summary>
    float[] Times(SamplingConfig config);
}

internal static class Guidance
{
    /// <summary>
    /// y (2R, D), conditional rows, then unconditional ones → unconditional + scale · (conditional − unconditional), (R, D); y itself when
    /// it has only the R rows.
    /// </summary>
    public static Tensor Apply(Tensor y, long rows, double scale)
    {
        if (y.shape[0] == rows) return y;
        var (cond, uncond) = (y.narrow(0, 0, rows), y.narrow(0, rows, rows));
        return uncond + (cond - uncond) * scale;
    }
}
