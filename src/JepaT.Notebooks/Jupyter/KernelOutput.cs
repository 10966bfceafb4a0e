using System.Text.Json;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>Sends what a cell shows to the front ends, and asks the one that runs it for input.</summary>
/// <param name="sockets">Where it goes.</param>
/// <param name="input">Waits for what the user types.</param>
/// <param name="request">The execute_request.</param>
/// <param name="silent">Show nothing.</param>
/// <param name="allowInput">The front end can ask its user.</param>
internal sealed class KernelOutput(KernelSockets sockets, KernelInput input, JupyterMessage request, bool silent, bool allowInput) : ICellOutput
{
    public void Stream(string name, string text) => Publish("stream", new JsonObject { ["name"] = name, ["text"] = text });

    public void Display(MimeBundle data, string displayId) => Publish("display_data", Displayed(data, displayId));

    public void Update(string displayId, MimeBundle data) => Publish("update_display_data", Displayed(data, displayId));

    public void Clear(bool wait) => Publish("clear_output", new JsonObject { ["wait"] = wait });

    public string? ReadLine(string prompt, bool password) => allowInput
        ? input.Ask(() => sockets.Reply(KernelChannel.Stdin, request, "input_request", new JsonObject { ["prompt"] = prompt, ["password"] = password }))
        : null;

    /// <summary>Forms of an output as messages hold them: JSON as JSON, all else as text.</summary>
    public static JsonObject Data(MimeBundle bundle)
    {
        var data = new JsonObject();
        foreach (var (mime, content) in bundle.Data) data[mime] = mime.EndsWith("json", StringComparison.Ordinal) ? Parsed(content) : JsonValue.Create(content);
        return data;
    }

    private static JsonObject Displayed(MimeBundle data, string id) => new() { ["data"] = Data(data), ["metadata"] = new JsonObject(), ["transient"] = new JsonObject { ["display_id"] = id } };

    private static JsonNode? Parsed(string content)
    {
        try
        {
            return JsonNode.Parse(content);
        }
        catch (JsonException)                   // shown by a cell as JSON, but none: then it is a text
        {
            return JsonValue.Create(content);
        }
    }

    private void Publish(string type, JsonObject content)
    {
        if (silent) return;
        sockets.AwaitFrontEnds();
        sockets.Publish(type, content, request);
    }
}

/// <summary>A line that is asked for, and the answer that comes on another channel.</summary>
internal sealed class KernelInput
{
    private TaskCompletionSource<string?>? waiting;

    /// <summary>Waits for the answer; null when the cell is interrupted.</summary>
    public string? Ask(Action send)
    {
        var answer = new TaskCompletionSource<string?>(TaskCreationOptions.RunContinuationsAsynchronously);
        Interlocked.Exchange(ref waiting, answer)?.TrySetResult(null);
        send();
        return answer.Task.GetAwaiter().GetResult();
    }

    public void Answer(string? line) => Interlocked.Exchange(ref waiting, null)?.TrySetResult(line);
}
