namespace JepaT.Model;

/// <summary>Euler's method from noise to tokens under the guided velocity.</summary>
internal static class OdeSolver
{
    /// <summary>
    /// x0 (R, D), condition (R, C), with guidance (2R, C): conditional rows, then unconditional ones → x1 (R, D).
    /// Velocity: v_uncond + guidance (v_cond − v_uncond). <paramref name="states"/> receives x at each time, x0 first.
    /// </summary>
    public static Tensor Euler(FlowHead head, Tensor x0, Tensor z, double guidance, int steps, double timeShift, List<Tensor>? states = null)
    {
        using var scope = NewDisposeScope();
        var times = Times(steps, timeShift, x0.device);
        var knots = times.cpu().data<float>().ToArray();
        var timeEmbedding = head.EmbedTime(times.to(x0.dtype));                        // neither depends on x
        var condition = head.Net.EmbedCondition(z);
        var x = x0.alias();
        Keep(x);
        for (var i = 0; i < steps; i++)
        {
            using var step = NewDisposeScope();
            var v = Guidance.Apply(head.Net.call(x, timeEmbedding[i] + condition), x.shape[0], guidance);
            x = x.add(v, alpha: knots[i + 1] - knots[i]).MoveToOuterDisposeScope();
            Keep(x);
        }
        return x.MoveToOuterDisposeScope();

        void Keep(Tensor state) => states?.Add(state.clone().DetachFromDisposeScope());
    }

    /// <summary>
    /// The <paramref name="steps"/> + 1 times of a solver with that many steps, from 0 to 1; a shift above 1 puts more of
    /// them near the noise: t / (t + shift − shift t). (Published <c>num_sampling_steps</c> counts the times: 100 are 99 steps.)
    /// </summary>
    public static Tensor Times(int steps, double shift, Device? device = null)
    {
        using var scope = NewDisposeScope();
        var t = linspace(0, 1, steps + 1, dtype: float32, device: device);
        return (shift == 1 ? t : t / (t + shift - t * shift)).MoveToOuterDisposeScope();
    }
}
