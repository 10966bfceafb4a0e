using System.Globalization;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>Answers execute_requests.</summary>
internal sealed class KernelCells(Session session, KernelSockets sockets, KernelHistory history)
{
    private readonly Lock gate = new();
    private CancellationTokenSource? stop;
    private JupyterMessage? running;

    /// <summary>What the user is asked for by the running cell.</summary>
    public KernelInput Input { get; } = new();

    /// <summary>The number of the last cell.</summary>
    public int Count { get; private set; }

    /// <summary>The last cell failed, and those that wait must not run.</summary>
    public bool StopsOthers { get; private set; }

    /// <summary>Gets the compiler going while the front end is still busy with itself: its first cell then answers at once.</summary>
    public Task WarmUpAsync() => session.RunAsync("1", "", new KernelOutput(sockets, Input, new JupyterMessage([], [], "", []), silent: true, allowInput: false), CancellationToken.None);

    /// <summary>From any thread. A second one does not let the cell finish what it is at.</summary>
    public void Interrupt()
    {
        lock (gate)
        {
            if (stop is { IsCancellationRequested: false }) stop.Cancel();
            else session.Interrupt();
        }
        Input.Answer(null);
    }

    /// <summary>Does something with the request whose code runs, if one does, before that ends.</summary>
    public void WhileRunning(Action<JupyterMessage> action)
    {
        lock (gate)
            if (running is not null) action(running);
    }

    /// <summary>Runs a cell; gives the content of the reply.</summary>
    /// <exception cref="FormatException">It is no proper request.</exception>
    public async Task<JsonObject?> RunAsync(JupyterMessage request)
    {
        var (code, silent) = (request.Text("code"), request.Flag("silent", false));
        var stopOnError = request.Flag("stop_on_error", true);
        StopsOthers = false;
        var kept = !silent && request.Flag("store_history", true);
        var output = new KernelOutput(sockets, Input, request, silent, request.Flag("allow_stdin", false));
        if (kept && !string.IsNullOrWhiteSpace(code)) history.Add(++Count, code);
        if (!silent) sockets.Publish("execute_input", new JsonObject { ["code"] = code, ["execution_count"] = Count }, request);

        using var source = new CancellationTokenSource();
        lock (gate) (stop, running) = (source, request);
        try
        {
            var result = await RunAsync(code, output, source.Token);
            if (kept) history.Complete(result.Value?.Data.GetValueOrDefault(Rendering.Plain));
            if (result.Error is { } error)
            {
                StopsOthers = stopOnError;
                if (!silent) sockets.Publish("error", Content(error), request);
                return Reply("error", Content(error));
            }
            if (result.Value is { } value && !silent)
                sockets.Publish("execute_result", new JsonObject { ["execution_count"] = Count, ["data"] = KernelOutput.Data(value), ["metadata"] = new JsonObject() }, request);
            return Reply("ok", new JsonObject { ["payload"] = new JsonArray(), ["user_expressions"] = await EvaluateAsync(request, source.Token) });
        }
        finally
        {
            lock (gate) (stop, running) = (null, null);
            Input.Answer(null);
        }
    }

    private async Task<CellResult> RunAsync(string code, ICellOutput output, CancellationToken token) =>
        string.IsNullOrWhiteSpace(code) ? new(null, null) : await session.RunAsync(code, string.Create(CultureInfo.InvariantCulture, $"cell {Count}"), output, token);

    // Values that the front end wants to know after the cell, by name.
    private async Task<JsonObject> EvaluateAsync(JupyterMessage request, CancellationToken token)
    {
        var answers = new JsonObject();
        var output = new KernelOutput(sockets, Input, request, silent: true, allowInput: false);
        foreach (var (name, node) in request.Content["user_expressions"] as JsonObject ?? [])
        {
            if (node is not JsonValue value || !value.TryGetValue<string>(out var code)) throw new FormatException($"user_expressions: '{name}' is no text");
            var result = await RunAsync(code, output, token);
            answers[name] = result.Error is { } error ? With("error", Content(error))
                : With("ok", new JsonObject { ["data"] = KernelOutput.Data(result.Value ?? Rendering.Nothing), ["metadata"] = new JsonObject() });
        }
        return answers;
    }

    // Front ends show the traceback alone; its first line says what happened, the name in red.
    private static JsonObject Content(CellError error)
    {
        var lines = error.Traceback.Select((line, i) => i == 0 && line.StartsWith(error.Name, StringComparison.Ordinal) ? $"\e[31m{error.Name}\e[39m{line[error.Name.Length..]}" : line);
        return new JsonObject { ["ename"] = error.Name, ["evalue"] = error.Message, ["traceback"] = new JsonArray([.. lines.Select(line => JsonValue.Create(line))]) };
    }

    private JsonObject Reply(string status, JsonObject content)
    {
        content["execution_count"] = Count;
        return With(status, content);
    }

    private static JsonObject With(string status, JsonObject content)
    {
        content["status"] = status;
        return content;
    }
}
