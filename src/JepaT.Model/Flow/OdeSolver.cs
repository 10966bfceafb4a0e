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
        var times = FlowMatching.Times(steps, timeShift, x0.device);
        var knots = times.cpu().data<float>().ToArray();
        var timeEmbedding = head.EmbedTime(times.to(x0.dtype));                        // neither depends on x
        var condition = head.EmbedCondition(z);
        var x = x0.alias();
        Keep(x);
        for (var i = 0; i < steps; i++)
        {
            using var step = NewDisposeScope();
            var v = head.call(x, timeEmbedding[i] + condition);
            if (v.shape[0] != x.shape[0])
            {
                var (cond, uncond) = (v.narrow(0, 0, x.shape[0]), v.narrow(0, x.shape[0], x.shape[0]));
                v = uncond + (cond - uncond) * guidance;
            }
            x = x.add(v, alpha: knots[i + 1] - knots[i]).MoveToOuterDisposeScope();
            Keep(x);
        }
        return x.MoveToOuterDisposeScope();

        void Keep(Tensor state) => states?.Add(state.clone().DetachFromDisposeScope());
    }
}
