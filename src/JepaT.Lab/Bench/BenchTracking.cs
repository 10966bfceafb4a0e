using System.Diagnostics;

namespace JepaT.Lab;

/// <summary>How fast a store took values.</summary>
/// <param name="Store">Which.</param>
/// <param name="Values">How many.</param>
/// <param name="Seconds">For all of them.</param>
internal sealed record TrackingRate(string Store, int Values, double Seconds)
{
    /// <summary>Values a second.</summary>
    public double PerSecond => Values / Seconds;
}

/// <summary>A block of training steps with logging, and the one without beside it.</summary>
/// <param name="With">Seconds, until the last value is in the store.</param>
/// <param name="Without">Seconds.</param>
/// <param name="InCalls">Seconds that the training thread spent in logging calls.</param>
internal sealed record TrackingPair(double With, double Without, double InCalls)
{
    /// <summary>How many times as long the steps take with logging.</summary>
    public double Ratio => With / Without;

    /// <summary>Share of the training thread's time in logging calls.</summary>
    public double Share => InCalls / With;
}

/// <summary>What tracking costs: values a second into a store, and what a training step loses by it.</summary>
internal static class BenchTracking
{
    private const int Keys = 10;
    private static readonly string[] Logged = ["train/loss", "train/flow", "train/jepa", "train/gradient_norm", "train/learning_rate"];

    /// <summary>Writes so many values, spread over ten metrics, in the largest batches that MLflow takes.</summary>
    public static TrackingRate Rate(ITrackingStore store, string name, int values, Action<int>? progress = null, CancellationToken cancel = default)
    {
        var run = store.CreateRun(store.GetOrCreateExperiment("bench"), "values", 0).RunId;
        var batch = new List<Metric>(MlflowRules.MaxMetrics);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < values; i++)
        {
            batch.Add(new($"train/metric{i % Keys}", 1.0 / (i + 1), i, i / Keys));
            if (batch.Count < MlflowRules.MaxMetrics && i < values - 1) continue;
            cancel.ThrowIfCancellationRequested();
            store.LogBatch(run, batch, [], []);
            batch.Clear();
            progress?.Invoke(i + 1);
        }
        store.UpdateRun(run, RunStatus.Finished, values);
        return new(name, values, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>
    /// The same training steps with and without logging five values each, block beside block in one process; which comes first changes
    /// from pair to pair, so that neither a warm machine nor a busy one favours either.
    /// </summary>
    public static List<TrackingPair> Pairs(Action step, ITrackingStore store, int pairs, int steps, Action<int>? progress = null, CancellationToken cancel = default)
    {
        using var log = RunLogger.Start(store, "bench", "steps");
        var (found, count) = (new List<TrackingPair>(), 0L);
        step();
        for (var pair = 0; pair < pairs; pair++)
        {
            progress?.Invoke(pair);
            double with, calls, without;
            if (pair % 2 == 0) ((with, calls), without) = (With(), Without());
            else (without, (with, calls)) = (Without(), With());
            found.Add(new(with, without, calls));
        }
        log.Finish();
        return found;

        double Without()
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < steps; i++)
            {
                cancel.ThrowIfCancellationRequested();
                step();
            }
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        (double Seconds, double InCalls) With()
        {
            var (start, inCalls) = (Stopwatch.GetTimestamp(), TimeSpan.Zero);
            for (var i = 0; i < steps; i++)
            {
                cancel.ThrowIfCancellationRequested();
                step();
                var call = Stopwatch.GetTimestamp();
                foreach (var key in Logged) log.Metric(key, 1.0 / (count + 1), count);
                inCalls += Stopwatch.GetElapsedTime(call);
                count++;
            }
            log.Flush();            // the writing belongs to this block, not to the next
            return (Stopwatch.GetElapsedTime(start).TotalSeconds, inCalls.TotalSeconds);
        }
    }
}
