using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Notebooks;

/// <summary>Answers what a front end asks without running a cell.</summary>
internal sealed class KernelQuestions(Session session, KernelSockets sockets, KernelHistory history)
{
    private static readonly string Release = typeof(KernelQuestions).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>The content of the reply; null where there is none.</summary>
    /// <exception cref="FormatException">It is no proper request.</exception>
    public async Task<JsonObject?> AnswerAsync(JupyterMessage request) => request.Type switch
    {
        "kernel_info_request" => Ok(Info()),
        "complete_request" => Ok(await CompleteAsync(request)),
        "inspect_request" => Ok(await InspectAsync(request)),
        "is_complete_request" => IsComplete(request.Text("code")),
        "history_request" => Ok(new JsonObject { ["history"] = history.Find(request) }),
        "comm_info_request" => Ok(new JsonObject { ["comms"] = new JsonObject() }),
        "comm_open" => Refuse(request),
        "comm_msg" or "comm_close" => null,
        _ => throw new FormatException($"{request.Type} is not known here"),
    };

    private static JsonObject Info() => new()
    {
        ["protocol_version"] = JupyterWire.Version,
        ["implementation"] = "JepaT",
        ["implementation_version"] = Release,
        ["banner"] = $"JepaT {Release}, C# notebooks on .NET {Environment.Version}",
        ["language_info"] = new JsonObject
        {
            ["name"] = "C#",
            ["version"] = LanguageVersionFacts.ToDisplayString(LanguageVersion.Latest.MapSpecifiedToEffectiveVersion()),
            ["mimetype"] = "text/x-csharp",
            ["file_extension"] = ".cs",
            ["pygments_lexer"] = "csharp",
            ["codemirror_mode"] = "text/x-csharp",
        },
        ["help_links"] = new JsonArray(new JsonObject { ["text"] = "C#", ["url"] = "https://learn.microsoft.com/dotnet/csharp/" }),
    };

    private async Task<JsonObject> CompleteAsync(JupyterMessage request)
    {
        var (code, at) = Position(request);
        var found = await session.CompleteAsync(code, at);
        var (start, end) = (Characters(code, found.Start), Characters(code, found.End));
        return new JsonObject
        {
            ["matches"] = new JsonArray([.. found.Items.Select(i => JsonValue.Create(i.Text))]),
            ["cursor_start"] = start,
            ["cursor_end"] = end,
            // Shown by JupyterLab, and by IPython's consoles, beside the names.
            ["metadata"] = new JsonObject { ["_jupyter_types_experimental"] = new JsonArray([.. found.Items.Select(i => new JsonObject { ["start"] = start, ["end"] = end, ["text"] = i.Text, ["type"] = i.Kind })]) },
        };
    }

    private async Task<JsonObject> InspectAsync(JupyterMessage request)
    {
        var (code, at) = Position(request);
        var text = await session.InspectAsync(code, at);
        var data = text is null ? new JsonObject() : new JsonObject { [Rendering.Plain] = text };
        return new JsonObject { ["found"] = text is not null, ["data"] = data, ["metadata"] = new JsonObject() };
    }

    private static JsonObject IsComplete(string code)
    {
        var answer = Session.IsComplete(code);
        var content = new JsonObject { ["status"] = answer.Status };
        if (answer.Status == "incomplete") content["indent"] = answer.Indent;
        return content;
    }

    private static (string Code, int At) Position(JupyterMessage request)
    {
        var code = request.Text("code");
        return (code, Utf16(code, request.Number("cursor_pos", int.MaxValue)));
    }

    // There are no widgets: whoever opens a channel to one is told that nobody is there.
    private JsonObject? Refuse(JupyterMessage request)
    {
        sockets.Publish("comm_close", new JsonObject { ["comm_id"] = request.Text("comm_id"), ["data"] = new JsonObject() }, request);
        return null;
    }

    // The protocol counts characters, .NET halves of some of them.
    internal static int Utf16(string code, int characters)
    {
        var at = 0;
        for (; characters > 0 && at < code.Length; characters--) at += char.IsSurrogatePair(code, at) ? 2 : 1;
        return at;
    }

    internal static int Characters(string code, int utf16) => code.AsSpan(0, utf16).ToString().EnumerateRunes().Count();

    private static JsonObject Ok(JsonObject content)
    {
        content["status"] = "ok";
        return content;
    }
}
