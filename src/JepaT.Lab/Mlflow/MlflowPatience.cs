namespace JepaT.Lab;

/// <summary>A token that ends with the caller's, or when nothing moved for a time.</summary>
internal sealed class MlflowPatience : IDisposable
{
    private readonly TimeSpan time;
    private readonly CancellationTokenSource timer;
    private readonly CancellationTokenSource linked;
    private volatile bool disposed;

    public MlflowPatience(TimeSpan time, TimeProvider clock, CancellationToken cancel)
    {
        (this.time, timer) = (time, new CancellationTokenSource(time, clock));
        linked = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancel);
    }

    public CancellationToken Token => linked.Token;

    /// <summary>Whether nothing moved for too long.</summary>
    public bool IsOver => timer.IsCancellationRequested;

    /// <summary>Something moved: the time begins anew.</summary>
    public void Progress()
    {
        if (!disposed) timer.CancelAfter(time);
    }

    public void Dispose()
    {
        disposed = true;
        linked.Dispose();
        timer.Dispose();
    }
}
