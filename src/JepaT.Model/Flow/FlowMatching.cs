namespace JepaT.Model;

/// <summary>The straight path from noise x0 (t = 0) to a token x1 (t = 1), and its loss (paper: flow-matching objective).</summary>
internal static class FlowMatching
{
    /// <summary>
    /// Loss of each row: mean over channels of (v − (x1 − x0))² at xt = t x1 + (1 − t) x0.
    /// x1 (R, D), z (R, C), t (copies, R), x0 (copies, R, D) → (copies, R). z is embedded once for all copies.
    /// </summary>
    public static Tensor RowLosses(FlowHead head, Tensor x1, Tensor z, Tensor t, Tensor x0)
    {
        using var scope = NewDisposeScope();
        var ut = x1 - x0;                                                   // (copies, R, D)
        var xt = addcmul(x0, t.unsqueeze(-1), ut, 1);
        var y = head.EmbedTime(t) + head.EmbedCondition(z);
        return (head.call(xt, y) - ut).square().mean([-1]).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The <paramref name="steps"/> + 1 times of an ODE solver with that many steps, from 0 to 1; a shift above 1 puts more of
    /// them near the noise: t / (t + shift − shift t). (Published <c>num_sampling_steps</c> counts the times: 100 are 99 steps.)
    /// </summary>
    public static Tensor Times(int steps, double shift, Device? device = null)
    {
        using var scope = NewDisposeScope();
        var t = linspace(0, 1, steps + 1, dtype: float32, device: device);
        return (shift == 1 ? t : t / (t + shift - t * shift)).MoveToOuterDisposeScope();
    }
}
