namespace JepaT.Notebooks;

/// <summary>How a session is set up.</summary>
internal sealed record SessionOptions
{
    /// <summary>The notebook's folder, from which relative paths in its directives count; the working folder by default.</summary>
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
    private readonly Magics magics;
    private readonly Lazy<Assistant> assistant;
    private volatile RunningCell? running;
    private RunningCell? stuck;

    public Session(SessionOptions options)
    {
        Folder = options.Folder;
        chain = new(references);
        magics = new(this, references, new Packages());
        assistant = new(() => new Assistant(chain, references));
        CellConsole.Install();
    }

    /// <summary>The session whose cell began last, of those in this process.</summary>
    public static Session? Latest { get; private set; }

    public string? Folder { get; }

    /// <summary>Cancelled when the user interrupts the running cell.</summary>
    public CancellationToken Stop => running?.AskForStop() ?? CancellationToken.None;

    /// <summary>An interrupted cell still runs, in a native call for instance. Until it returns only a restart helps.</summary>
    public bool IsStuck => stuck is { Scheduler.Busy: true };

    /// <summary>What code sees now.</summary>
    public IReadOnlyList<Variable> Variables => [.. chain.Variables];

    /// <summary>How many earlier submissions new code is bound to.</summary>
    internal int ChainLength => chain.Submissions.Count;

    internal Outlet Outlet { get; } = new();

    /// <summary>Runs a cell after those that were asked for before. All its outputs have been handed on when the task ends.</summary>
    /// <param name="code">The cell's text, directives included.</param>
    /// <param name="cellName">What errors call it, e.g. <c>cell 3</c>.</param>
    /// <param name="output">Where its outputs go, and those of its threads until the next cell.</param>
    /// <param name="stop">Interrupts it.</param>
    public Task<CellResult> RunAsync(string code, string cellName, ICellOutput output, CancellationToken stop)
    {
        var mine = turn.WaitAsync(CancellationToken.None);
        return Task.Factory.StartNew(() => Run(code, cellName, output, mine, stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    // Waits on a thread of its own: the pool may be full of what the cell has started.
    private CellResult Run(string code, string cellName, ICellOutput output, Task turnCame, CancellationToken stop)
    {
        turnCame.Wait(CancellationToken.None);
        try
        {
            Outlet.Begin(output);
            if (IsStuck) return Failed("Stuck", "an interrupted cell still runs (a native call that has not returned): wait for it, or restart the kernel");
            Latest = this;
            CellStop.Look(false);
            var cell = running = new RunningCell(this, thread);
            using var registration = stop.Register(cell.Interrupt);
            var result = Run(() => RunTextAsync(code, cellName, Folder ?? ".", cell.Stopped), cell);
            Outlet.Flush();
            return result;
        }
        finally
        {
            running = null;
            turn.Release();
        }
    }

    /// <summary>Ends the running cell, from any thread; see <see cref="RunningCell"/>. Returns at once.</summary>
    public void Interrupt() => running?.Interrupt();

    /// <summary>Sets a variable, and declares it where there is none that the value fits.</summary>
    public void SetVariable(string name, object? value) => chain.Set(name, value);

    /// <summary>What could be typed at a position; also while a cell runs.</summary>
    public Task<Completions> CompleteAsync(string code, int position) => assistant.Value.CompleteAsync(code, position);

    /// <summary>What stands at a position: the documentation of a name, the signatures of a call. Null when there is nothing to say.</summary>
    public Task<string?> InspectAsync(string code, int position) => assistant.Value.InspectAsync(code, position);

    /// <summary>Whether a cell could be run as it is.</summary>
    public static Completeness IsComplete(string code) => Completeness.Of(code);

    public ValueTask DisposeAsync()
    {
        Interrupt();
        if (Latest == this) Latest = null;
        thread.Dispose();
        Outlet.Dispose();
        CellConsole.Remove();
        return ValueTask.CompletedTask;
    }

    /// <summary>Runs a text with its directives as part of the running cell; null when it ends in no value.</summary>
    internal async Task<MimeBundle?> RunTextAsync(string text, string name, string folder, CancellationToken stop)
    {
        MimeBundle? value = null;
        IDisposable? timer = null;
        try
        {
            foreach (var part in Directives.Split(text))
            {
                if (value is not null) Outlet.Display(value, DisplayedOutput.NewId());
                value = null;
                switch (part)
                {
                    case CodePart code:
                        value = Rendering.Of(await chain.Start(Compile(code.Code, name, stop)));
                        break;
                    case TextPart shown:
                        Outlet.Display(Rendering.Single(shown.Mime, shown.Text), DisplayedOutput.NewId());
                        break;
                    case DirectivePart { Name: "#!time", Conditional: false }:
                        timer ??= Magics.Time(Outlet);
                        break;
                    case DirectivePart directive:
                        await DoAsync(directive, name, folder, stop);
                        break;
                }
            }
            return value;
        }
        finally
        {
            timer?.Dispose();
        }
    }

    private Compiled Compile(string code, string name, CancellationToken stop)
    {
        var cell = running;
        try
        {
            if (cell is not null) cell.Compiling = true;
            return chain.Compile(code, name, stop);
        }
        finally
        {
            if (cell is not null) cell.Compiling = false;
        }
    }

    private async Task DoAsync(DirectivePart directive, string name, string folder, CancellationToken stop)
    {
        try
        {
            await magics.RunAsync(directive, folder, stop);
        }
        catch (UserException e)
        {
            CellErrors.SetPlace(e, name, directive.Line);
            throw;
        }
    }

    private static readonly TimeSpan Afterwards = TimeSpan.FromMilliseconds(200);

    private CellResult Run(Func<Task<MimeBundle?>> code, RunningCell cell)
    {
        var work = cell.Start(code);
        Task.WaitAny(work, cell.GivenUp);
        while (!work.IsCompleted && cell.Scheduler.Busy && !cell.RefusesToEnd) Thread.Sleep(10);
        if (cell.IsInterrupted) cell.Scheduler.End();
        // What a cell waited for may have ended by its own checks, on another thread: it comes to its end then, but not to what it was for.
        if (work.IsCompletedSuccessfully && (!cell.MustEnd || cell.HasAsked)) return new(work.Result, null, cell.IsInterrupted);
        var error = Failure(work) is { } e ? CellErrors.Of(e) : null;
        if (!cell.IsInterrupted) return new(null, error);
        // What ended the cell is itself the scheduler's work, which is done a moment later.
        SpinWait.SpinUntil(() => !cell.Scheduler.Busy, Afterwards);
        stuck = cell;
        return IsStuck
            ? Failed("Stuck", "the cell could not be interrupted: it is in a native call, or in library code that does not end; restart the kernel if it does not return", interrupted: true)
            : Failed("Interrupted", "the cell was interrupted", error, interrupted: true);
    }

    // Of a cancelled task, too, which has an exception only for those who wait for it.
    private static Exception? Failure(Task work)
    {
        if (work.Exception is { } exception) return exception;
        if (!work.IsCanceled) return null;
        try
        {
            work.GetAwaiter().GetResult();
            return null;
        }
        catch (OperationCanceledException e)
        {
            return e;
        }
    }

    private static CellResult Failed(string name, string message, CellError? at = null, bool interrupted = false) =>
        new(null, new(name, message, [$"{name}: {message}", .. at?.Traceback.Skip(1) ?? []]), interrupted);
}
