namespace JepaT.Notebooks;

/// <summary>
/// Runs a cell's code on the session's thread as long as that is free, also what follows an await: libtorch keeps gradient mode, scopes and
/// its pool of workers by thread. While it is blocked, as in <c>task.Result</c>, the pool helps out, so that nothing waits for itself.
/// </summary>
internal sealed class CellScheduler(SessionThread thread) : TaskScheduler
{
    private readonly HashSet<Thread> running = [];
    private volatile bool ended;

    /// <summary>Whether any thread is in the cell's code.</summary>
    public bool Busy
    {
        get { lock (running) return running.Count > 0; }
    }

    /// <summary>Runs no more of the cell: what it still awaits has no one to wait for it.</summary>
    public void End() => ended = true;

    /// <summary>Wakes the cell's code where it sleeps or waits.</summary>
    public void Wake()
    {
        lock (running)
            foreach (var one in running) one.Interrupt();
    }

    protected override void QueueTask(Task task)
    {
        if (ended) return;
        if (task.CreationOptions.HasFlag(TaskCreationOptions.LongRunning)) new Thread(() => Execute(task)) { IsBackground = true }.UnsafeStart();
        else if (!thread.TryRun(() => Execute(task))) ThreadPool.UnsafeQueueUserWorkItem(_ => Execute(task), null);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => Current == this && !ended && TryExecuteTask(task);

    protected override IEnumerable<Task> GetScheduledTasks() => [];

    private void Execute(Task task)
    {
        lock (running)
        {
            if (ended) return;
            running.Add(Thread.CurrentThread);
        }
        TryExecuteTask(task);
        lock (running) running.Remove(Thread.CurrentThread);
        try
        {
            Thread.CurrentThread.Join(0);       // takes a late wake-up off the thread, which goes back to others
        }
        catch (ThreadInterruptedException)
        {
            // that was it
        }
    }
}

/// <summary>One thread for all cells of a session, which takes work only while it has none.</summary>
internal sealed class SessionThread : IDisposable
{
    private const int StackSize = 16 << 20;     // as much as recursion in a cell may reasonably want

    private readonly Lock gate = new();
    private readonly SemaphoreSlim wake = new(0);
    private Action? work;
    private bool idle = true, ended;

    public SessionThread() => new Thread(Loop, StackSize) { IsBackground = true, Name = "notebook cells" }.UnsafeStart();

    public bool TryRun(Action action)
    {
        lock (gate)
        {
            if (!idle || ended) return false;
            (work, idle) = (action, false);
        }
        wake.Release();
        return true;
    }

    public void Dispose()
    {
        lock (gate) ended = true;
        wake.Release();
    }

    private void Loop()
    {
        while (true)
        {
            wake.Wait();
            Action? next;
            lock (gate) (next, work) = (work, null);
            if (next is null) return;
            next();
            lock (gate) idle = true;
        }
    }
}
