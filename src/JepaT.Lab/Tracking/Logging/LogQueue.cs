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
/// only when it is written; while it cannot be, for whatever reason, it is tried again and the caller goes on. A single entry that a run
/// which takes others refuses is set aside, so that it does not hold up the rest, and tried once more at the end.
/// </summary>
internal sealed class LogQueue
{
    // A killed process may lose what waits and what is being written, a second's worth in all: this leaves room for the writing.
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.3);
    private const int MostWaiting = 1_000_000;      // while the store cannot be written: some 100 MB
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(0.2), LongestPause = TimeSpan.FromSeconds(5);

    private readonly ITrackingStore store;
    private readonly string runId, title;
    private readonly int mostWaiting;
    private readonly Thread thread;
    private readonly object gate = new();           // a Monitor: the thread sleeps on it
    private readonly List<LogEntry> waiting = [], refused = [];
    private long added, written, failures;
    private int most = MlflowRules.MaxItems;        // entries of the next batch: fewer while the one that is refused is looked for
    private bool hurry, retry, closing, stopped, delayed, lasting, toldRefused;
    private Exception? delay, refusal;

    public LogQueue(ITrackingStore store, string runId, string title, TextWriter warnings, int mostWaiting = MostWaiting)
    {
        (this.store, this.runId, this.title, Warnings, this.mostWaiting) = (store, runId, title, warnings, mostWaiting);
        thread = new Thread(Run) { IsBackground = true, Name = "tracking" };
        thread.Start();
    }

    public TextWriter Warnings { get; }

    /// <exception cref="UserException">The store cannot be written and no more fits into memory.</exception>
    public void Add(LogEntry entry)
    {
        lock (gate)
        {
            if (delayed && waiting.Count >= mostWaiting) throw new UserException($"{title}: {waiting.Count} values wait in memory, and more do not fit: {delay?.Message}", delay!);
            waiting.Add(entry);
            added++;
            if (waiting.Count is 1 or MlflowRules.MaxMetrics) Monitor.PulseAll(gate);
        }
    }

    /// <summary>Waits until all is written.</summary>
    /// <exception cref="UserException">It is not: within the patience, or since the store refuses it.</exception>
    public void Flush(TimeSpan patience)
    {
        lock (gate) Await(added, patience, "not written yet");
    }

    /// <summary>Waits until all is written or the store cannot be written, whichever is first, and not longer than the patience.</summary>
    public void Hurry(TimeSpan patience)
    {
        lock (gate)
        {
            var (target, end) = (added, Environment.TickCount64 + (long)patience.TotalMilliseconds);
            hurry = true;
            Monitor.PulseAll(gate);
            while (written < target && !delayed && end - Environment.TickCount64 is > 0 and var left) Monitor.Wait(gate, (int)left);
        }
    }

    /// <summary>Writes all and a last entry, then ends the thread. What was refused is tried once more.</summary>
    /// <exception cref="UserException">Something is not written: names it.</exception>
    public void Close(LogEntry last, TimeSpan patience)
    {
        try
        {
            lock (gate)
            {
                waiting.AddRange(refused);
                waiting.Add(last);
                added += refused.Count + 1;
                refused.Clear();
                Await(added, patience, "lost");
                if (refused.Count > 0) throw Failure($"{title}: {Describe(refused)} lost: {refusal?.Message}", refusal);
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

    private void Await(long target, TimeSpan patience, string outcome)
    {
        var (end, before) = (Environment.TickCount64 + (long)patience.TotalMilliseconds, failures);
        (hurry, retry) = (true, true);
        Monitor.PulseAll(gate);
        while (written < target)
        {
            var left = end - Environment.TickCount64;
            if (left <= 0 || stopped || (failures > before && lasting))
                throw Failure($"{title}: {Describe(waiting)} {outcome}: {delay?.Message ?? "the store is too slow"}", delay);
            Monitor.Wait(gate, (int)Math.Min(left, 1000));
        }
    }

    private static Exception Failure(string message, Exception? reason) =>
        reason is null or UserException ? new UserException(message, reason ?? new TimeoutException()) : new InvalidOperationException(message, reason);

    /// <summary>What entries are, for a message: <c>40 values (steps 31 to 40) and 2 other entries (files, pictures, the status) are</c>.</summary>
    private static string Describe(List<LogEntry> entries)
    {
        var steps = entries.OfType<MetricEntry>().Where(e => !e.Metric.Key.StartsWith("system/", StringComparison.Ordinal)).Select(e => e.Metric.Step).ToList();
        var works = entries.Count(e => e is WorkEntry);
        List<string> parts = [];
        if (works < entries.Count) parts.Add($"{entries.Count - works} values" + (steps.Count > 0 ? $" (steps {steps.Min()} to {steps.Max()})" : ""));
        if (works > 0) parts.Add($"{works} other entries (files, pictures, the status)");
        return string.Join(" and ", parts) + " are";
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
            catch (Exception e) when (IsRefusal(e))
            {
                if (batch.Count == 1) Refuse(e);
                else most = batch.Count / 2;
            }
            catch (Exception e)             // it must not end the training
            {
                Delay(e, pause);
                pause = pause * 2 < LongestPause ? pause * 2 : LongestPause;
            }
        }
    }

    /// <summary>The next entries that go into one call of the store; null when all is done.</summary>
    private List<LogEntry>? NextBatch()
    {
        lock (gate)
        {
            while (waiting.Count == 0 && !closing) Monitor.Wait(gate);
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
            if (!fits || batch.Count >= most) break;
            batch.Add(entry);
        }
        return batch;
    }

    private void Write(List<LogEntry> batch)
    {
        try
        {
            Call(batch);
        }
        catch (UserException e) when (store is SpooledStore && !store.IsTransient(e))
        {
            ((SpooledStore)store).Keep(runId);      // the spool tells what is the matter, keeps what is refused, and sends the rest
            Call(batch);
        }
    }

    private void Call(List<LogEntry> batch)
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

    /// <summary>Whether a value is refused by a run that takes others: trying again would be in vain.</summary>
    private bool IsRefusal(Exception e)
    {
        if (e is not UserException { InnerException: null or MlflowException } || store.IsTransient(e)) return false;
        try
        {
            return store is SpooledStore || store.GetRun(runId).Info is { Deleted: false, EndTime: null };
        }
        catch (UserException)
        {
            return false;
        }
    }

    private void Refuse(Exception e)
    {
        lock (gate)
        {
            if (!toldRefused) Warnings.WriteLine($"warning: {title}: {e.Message}; it is tried again at the end");
            (toldRefused, refusal) = (true, e);
            refused.Add(waiting[0]);
            Remove(1);
        }
    }

    private void Done(int count)
    {
        lock (gate)
        {
            if (delayed) Warnings.WriteLine($"{title}: the store can be written again");
            (delayed, lasting, delay) = (false, false, null);
            Remove(count);
        }
    }

    private void Remove(int count)
    {
        waiting.RemoveRange(0, count);
        written += count;
        most = MlflowRules.MaxItems;
        if (waiting.Count == 0) hurry = false;
        Monitor.PulseAll(gate);
    }

    private void Delay(Exception e, TimeSpan pause)
    {
        lock (gate)
        {
            if (!delayed) Warnings.WriteLine($"warning: {title}: {e.Message}; values are kept in memory and written later");
            (delayed, lasting, delay) = (true, !store.IsTransient(e), e);
            failures++;
            Monitor.PulseAll(gate);
            var end = Environment.TickCount64 + (long)pause.TotalMilliseconds;
            while (!closing && !retry && end - Environment.TickCount64 is > 0 and var left) Monitor.Wait(gate, (int)left);
            retry = false;
        }
    }
}
