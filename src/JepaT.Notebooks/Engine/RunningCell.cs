namespace JepaT.Notebooks;

/// <summary>
/// One run of a cell, and how it is ended: first its token is cancelled; then its checks throw and what it awaits is given up; then its
/// threads are woken from sleeping and waiting. A cell that asked for the token gets time before the second and third, for it may have a
/// checkpoint to write; a second interrupt takes it away.
/// </summary>
internal sealed class RunningCell(Session session, SessionThread thread)
{
    private static readonly TimeSpan ToObey = TimeSpan.FromSeconds(0.7), ToFinish = TimeSpan.FromSeconds(4), Nap = TimeSpan.FromSeconds(0.2);
    private static readonly AsyncLocal<RunningCell?> Running = new();

    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource givenUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile bool asked;
    private int interrupts;

    /// <summary>The cell that this code belongs to, on whatever thread it was started.</summary>
    public static RunningCell? Current => Running.Value;

    public Session Session => session;

    public CellScheduler Scheduler { get; } = new(thread);

    /// <summary>Cancelled by the first interrupt.</summary>
    public CancellationToken Stopped => stop.Token;

    public bool IsInterrupted => Volatile.Read(ref interrupts) > 0;

    /// <summary>Whether its checks end it.</summary>
    public bool MustEnd => givenUp.Task.IsCompleted;

    /// <summary>Whether it has taken its token, and so ends as it likes.</summary>
    public bool HasAsked => asked;

    /// <summary>Ends when no one waits for the cell any longer.</summary>
    public Task GivenUp => givenUp.Task;

    /// <summary>All was tried, for seconds.</summary>
    public bool RefusesToEnd { get; private set; }

    /// <summary>Its code is being compiled, which ends by itself and must not be broken off halfway.</summary>
    public bool Compiling { get; set; }

    /// <summary>The token, for the cell's own use.</summary>
    public CancellationToken AskForStop()
    {
        asked = true;
        return Stopped;
    }

    public Task<T> Start<T>(Func<Task<T>> work)
    {
        var outer = Running.Value;
        Running.Value = this;
        try
        {
            return Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.None, Scheduler).Unwrap();
        }
        finally
        {
            Running.Value = outer;
        }
    }

    /// <summary>Returns at once.</summary>
    public void Interrupt()
    {
        var again = Interlocked.Increment(ref interrupts) > 1;
        var (toObey, toFinish) = (again || !asked ? TimeSpan.Zero : ToObey, again ? TimeSpan.Zero : asked ? ToFinish : Nap);
        Background(Cancel);
        Background(() => End(toObey, toFinish));
    }

    // Threads, since the cell may have filled the pool.
    private static void Background(Action action) => new Thread(() => action()) { IsBackground = true, Name = "notebook interrupt" }.UnsafeStart();

    private void Cancel()
    {
        try
        {
            stop.Cancel();
        }
        catch (AggregateException)          // what the cell has registered failed: it is ended all the same
        {
        }
    }

    private void End(TimeSpan toObey, TimeSpan toFinish)
    {
        Thread.Sleep(toObey);
        CellStop.Look(true);
        givenUp.TrySetResult();
        Thread.Sleep(toFinish);
        for (var i = 0; i < 30 && Scheduler.Busy; i += Compiling ? 0 : 1)
        {
            if (!Compiling) Scheduler.Wake();
            Thread.Sleep(100);
        }
        RefusesToEnd = true;
    }
}
