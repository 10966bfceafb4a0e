using System.Diagnostics;
using System.Text;

namespace JepaT.Notebooks;

/// <summary>
/// Takes the outputs of cells from whichever thread they come and hands them on from one of its own, in order. Text is gathered for a
/// moment, so that a loop that prints is not slowed down by its front end, and an output is changed at most ten times a second; its last
/// state always arrives. Of a cell that shows more than anyone can look at the rest is dropped. A cell that is interrupted while it writes cannot damage what it writes to: it only ever adds to a list.
/// </summary>
internal sealed class Outlet : IDisposable
{
    /// <summary>So many outputs are kept of a cell, and so many characters in them: a loop that shows must fill neither memory nor disk.</summary>
    internal const int MostOutputs = 1000, MostData = 64 << 20;

    private const int Full = 1 << 20;           // characters that may wait before a cell that prints must wait itself
    private const int Overhead = 100;           // of an entry, in characters
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(20), Interval = TimeSpan.FromMilliseconds(100);

    private readonly object gate = new();
    private readonly Dictionary<string, long> updated = [];                     // display → when it was last changed
    private readonly Dictionary<string, (ICellOutput Target, MimeBundle Data)> delayed = [];
    private List<Entry> waiting = [];
    private int waitingText, requested, served;        // flushes
    private int outputs, data;                         // of the cell; less than none when it has shown too much
    private ICellOutput? target;
    private Exception? failure;
    private bool ended;

    public Outlet() => new Thread(Loop) { IsBackground = true, Name = "notebook outputs" }.UnsafeStart();

    /// <summary>From here on outputs go to this one, also those of threads that earlier cells have left behind.</summary>
    public void Begin(ICellOutput output)
    {
        lock (gate) (target, outputs, data) = (output, 0, 0);
    }

    public void Write(string stream, string text)
    {
        if (text.Length > 0) Add(new Entry(stream, text, null));
    }

    /// <summary>Shows an output; false when the cell has shown too much already, which is told once.</summary>
    public bool Display(MimeBundle bundle, string id)
    {
        lock (gate)
        {
            if (outputs < 0) return false;
            if (outputs == MostOutputs || bundle.Size > MostData - data)
            {
                outputs = -1;
                Write("stderr", $"… (cut: a cell keeps {MostOutputs:N0} outputs of {MostData >> 20} million characters together; the rest is dropped)\n");
                return false;
            }
            (outputs, data) = (outputs + 1, data + bundle.Size);
        }
        Add(new Entry(id, null, bundle));
        return true;
    }

    public void Update(string id, MimeBundle data) => Add(new Entry(id, null, data, Kind.Update));

    public void Clear(bool wait)
    {
        lock (gate) (outputs, data) = (0, 0);
        Add(new Entry(wait ? "wait" : "", null, null, Kind.Clear));
    }

    /// <summary>A line from the user. The wait can be interrupted, the front end's part of it goes on.</summary>
    public string? ReadLine(string prompt, bool password)
    {
        Flush();
        ICellOutput? output;
        lock (gate) output = target;
        return output is null ? null : Task.Run(() => output.ReadLine(prompt, password)).GetAwaiter().GetResult();
    }

    /// <summary>Waits until all outputs so far have been handed on.</summary>
    /// <exception cref="IOException">Whoever takes them failed.</exception>
    public void Flush()
    {
        lock (gate)
        {
            var mine = ++requested;
            Monitor.PulseAll(gate);
            while (served < mine && !ended) Monitor.Wait(gate);
            if (Interlocked.Exchange(ref failure, null) is { } e) throw new IOException($"outputs cannot be handed on: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            ended = true;
            Monitor.PulseAll(gate);
        }
    }

    private void Add(Entry entry)
    {
        lock (gate)
        {
            while (waitingText > Full && !ended) Monitor.Wait(gate);
            if (target is null || ended) return;
            waiting.Add(entry with { Target = target });
            waitingText += (entry.Text?.Length ?? 0) + (entry.Data?.Size ?? 0) + Overhead;
            if (waiting.Count == 1) Monitor.PulseAll(gate);
        }
    }

    private void Loop()
    {
        while (true)
        {
            List<Entry> batch;
            int serves;
            bool all;
            lock (gate)
            {
                while (waiting.Count == 0 && requested == served && !ended && !Due()) Monitor.Wait(gate, delayed.Count > 0 ? Interval : Timeout.InfiniteTimeSpan);
                if (requested == served && !ended) Monitor.Wait(gate, Gather);
                (batch, waiting, waitingText, serves) = (waiting, [], 0, requested);
                all = ended || serves > served;
                Monitor.PulseAll(gate);
            }
            try
            {
                Deliver(batch, all);
            }
            catch (Exception e)                 // told to the cell that waits for its outputs; those that follow are still tried
            {
                lock (gate) failure = e;
            }
            lock (gate)
            {
                served = serves;
                Monitor.PulseAll(gate);
                if (ended && waiting.Count == 0 && delayed.Count == 0) return;
            }
        }
    }

    private bool Due() => delayed.Keys.Any(id => Stopwatch.GetElapsedTime(updated.GetValueOrDefault(id)) >= Interval);

    private void Deliver(List<Entry> batch, bool all)
    {
        WithoutCleared(batch);
        for (var i = 0; i < batch.Count; i++)
        {
            var entry = batch[i];
            switch (entry.Kind)
            {
                case Kind.Add when entry.Text is not null:
                    var text = new StringBuilder(entry.Text);
                    while (i + 1 < batch.Count && batch[i + 1] is { Text: { } more } next && next.Name == entry.Name && next.Target == entry.Target) (_, i) = (text.Append(more), i + 1);
                    entry.Target!.Stream(entry.Name, text.ToString());
                    break;
                case Kind.Add:
                    updated[entry.Name] = Stopwatch.GetTimestamp();
                    entry.Target!.Display(entry.Data!, entry.Name);
                    break;
                case Kind.Clear:
                    entry.Target!.Clear(entry.Name.Length > 0);
                    break;
                default:
                    lock (gate) delayed[entry.Name] = (entry.Target!, entry.Data!);
                    break;
            }
        }
        List<KeyValuePair<string, (ICellOutput Target, MimeBundle Data)>> due;
        lock (gate)
        {
            due = [.. delayed.Where(d => all || Stopwatch.GetElapsedTime(updated.GetValueOrDefault(d.Key)) >= Interval)];
            foreach (var (id, _) in due) delayed.Remove(id);
            foreach (var (id, time) in updated) if (Stopwatch.GetElapsedTime(time) >= Interval) updated.Remove(id);
            foreach (var (id, _) in due) updated[id] = Stopwatch.GetTimestamp();
        }
        foreach (var (id, (output, data)) in due) output.Update(id, data);
    }

    // What is cleared in the same moment nobody could have seen: a loop that clears and shows costs no more than its last picture.
    private static void WithoutCleared(List<Entry> batch)
    {
        var shows = batch.FindLastIndex(e => e.Kind == Kind.Add);
        var last = batch.Count - 1;
        while (last > 0 && !(batch[last].Kind == Kind.Clear && (batch[last].Name.Length == 0 || (last < shows && batch[last].Target == batch[shows].Target)))) last--;
        if (last <= 0) return;
        var (target, at) = (batch[last].Target, 0);
        batch.RemoveAll(e => at++ < last && e.Kind != Kind.Update && e.Target == target);
    }

    private enum Kind { Add, Update, Clear }

    private sealed record Entry(string Name, string? Text, MimeBundle? Data, Kind Kind = Kind.Add, ICellOutput? Target = null);
}
