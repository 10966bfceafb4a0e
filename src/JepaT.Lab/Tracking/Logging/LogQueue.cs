namespace JepaT.Lab;

/// <summary>Something that waits to be written.</summary>
internal abstract record LogEntry;

internal sealed record MetricEntry(Metric Metric) : LogEntry;

internal sealed record ParamEntry(string Key, string Value) : LogEntry;

internal sealed record TagEntry(string Key, string Value) : LogEntry;

/// <summary>Any other call of the store; repeating it must be harmless.</summary>
internal sealed record WorkEntry(Action Do) : LogEntry;

/// <summary>
/// The queue of one run and the thread that empties it, in order and in batches that MLflow takes. An entry leaves the queue
/// only when it is written.
/// </summary>
internal sealed class LogQueue
{
    // A killed process may lose what waits and what is being written, a second's worth in all: this leaves room for the writing.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.3);
    private const int MostWaiting = 1_000_000;      // while the store cannot be written: some 100 MB
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.2), LongestPause = TimeSpan.FromSeconds(5);

    private readonly ITrackingStore store;
    private readonly string runId, title;
    private readonly Thread thread;
    private readonly object gate = new();           // a Monitor: the thread sleeps on it
    private readonly List<LogEntry> waiting = [];
    private long added, written;
    private bool hurry, closing, stopped, delayed;
    private Exception? failure, delay;

    public LogQueue(ITrackingStore store, string runId, string title, TextWriter warnings)
    {
        (this.store, this.runId, this.title, Warnings) = (store, runId, title, warnings);
        thread = new Thread(Run) { IsBackground = true, Name = "tracking" };
        thread.Start();
    }

    public TextWriter Warnings { get; }

    public void Add(LogEntry entry)
    {
        lock (gate)
        {
            ThrowFailure();
            if (delayed && waiting.Count >= MostWaiting) throw new UserException($"{title}: {waiting.Count} values wait in memory, and more do not fit: {delay?.Message}", delay!);
            waiting.Add(entry);
            added++;
            if (waiting.Count is 1 or MlflowRules.MaxMetrics) Monitor.PulseAll(gate);
        }
    }

    public void Flush(TimeSpan patience)
    {
        lock (gate) Await(added, patience);
    }

    /// <summary>Writes all and a last entry, then ends the thread. After a failure the rest is tried once more.</summary>
    public void Close(LogEntry last, TimeSpan patience)
    {
        try
        {
            lock (gate)
            {
                failure = null;
                waiting.Add(last);
                added++;
                Await(added, patience);
            }
        }
        finally
        {
            lock (gate)
            {
                closing = true;
                Monitor.PulseAll(gate);
            }
        }
    }

    private void Await(long target, TimeSpan patience)
    {
        var end = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        hurry = true;
        Monitor.PulseAll(gate);
        while (written < target)
        {
            ThrowFailure();
            var left = end - Environment.TickCount64;
            if (left <= 0 || stopped)
                throw new UserException($"{title}: {waiting.Count} values are not written yet: {delay?.Message ?? "the store is too slow"}", delay ?? new TimeoutException());
            Monitor.Wait(gate, (int)Math.Min(left, 1000));
        }
    }

    private void ThrowFailure()
    {
        if (failure is UserException) throw new UserException(failure.Message, failure);
        if (failure is not null) throw new InvalidOperationException($"{title}: logging failed: {failure.Message}", failure);
    }

    private void Run()
    {
        var pause = FirstPause;
        while (NextBatch() is { } batch)
        {
            try
            {
                Write(batch);
                Done(batch.Count);
                pause = FirstPause;
            }
            catch (Exception e) when (store.IsTransient(e))
            {
                Delay(e, pause);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
            catch (Exception e)         // handed to the trainer at its next call
            {
                Fail(e);
            }
        }
    }

    /// <summary>The next entries that go into one call of the store; null when all is done.</summary>
    private List<LogEntry>? NextBatch()
    {
        lock (gate)
        {
            while ((waiting.Count == 0 || failure is not null) && !closing) Monitor.Wait(gate);
            if (waiting.Count > 0 && !hurry && !closing && waiting.Count < MlflowRules.MaxMetrics)
            {
                var end = Environment.TickCount64 + (long)Interval.TotalMilliseconds;
                while (end - Environment.TickCount64 is > 0 and var left && !hurry && !closing && waiting.Count < MlflowRules.MaxMetrics)
                    Monitor.Wait(gate, (int)left);
            }
            if (closing)                // all is written, or the caller has given up and was told so
            {
                stopped = true;
                Monitor.PulseAll(gate);
                return null;
            }
            return Batch();
        }
    }

    private List<LogEntry> Batch()
    {
        if (waiting[0] is WorkEntry) return [waiting[0]];
        var batch = new List<LogEntry>();
        int metrics = 0, parameters = 0, tags = 0;
        foreach (var entry in waiting)
        {
            var fits = entry switch
            {
                MetricEntry => ++metrics <= MlflowRules.MaxMetrics,
                ParamEntry => ++parameters <= MlflowRules.MaxParams,
                TagEntry => ++tags <= MlflowRules.MaxTags,
                _ => false,
            };
            if (!fits || batch.Count == MlflowRules.MaxItems) break;
            batch.Add(entry);
        }
        return batch;
    }

    private void Write(List<LogEntry> batch)
    {
        if (batch[0] is WorkEntry work)
        {
            work.Do();
            return;
        }
        store.LogBatch(runId,
            [.. batch.OfType<MetricEntry>().Select(e => e.Metric)],
            [.. batch.OfType<ParamEntry>().Select(e => KeyValuePair.Create(e.Key, e.Value))],
            [.. batch.OfType<TagEntry>().Select(e => KeyValuePair.Create(e.Key, e.Value))]);
    }

    private void Done(int count)
    {
        lock (gate)
        {
            waiting.RemoveRange(0, count);
            written += count;
            if (waiting.Count == 0) hurry = false;
            if (delayed) Warnings.WriteLine($"{title}: the store can be written again");
            (delayed, delay) = (false, null);
            Monitor.PulseAll(gate);
        }
    }

    private void Delay(Exception e, TimeSpan pause)
    {
        lock (gate)
        {
            if (!delayed) Warnings.WriteLine($"warning: {title}: {e.Message}; values are kept in memory and written later");
            (delayed, delay) = (true, e);
            Monitor.PulseAll(gate);
            var end = Environment.TickCount64 + (long)pause.TotalMilliseconds;
            while (!closing && end - Environment.TickCount64 is > 0 and var left) Monitor.Wait(gate, (int)left);
        }
    }

    private void Fail(Exception e)
    {
        lock (gate)
        {
            failure = e;
            Monitor.PulseAll(gate);
        }
    }
}
