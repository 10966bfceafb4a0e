namespace JepaT.Notebooks;

/// <summary>
/// Runs a cell's code on the session's thread as long as that is free, also what follows an await: libtorch keeps gradient mode, scopes and
/// its pool of workers by thread. While it is blocked, as in <c>task.Result</c>, the pool helps out, so that nothing waits for itself.
/// </summary>
internal sealed class CellScheduler(SessionThread thread) : TaskScheduler
{
    private readonly HashSet<Thread> running = [];
    private volatile bool ended, woken;

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
        {
            woken = true;
            foreach (var one in running) one.Interrupt();
        }
    }

    protected override void QueueTask(Task task)
    {
        if (ended) return;
        if (task.CreationOptions.HasFlag(TaskCreationOptions.LongRunning)) new Thread(() => Execute(task)) { IsBackground = true }.UnsafeStart();
        else thread.Run(() => Execute(task));
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
        while (!Leave()) { }
    }

    // A wake-up may come as late as here, and must not go with the thread, which others use next.
    private bool Leave()
    {
        try
        {
            lock (running) running.Remove(Thread.CurrentThread);
            if (woken) Thread.Sleep(1);
            return true;
        }
        catch (ThreadInterruptedException)
        {
            return false;
        }
    }
}

/// <summary>One thread for all cells of a session.</summary>
internal sealed class SessionThread : IDisposable
{
    private const int StackSize = 16 << 20;     // as much as recursion in a cell may reasonably want
    private static readonly TimeSpan Blocked = TimeSpan.FromMilliseconds(10);

    private readonly object gate = new();
    private readonly LinkedList<Action> waiting = [];
    private bool idle, ended;

    public SessionThread() => new Thread(Loop, StackSize) { IsBackground = true, Name = "notebook cells" }.UnsafeStart();

    /// <summary>Runs it here as soon as the thread is free, or on the pool when that takes longer than a moment.</summary>
    public void Run(Action action)
    {
        lock (gate)
        {
            var place = waiting.AddLast(action);
            if (idle) Monitor.Pulse(gate);
            else _ = HelpAsync(place);
            idle = false;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            ended = true;
            Monitor.Pulse(gate);
        }
    }

    private async Task HelpAsync(LinkedListNode<Action> place)
    {
        await Task.Delay(Blocked).ConfigureAwait(false);
        lock (gate)
        {
            if (place.List is null) return;
            waiting.Remove(place);
        }
        place.Value();
    }

    private void Loop()
    {
        while (true)
        {
            Action next;
            lock (gate)
            {
                while (waiting.Count == 0)
                {
                    if (ended) return;
                    idle = true;
                    Monitor.Wait(gate);
                }
                idle = false;
                next = waiting.First!.Value;
                waiting.RemoveFirst();
            }
            next();
        }
    }
}
