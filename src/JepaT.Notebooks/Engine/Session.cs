using System.Diagnostics;

namespace JepaT.Notebooks;

/// <summary>How a session is set up.</summary>
internal sealed record SessionOptions
{
    /// <summary>The notebook's folder, from which relative paths in its directives count.</summary>
    public string? Folder { get; init; }
}

/// <summary>
/// Runs the cells of one notebook, one at a time, each seeing what those before it declared. A cell that fails keeps what it had done; one
/// that does not compile changes nothing.
/// </summary>
internal sealed class Session : IAsyncDisposable
{
    /// <summary>From an interrupt to the abort of a cell that did not end by itself.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromMilliseconds(400);

    /// <summary>The same for a cell that asked for <see cref="Stop"/>: it may have a checkpoint to write. A second interrupt ends it at once.</summary>
    public static readonly TimeSpan LongGrace = TimeSpan.FromSeconds(4);

    /// <summary>From the abort to the report that the cell is stuck.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(4);

    private readonly SemaphoreSlim turn = new(1);
    private readonly SessionThread thread = new();
    private readonly References references = new();
    private readonly SubmissionChain chain;
    private volatile RunningCell? running;
    private CellScheduler? stuck;

    public Session(SessionOptions options)
    {
        Folder = options.Folder;
        chain = new(references);
        CellConsole.Install();
    }

    public string? Folder { get; }

    /// <summary>Cancelled when the user interrupts the running cell.</summary>
    public CancellationToken Stop => running?.AskForStop() ?? CancellationToken.None;

    /// <summary>An interrupted cell still runs, in a native call for instance. Until it returns only a restart helps.</summary>
    public bool IsStuck => stuck is { Busy: true };

    public IReadOnlyList<Variable> Variables => [.. chain.Variables];

    /// <summary>How many earlier submissions new code is bound to.</summary>
    internal int ChainLength => chain.Submissions.Count;

    internal Outlet Outlet { get; } = new();

    public async Task<CellResult> RunAsync(string code, string cellName, ICellOutput output, CancellationToken stop)
    {
        await turn.WaitAsync(CancellationToken.None);
        try
        {
            Outlet.Begin(output);
            if (IsStuck) return new(null, new CellError("Stuck", "an interrupted cell still runs (a native call that has not returned): wait for it, or restart the kernel", []));
            using var cell = new RunningCell();
            running = cell;
            using var registration = stop.Register(Interrupt);
            var result = await RunAsync(code, cellName, cell);
            Outlet.Flush();
            return result;
        }
        finally
        {
            running = null;
            turn.Release();
        }
    }

    /// <summary>Ends the running cell, from any thread: first its token is cancelled, then its code aborted.</summary>
    public void Interrupt() => running?.Interrupt();

    public ValueTask DisposeAsync()
    {
        Interrupt();
        thread.Dispose();
        Outlet.Dispose();
        CellConsole.Remove();
        turn.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<CellResult> RunAsync(string code, string name, RunningCell cell)
    {
        var scheduler = new CellScheduler(thread, cell.Aborted);
        var previous = CellConsole.Current;
        CellConsole.Current = this;
        var work = Task.Factory.StartNew(() => RunPieceAsync(code, name, cell.Stopped), CancellationToken.None, TaskCreationOptions.None, scheduler).Unwrap();
        CellConsole.Current = previous;
        await Task.WhenAny(work, cell.Abandoned);
        if (work.IsCompleted)
        {
            return await work.ContinueWith(done => done.Exception is { } e
                ? new CellResult(null, cell.IsInterrupted ? Interrupted(e) : CellErrors.Of(e), cell.IsInterrupted)
                : new CellResult(done.IsCanceled ? null : done.Result, done.IsCanceled ? new CellError("Interrupted", "the cell was interrupted", []) : null, cell.IsInterrupted), TaskScheduler.Default);
        }
        var since = Stopwatch.GetTimestamp();
        while (scheduler.Busy && Stopwatch.GetElapsedTime(since) < Patience) await Task.Delay(10, CancellationToken.None);
        stuck = scheduler;
        return IsStuck
            ? new(null, new CellError("Stuck", "the cell could not be interrupted: it is in a native call, or in code that refuses to end; restart the kernel if that does not return", []), true)
            : new(null, new CellError("Interrupted", "the cell was interrupted", []), true);
    }

    private static CellError Interrupted(Exception e) => CellErrors.Of(e) with { Name = "Interrupted", Message = "the cell was interrupted" };

    private async Task<MimeBundle?> RunPieceAsync(string code, string name, CancellationToken stop)
    {
        var (submission, before) = chain.Compile(code, name, stop);
        return Rendering.Of(await chain.Start(submission, before));
    }

    /// <summary>The tokens of a cell that runs.</summary>
    private sealed class RunningCell : IDisposable
    {
        private readonly CancellationTokenSource stop = new(), abort = new();
        private readonly TaskCompletionSource abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Lock gate = new();
        private bool asked, disposed;

        public RunningCell() => (Stopped, Aborted) = (stop.Token, abort.Token);

        public CancellationToken Stopped { get; }

        public CancellationToken Aborted { get; }

        public bool IsInterrupted => Stopped.IsCancellationRequested;

        public Task Abandoned => abandoned.Task;

        public CancellationToken AskForStop()
        {
            asked = true;
            return Stopped;
        }

        public void Interrupt()
        {
            lock (gate)
            {
                if (disposed) return;
                var again = IsInterrupted;
                _ = stop.CancelAsync();
                _ = AbortAsync(again ? TimeSpan.Zero : asked ? LongGrace : Grace);
            }
        }

        public void Dispose()
        {
            lock (gate) disposed = true;
            stop.Dispose();
            abort.Dispose();
        }

        private async Task AbortAsync(TimeSpan after)
        {
            await Task.Delay(after);
            lock (gate)
            {
                if (disposed) return;
                abandoned.TrySetResult();
                abort.Cancel();
            }
        }
    }
}
