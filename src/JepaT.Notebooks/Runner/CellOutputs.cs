using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>
/// Writes what a session shows into the document, as nbformat has it: console text joined, and of each display the last state only, also
/// when it belongs to an earlier cell. One object serves a whole run; all its members may be called from any thread.
/// </summary>
internal sealed class CellOutputs(OutputCleaner cleaner) : ICellOutput
{
    /// <summary>So much console text is kept of a cell: an endless loop that prints must not fill memory and disk.</summary>
    internal const int MaxText = 8 << 20;

    private readonly Lock gate = new();
    private readonly Dictionary<string, List<JsonObject>> displays = [];       // what shows a display id, in all cells
    private readonly StringBuilder text = new();                               // of the stream output at the end
    private JsonArray outputs = [];
    private string? stream;
    private int length;
    private bool clearNext;

    /// <summary>From now on outputs go to this cell, which loses those it has.</summary>
    public void Begin(NotebookCell cell)
    {
        lock (gate)
        {
            EndStream();
            (cell.Outputs, cell.ExecutionCount) = ([], null);
            (outputs, length, clearNext) = (cell.Outputs, 0, false);
        }
    }

    /// <summary>Adds the cell's value and its (clean) error, when there are any.</summary>
    public void End(CellResult result, int count)
    {
        lock (gate)
        {
            if (result.Value is { } value)
                Add(new JsonObject { ["data"] = Data(value), ["execution_count"] = count, ["metadata"] = new JsonObject(), ["output_type"] = "execute_result" });
            if (result.Error is { } error)
                Add(new JsonObject
                {
                    ["ename"] = error.Name,
                    ["evalue"] = error.Message,
                    ["output_type"] = "error",
                    ["traceback"] = new JsonArray([.. error.Traceback.Select(line => JsonValue.Create(line))]),
                });
            EndStream();
        }
    }

    /// <summary>Does something with the document while nothing is written into it.</summary>
    public void Hold(Action action)
    {
        lock (gate)
        {
            EndStream();
            action();
        }
    }

    public void Stream(string name, string text)
    {
        if (text.Length == 0) return;
        lock (gate)
        {
            ClearIfAsked();
            if (length >= MaxText) return;
            if (stream != name) EndStream();
            stream = name;
            this.text.Append(text.AsSpan(0, Math.Min(text.Length, MaxText - length)));
            length += text.Length;
            if (length >= MaxText) this.text.Append($"\n… (cut: a cell keeps {MaxText >> 20} million characters of console text)\n");
        }
    }

    public void Display(MimeBundle data, string displayId)
    {
        lock (gate)
        {
            var output = new JsonObject { ["data"] = Data(data), ["metadata"] = new JsonObject(), ["output_type"] = "display_data" };
            Add(output);
            if (!displays.TryGetValue(displayId, out var shown)) displays[displayId] = shown = [];
            shown.Add(output);
        }
    }

    public void Update(string displayId, MimeBundle data)
    {
        lock (gate)
            foreach (var output in displays.GetValueOrDefault(displayId) ?? []) output["data"] = Data(data);
    }

    public void Clear(bool wait)
    {
        lock (gate)
        {
            clearNext = true;
            if (!wait) ClearIfAsked();
        }
    }

    /// <summary>Nobody sits there.</summary>
    public string? ReadLine(string prompt, bool password) => null;

    private void Add(JsonObject output)
    {
        ClearIfAsked();
        EndStream();
        outputs.Add(output);
    }

    private void ClearIfAsked()
    {
        if (!clearNext) return;
        clearNext = false;
        (stream, length) = (null, 0);
        text.Clear();
        outputs.Clear();
    }

    // Joined with the output before it, if that is of the same stream: EndStream may have come in between.
    private void EndStream()
    {
        if (stream is null) return;
        var all = cleaner.Text(OutputCleaner.WithoutRedraws(text.ToString()));
        if (outputs.LastOrDefault() is JsonObject last && last["output_type"]!.GetValue<string>() == "stream" && last["name"]!.GetValue<string>() == stream)
            last["text"] = NotebookCell.Lines(NotebookCell.Joined(last["text"]) + all);
        else outputs.Add(new JsonObject { ["name"] = stream, ["output_type"] = "stream", ["text"] = NotebookCell.Lines(all) });
        stream = null;
        text.Clear();
    }

    // As nbformat stores them: text by lines, JSON as JSON, the rest (pictures as base64) as it is.
    private JsonObject Data(MimeBundle bundle)
    {
        var data = new JsonObject();
        foreach (var (mime, content) in bundle.Data.OrderBy(d => d.Key, StringComparer.Ordinal))
            data[mime] = mime.EndsWith("json", StringComparison.Ordinal) ? Parsed(mime, content)
                : IsText(mime) ? NotebookCell.Lines(cleaner.Clean(mime, content))
                : JsonValue.Create(content);
        return data;
    }

    private JsonNode? Parsed(string mime, string content)
    {
        try
        {
            return JsonNode.Parse(cleaner.Clean(mime, content));
        }
        catch (JsonException)                   // shown by a cell as JSON, but none: then it is a text
        {
            return JsonValue.Create(content);
        }
    }

    private static bool IsText(string mime) => mime.StartsWith("text/", StringComparison.Ordinal) || mime is "image/svg+xml" or "application/javascript";
}
