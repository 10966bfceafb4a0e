using System.Diagnostics;
using System.Globalization;

namespace JepaT.Notebooks;

/// <summary>How a run ended.</summary>
internal enum RunEnd { Finished, Failed, Stopped }

/// <summary>The end of a run: in which cell, counted from 1, and why, unless it finished.</summary>
/// <param name="End">How it ended.</param>
/// <param name="Cell">The cell that failed or was stopped.</param>
/// <param name="Error">Why.</param>
/// <param name="Stuck">The cell could not be interrupted: it still runs, and only the end of the process ends it.</param>
internal sealed record RunOutcome(RunEnd End, int Cell = 0, CellError? Error = null, bool Stuck = false);

/// <summary>
/// Runs a notebook's code cells from top to bottom. After each cell the document is saved, completely or not at all, so that whatever
/// happens later its outputs are there. The first failure ends the run: the saved notebook then begins with the error, and the cells that
/// did not run keep the outputs they had. While a cell runs the saved notebook says so, which is what is left to read when the process
/// does not survive it.
/// </summary>
/// <remarks>As in nbclient, a cell tagged <c>raises-exception</c> may fail, and one tagged <c>skip-execution</c> does not run.</remarks>
internal sealed class NotebookRunner(NotebookDocument document, OutputCleaner cleaner, string output)
{
    /// <summary>papermill's tag: whoever runs the notebook again, it or we, takes these cells out first.</summary>
    internal const string ErrorTag = "papermill-error-cell-tag";

    /// <summary>How long the engine may take to end an interrupted cell, or to say that it cannot.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);

    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(1);

    private readonly CellOutputs outputs = new(cleaner);

    /// <summary>Time that a cell may take; none by default.</summary>
    public TimeSpan? Limit { get; init; }

    /// <summary>Where progress goes; standard error by default.</summary>
    public TextWriter? Log { get; init; }

    /// <summary>Runs it. When <paramref name="stop"/> is cancelled the running cell is interrupted, and what there is saved.</summary>
    /// <remarks>On a thread of its own, since a cell may fill the pool, and its time limit counts all the same.</remarks>
    public Task<RunOutcome> RunAsync(Session session, CancellationToken stop) =>
        Task.Factory.StartNew(() => Run(session, stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private RunOutcome Run(Session session, CancellationToken stop)
    {
        document.Remove(ErrorTag);
        Save();                                             // a file that cannot be written is found before the work, not after it
        session.RunAsync("1", "warm-up", new CellOutputs(cleaner), CancellationToken.None).GetAwaiter().GetResult();       // loads the compiler: not the first cell's time
        var cells = document.Cells.Where(c => c.IsCode && !string.IsNullOrWhiteSpace(c.Source) && !c.HasTag("skip-execution")).ToList();
        using var progress = new Progress(Path.GetFileName(document.Name), cells.Count, "cells", Log);
        for (var i = 0; i < cells.Count; i++)
        {
            progress.Report(i, Headline(i + 1, cells[i]));
            if (i == 0) outputs.Hold(() => SaveWhileRunning(1));
            var outcome = Run(session, cells[i], i + 1, () => progress.Report(i, Headline(i + 1, cells[i])), stop);
            if (outcome.End == RunEnd.Failed && cells[i].HasTag("raises-exception")) outcome = new(RunEnd.Finished);
            outputs.Hold(() =>
            {
                if (outcome.End != RunEnd.Finished) ShowFailure(cells[i], outcome);
                if (outcome.End == RunEnd.Finished && i + 1 < cells.Count) SaveWhileRunning(i + 2);
                else Save();
            });
            if (outcome.End != RunEnd.Finished) return outcome;
        }
        progress.Report(cells.Count);
        return new(RunEnd.Finished);
    }

    private RunOutcome Run(Session session, NotebookCell cell, int number, Action tick, CancellationToken stop)
    {
        outputs.Begin(cell);
        cell.ExecutionCount = number;
        using var end = new ProcessEnd(() => End(session, cell, number));
        var run = session.RunAsync(cell.Source, string.Create(CultureInfo.InvariantCulture, $"cell {number}"), outputs, CancellationToken.None);
        if (EndsInTime(run, tick, stop))
        {
            var result = run.GetAwaiter().GetResult();
            result = result with { Error = cleaner.Clean(result.Error) };
            outputs.End(result, number);
            return result.Error is null ? new(RunEnd.Finished) : new(RunEnd.Failed, number, result.Error);
        }

        var stopped = stop.IsCancellationRequested;
        var name = stopped ? "Stopped" : "Timeout";
        var message = stopped ? "the run was stopped here" : $"the cell ran longer than its limit of {Progress.Duration(Limit!.Value)}";
        session.Interrupt();
        var interrupted = Task.WaitAny([run], Grace) == 0 ? run.GetAwaiter().GetResult() : null;
        var stuck = interrupted is null || session.IsStuck;
        if (stuck) message += ", and could not be interrupted";
        var error = cleaner.Clean(new CellError(name, message, interrupted?.Error?.Traceback ?? []));
        outputs.End(new CellResult(null, error), number);
        return new(stopped ? RunEnd.Stopped : RunEnd.Failed, number, error, stuck);
    }

    private bool EndsInTime(Task run, Action tick, CancellationToken stop)
    {
        var since = Stopwatch.GetTimestamp();
        while (!stop.IsCancellationRequested && !run.IsCompleted)
        {
            var left = Limit is { } limit ? limit - Stopwatch.GetElapsedTime(since) : Tick;
            if (left <= TimeSpan.Zero) return false;
            try
            {
                if (Task.WaitAny([run], (int)Math.Ceiling(Math.Min(left.TotalMilliseconds, Tick.TotalMilliseconds)), stop) == 0) return true;
            }
            catch (OperationCanceledException)
            {
                return run.IsCompleted;
            }
            tick();
        }
        return run.IsCompleted;
    }

    // At the top what happened, with a link to the place; the place itself is marked by a cell before the one that failed.
    private void ShowFailure(NotebookCell cell, RunOutcome outcome)
    {
        var what = outcome.End == RunEnd.Stopped ? "was stopped" : "failed";
        var details = outcome.Error!.Traceback.Prepend($"{outcome.Error.Name}: {outcome.Error.Message}").Distinct().SelectMany(l => l.Split('\n'));
        var text = $"**This run {what} in [cell {outcome.Cell}](#failed-cell).** The cells after it did not run.\n\n"
            + string.Join('\n', details.Select(line => "    " + OutputCleaner.WithoutColours(line).TrimEnd('\r')));       // indented: nothing in it is markup
        document.Insert(document.Cells[0], NotebookCell.Create("markdown", text, ErrorTag));
        document.Insert(cell, NotebookCell.Create("markdown", $"<a id=\"failed-cell\"></a>**Cell {outcome.Cell} {what}:**", ErrorTag));
    }

    private void SaveWhileRunning(int number)
    {
        document.Insert(document.Cells[0], NotebookCell.Create("markdown", $"**Cell {number} is running.** If nothing runs any more, the process ended in it.", ErrorTag));
        Save();
        document.Remove(ErrorTag);
    }

    // The cell has ended the process, by Environment.Exit for instance, and these are its last moments.
    private void End(Session session, NotebookCell cell, int number)
    {
        session.Outlet.Flush();
        var error = new CellError("ProcessEnded", "the process ended while the cell ran: by Environment.Exit, or because it was told to", []);
        outputs.End(new CellResult(null, error), number);
        outputs.Hold(() =>
        {
            ShowFailure(cell, new(RunEnd.Failed, number, error));
            Save();
        });
        (Log ?? Console.Error).WriteLine($"\nerror: {document.Name}: cell {number}: {error.Message}");
        if (Environment.ExitCode == 0) Environment.ExitCode = 1;
    }

    private void Save() => AtomicFile.Write(output, document.ToText());

    private static string Headline(int number, NotebookCell cell)
    {
        var line = cell.Source.Split('\n').Select(l => l.Trim()).First(l => l.Length > 0);
        return $"cell {number}: {(line.Length > 60 ? line[..59] + "…" : line)}";
    }

    /// <summary>Does something when the process ends before this is disposed of.</summary>
    private sealed class ProcessEnd : IDisposable
    {
        private readonly EventHandler handler;

        public ProcessEnd(Action action)
        {
            handler = (_, _) => action();
            AppDomain.CurrentDomain.ProcessExit += handler;
        }

        public void Dispose() => AppDomain.CurrentDomain.ProcessExit -= handler;
    }
}
