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
    private readonly SemaphoreSlim turn = new(1);
    private readonly SessionThread thread = new();
    private readonly References references = new();
    private readonly SubmissionChain chain;
    private volatile RunningCell? running;
    private RunningCell? stuck;

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
    public bool IsStuck => stuck is { Scheduler.Busy: true };

    public IReadOnlyList<Variable> Variables => [.. chain.Variables];

    /// <summary>How many earlier submissions new code is bound to.</summary>
    internal int ChainLength => chain.Submissions.Count;
    internal string Dump => string.Join("\n", chain.Submissions.Select(s => s.Name + " [" + string.Join(", ", s.Keys) + "] needs " + string.Join(",", s.Needs) + " " + s.ShowsAnonymousType));

    internal Outlet Outlet { get; } = new();

    public async Task<CellResult> RunAsync(string code, string cellName, ICellOutput output, CancellationToken stop)
    {
        await turn.WaitAsync(CancellationToken.None);
        try
        {
            Outlet.Begin(output);
            if (IsStuck) return new(null, new CellError("Stuck", "an interrupted cell still runs (a native call that has not returned): wait for it, or restart the kernel", []));
            CellStop.Look(false);
            running = new RunningCell(this, thread);
            using var registration = stop.Register(Interrupt);
            var result = await RunAsync(code, cellName, running);
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
        var work = cell.Start(() => RunPieceAsync(code, name, cell.Stopped));
        await Task.WhenAny(work, cell.GivenUp);
        while (!work.IsCompleted && cell.Scheduler.Busy && !cell.RefusesToEnd) await Task.Delay(10, CancellationToken.None);
        if (cell.IsInterrupted) cell.Scheduler.End();
        if (work.IsCompletedSuccessfully) return new(await work, null, cell.IsInterrupted);
        if (work.Exception is { } e && !cell.IsInterrupted) return new(null, CellErrors.Of(e));
        stuck = cell;
        return IsStuck
            ? new(null, new CellError("Stuck", "the cell could not be interrupted: it is in a native call, or in code that refuses to end; restart the kernel if that does not return", []), true)
            : new(null, new CellError("Interrupted", "the cell was interrupted", work.Exception is { } at ? CellErrors.Of(at).Traceback : []), true);
    }

    private async Task<MimeBundle?> RunPieceAsync(string code, string name, CancellationToken stop)
    {
        var (submission, before) = chain.Compile(code, name, stop);
        return Rendering.Of(await chain.Start(submission, before));
    }
}
