using System.Runtime;

namespace JepaT.Notebooks;

/// <summary>
/// Runs a cell's code so that it can be ended from outside, even in an endless loop: every piece of it, also what follows an await or is
/// started by <c>Parallel</c> or <c>Task.Factory</c>, runs below <see cref="ControlledExecution"/>, .NET's own way to abort a thread's work.
/// (What the cell hands to <c>Task.Run</c> or a thread of its own is out of reach.) The session's thread does the work as long as it is
/// free: libtorch keeps gradient mode, scopes and its pool of workers by thread. When it is blocked, as in <c>task.Result</c>, the
/// pool helps out, so that nothing waits for itself.
/// </summary>
internal sealed class CellScheduler(SessionThread thread, CancellationToken abort) : TaskScheduler
{
    [ThreadStatic]
    private static CellScheduler? Inside;

    private int running;

    /// <summary>Whether any thread is in the cell's code.</summary>
    public bool Busy => Volatile.Read(ref running) > 0;

    protected override void QueueTask(Task task)
    {
        if (abort.IsCancellationRequested) return;          // an aborted cell's continuations have no one to wait for them
        if (task.CreationOptions.HasFlag(TaskCreationOptions.LongRunning)) new Thread(() => Execute(task)) { IsBackground = true }.UnsafeStart();
        else if (!thread.TryRun(() => Execute(task))) ThreadPool.UnsafeQueueUserWorkItem(_ => Execute(task), null);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => Inside == this && TryExecuteTask(task);

    protected override IEnumerable<Task> GetScheduledTasks() => [];

    private void Execute(Task task)
    {
        Interlocked.Increment(ref running);
        Inside = this;
        try
        {
#pragma warning disable SYSLIB0046 // dangerous where state outlives the process; a cell's does not, and the choice is this or a restart
            if (!abort.IsCancellationRequested) ControlledExecution.Run(() => TryExecuteTask(task), abort);
#pragma warning restore SYSLIB0046
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
            // that is how an abort ends; the session has given the cell up already
        }
        finally
        {
            Inside = null;
            Interlocked.Decrement(ref running);
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
