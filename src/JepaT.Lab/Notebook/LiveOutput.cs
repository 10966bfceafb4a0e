namespace JepaT.Lab;

/// <summary>
/// An output that changes in place. However often it is told, it shows at most ten states a second, and the last one always; what is
/// skipped is never rendered. In a host that cannot change an output only the last state is shown, once, at the end.
/// </summary>
public sealed class LiveOutput : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(0.1);

    private readonly INotebookHost host;
    private readonly TimeProvider clock;
    private IDisplayed? shown;
    private object? waiting;
    private long last;

    internal LiveOutput(INotebookHost host, TimeProvider clock) => (this.host, this.clock) = (host, clock);

    /// <summary>Shows this in place of what was shown before. A chart or table that is filled further may be given again and again.</summary>
    public void Update(object value)
    {
        waiting = value;
        if (host is IOnceOnly || (shown is not null && clock.GetElapsedTime(last) < Interval)) return;
        Flush();
    }

    /// <summary>Shows the last state.</summary>
    public void Dispose() => Flush();

    private void Flush()
    {
        if (waiting is null) return;
        // One MIME type for all states: a host's handle keeps the one that it began with.
        var view = View.Of(waiting);
        var (mime, content) = host is ConsoleHost ? ("text/plain", view.ToString()) : ("text/html", view.ToHtml());
        if (shown is null) shown = host.Show(mime, content);
        else shown.Update(mime, content);
        (waiting, last) = (null, clock.GetTimestamp());
    }
}

/// <summary>Marks a host that cannot change what it has shown.</summary>
internal interface IOnceOnly;
