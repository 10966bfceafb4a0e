namespace JepaT.Lab;

/// <summary>Shape of the learning rate after warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Stays.</summary>
    Constant,

    /// <summary>Falls to the minimum as half a cosine.</summary>
    Cosine,
}

/// <summary>How the EMA rate moves over a run.</summary>
public enum EmaSchedule
{
    /// <summary>At step s at most (1 + s) / (10 + s), so that short runs forget their first weights.</summary>
    Warmup,

    /// <summary>From the rate to 1, linearly.</summary>
    Linear,
}

/// <summary>Type of matrix products and attention.</summary>
public enum Precision
{
    /// <summary>All in float32.</summary>
    Fp32,

    /// <summary>Products in bfloat16; weights and sums in float32.</summary>
    Bf16,
}

/// <summary>Laws over a run, in any unit of time (epochs or steps) as long as it is the same everywhere (reference: lr_at, ema_rate_at).</summary>
public static class Schedules
{
    /// <summary>Linear warm-up from 0, then constant or cosine down to <paramref name="minimum"/>.</summary>
    public static double LearningRate(double now, double peak, double warmup, double end, LearningRateSchedule schedule, double minimum = 0) =>
        now < warmup ? peak * now / warmup
        : schedule == LearningRateSchedule.Constant ? peak
        : minimum + (peak - minimum) * 0.5 * (1 + Math.Cos(Math.PI * (now - warmup) / (end - warmup)));

    /// <summary>EMA rate as intended: rises linearly from <paramref name="rate"/> to 1 over the run.</summary>
    public static double LinearEmaRate(double now, double end, double rate) => now / end * (1 - rate) + rate;

    /// <summary>Published EMA rate: as intended, but capped at 0.9999, and so constant with the default 0.9999 (oddity 21).</summary>
    public static double EmaRate(double now, double end, double rate = 0.9999) => Math.Min(LinearEmaRate(now, end, rate), 0.9999);

    /// <summary>EMA rate of short runs: forgets the first weights quickly, min(rate, (1 + s) / (10 + s)) at step s.</summary>
    public static double EmaRateWithWarmup(long step, double rate) => Math.Min(rate, (1.0 + step) / (10.0 + step));

    /// <summary>Weight decay as intended: linear from 0 to <paramref name="target"/>.</summary>
    public static double WeightDecay(double now, double end, double target) => now / end * target;

    /// <summary>
    /// Weight decay as published (oddity 20): a group is updated only while its decay is above 0, and the first update of a run
    /// that starts at time 0 writes 0. <paramref name="started"/> is when the run's process started.
    /// </summary>
    public static double PublishedWeightDecay(double now, double end, double target, double started = 0) =>
        started > 0 ? WeightDecay(now, end, target) : 0;
}
