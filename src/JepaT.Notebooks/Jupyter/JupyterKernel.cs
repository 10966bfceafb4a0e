using System.Collections.Concurrent;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>
/// A session behind the Jupyter protocol. Cells run strictly in order, in a lane of their own; questions (completion, help, …) have a
/// second one, so that they are answered while a cell runs; interrupt and shutdown are taken at once.
/// </summary>
/// <remarks>https://jupyter-client.readthedocs.io/en/stable/messaging.html</remarks>
internal sealed class JupyterKernel : IDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromSeconds(2);        // for the running cell at shutdown; front ends kill after five

    private readonly TextWriter log;
    private readonly KernelSockets sockets;
    private readonly Session session;
    private readonly KernelHistory history = new();
    private readonly KernelQuestions questions;
    private readonly KernelCells cells;
    private readonly Lane asked, run;
    private readonly TaskCompletionSource<int> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="connection">Where to listen.</param>
    /// <param name="folder">The notebook's folder.</param>
    /// <param name="log">Takes a line on each message that was dropped.</param>
    public JupyterKernel(ConnectionFile connection, string folder, TextWriter log)
    {
        this.log = log;
        sockets = new(connection, log);
        session = new(new SessionOptions { Folder = folder });
        questions = new(session, sockets, history);
        cells = new(session, sockets, history);
        asked = new(() => Task.CompletedTask, request => AnswerAsync(request, () => questions.AnswerAsync(request.Message)));
        run = new(cells.WarmUpAsync, RunCellAsync);
        sockets.Received += Receive;
    }

    /// <summary>Serves until shutdown; gives the exit code.</summary>
    public int Run()
    {
        sockets.Start();
        sockets.Publish("status", new JsonObject { ["execution_state"] = "starting" }, null);
        Task[] all = [ended.Task, asked.Work, run.Work];
        all[Task.WaitAny(all)].GetAwaiter().GetResult();        // a lane ends only by a mistake of ours, which is to be seen
        return ended.Task.GetAwaiter().GetResult();
    }

    /// <summary>Interrupts the cell that runs, or the one about to.</summary>
    public void Interrupt() => cells.Interrupt();

    /// <summary>Ends it from outside.</summary>
    public void End(int code) => ended.TrySetResult(code);

    public void Dispose()
    {
        cells.Interrupt();
        run.Close();
        asked.Close();
        run.Work.Wait(Farewell);
        sockets.Dispose();
        session.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    // On the sockets' threads, one message at a time.
    private void Receive(KernelChannel channel, JupyterMessage message)
    {
        var request = new Request(channel, message);
        switch (message.Type)
        {
            case "execute_request":
                run.Add(request);
                break;
            case "interrupt_request":
                Busy(message);
                Interrupt();
                Reply(request, "interrupt_reply", new JsonObject { ["status"] = "ok" });
                Idle(message);
                break;
            case "shutdown_request":
                var goodbye = new JsonObject { ["status"] = "ok", ["restart"] = message.Flag("restart", false) };
                Busy(message);
                sockets.Publish("shutdown_reply", goodbye, message);
                Reply(request, "shutdown_reply", goodbye);
                Idle(message);
                End(0);
                break;
            case "input_reply":
                cells.Input.Answer(message.Text("value"));
                break;
            default:
                asked.Add(request);
                break;
        }
    }

    private async Task AnswerAsync(Request request, Func<Task<JsonObject?>> work)
    {
        var message = request.Message;
        Busy(message);
        var type = message.Type.EndsWith("_request", StringComparison.Ordinal) ? message.Type[..^"_request".Length] + "_reply" : null;
        var content = await TryAsync(message, work);
        if (content is not null && type is not null) Reply(request, type, content);
        Idle(message);
    }

    private async Task RunCellAsync(Request request)
    {
        await AnswerAsync(request, () => cells.RunAsync(request.Message));
        if (cells.StopsOthers) foreach (var waiting in run.TakeAll()) Abort(waiting);
        if (!session.IsStuck) return;
        log.WriteLine("jupyter: a cell could not be interrupted; the kernel ends, so that the front end starts another");
        End(1);
    }

    private async Task<JsonObject?> TryAsync(JupyterMessage message, Func<Task<JsonObject?>> work)
    {
        try
        {
            return await work();
        }
        catch (FormatException e)
        {
            log.WriteLine($"jupyter: {e.Message}");
            return Failed("MalformedRequest", e.Message);
        }
        catch (Exception e)                 // a mistake of ours or of Roslyn's costs one answer, not the user's variables
        {
            log.WriteLine($"jupyter: {message.Type} failed: {e}");
            return Failed(e.GetType().FullName!, e.Message);
        }
    }

    private static JsonObject Failed(string name, string message) => new() { ["status"] = "error", ["ename"] = name, ["evalue"] = message, ["traceback"] = new JsonArray() };

    private void Abort(Request request)
    {
        Busy(request.Message);
        Reply(request, "execute_reply", new JsonObject { ["status"] = "aborted", ["execution_count"] = cells.Count });
        Idle(request.Message);
    }

    private void Reply(Request request, string type, JsonObject content) => sockets.Reply(request.Channel, request.Message, type, content);

    private void Busy(JupyterMessage cause) => sockets.Publish("status", new JsonObject { ["execution_state"] = "busy" }, cause);

    // A front end shows the last state that it hears of: that of the cell, if one runs.
    private void Idle(JupyterMessage cause)
    {
        sockets.Publish("status", new JsonObject { ["execution_state"] = "idle" }, cause);
        cells.WhileRunning(Busy);
    }

    private sealed record Request(KernelChannel Channel, JupyterMessage Message);

    /// <summary>Requests that are done one after the other, on a thread of its own: the pool may be full of what cells have started.</summary>
    private sealed class Lane
    {
        private readonly BlockingCollection<Request> waiting = [];

        public Lane(Func<Task> first, Func<Request, Task> answer) => Work = Task.Factory.StartNew(() => Loop(first, answer), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        public Task Work { get; }

        public void Add(Request request)
        {
            lock (waiting)
                if (!waiting.IsAddingCompleted) waiting.Add(request);
        }

        public void Close()
        {
            lock (waiting) waiting.CompleteAdding();
            foreach (var _ in TakeAll()) { }
        }

        public IEnumerable<Request> TakeAll()
        {
            while (waiting.TryTake(out var next)) yield return next;
        }

        private void Loop(Func<Task> first, Func<Request, Task> answer)
        {
            first().GetAwaiter().GetResult();
            foreach (var request in waiting.GetConsumingEnumerable()) answer(request).GetAwaiter().GetResult();
        }
    }
}
