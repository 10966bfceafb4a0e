using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>A view of a cell's JSON. Two views of the same JSON are equal.</summary>
internal sealed record NotebookCell(JsonObject Json)
{
    /// <summary>A new code or markdown cell with tags.</summary>
    public static NotebookCell Create(string type, string source, params string[] tags)
    {
        var metadata = new JsonObject { ["tags"] = new JsonArray([.. tags.Select(t => JsonValue.Create(t))]) };
        var cell = new NotebookCell(new JsonObject { ["cell_type"] = type, ["metadata"] = metadata, ["source"] = Lines(source) });
        cell.Complete();
        return cell;
    }

    /// <summary>Whether the JSON is a cell at all.</summary>
    public static bool IsOne(JsonObject json) =>
        json["cell_type"] is JsonValue type && type.TryGetValue<string>(out var name) && name is "code" or "markdown" or "raw"
        && IsText(json["source"]);

    /// <summary>What in it is of another kind than nbformat allows.</summary>
    public static (string Name, string Why)? Strange(JsonObject json)
    {
        if (json["metadata"] is not (null or JsonObject)) return ("metadata", "are no object");
        foreach (var name in new[] { "polyglot_notebook", "dotnet_interactive" })
            if (json["metadata"]?[name] is not (null or JsonObject)) return (name, "is no object");
        return json["execution_count"] is { } count && !(count is JsonValue value && value.TryGetValue<int>(out _)) ? ("execution_count", "is no whole number") : null;
    }

    private static bool IsText(JsonNode? node) =>
        node is JsonArray lines ? lines.All(l => l is JsonValue && IsText(l)) : node is JsonValue value && value.TryGetValue<string>(out _);

    public bool IsCode => Type == "code";

    /// <summary>code, markdown or raw.</summary>
    public string Type => Json["cell_type"]!.GetValue<string>();

    public string Source => Joined(Json["source"]);

    public string? Id
    {
        get => Json["id"] is JsonValue value && value.TryGetValue<string>(out var id) ? id : null;
        set
        {
            if (Json.ContainsKey("id")) Json["id"] = value;
            else Json.Insert(Json.IndexOf("metadata"), "id", value);        // where nbformat, which sorts, has it
        }
    }

    public IEnumerable<string> Tags => (Json["metadata"]?["tags"] as JsonArray ?? []).OfType<JsonValue>().Select(t => t.ToString());

    /// <summary>The language that Polyglot Notebooks gave this one cell.</summary>
    public string? Language => (Json["metadata"]?["polyglot_notebook"]?["kernelName"] ?? Json["metadata"]?["dotnet_interactive"]?["language"])?.ToString();

    public JsonArray Outputs
    {
        get => Json["outputs"]!.AsArray();
        set => Json["outputs"] = value;
    }

    public int? ExecutionCount
    {
        get => Json["execution_count"]?.GetValue<int>();
        set => Json["execution_count"] = value;
    }

    public bool HasTag(string tag) => Tags.Contains(tag);

    /// <summary>Adds the fields that nbformat asks of every cell, where one lacks.</summary>
    public void Complete()
    {
        if (Json["metadata"] is not JsonObject) Json["metadata"] = new JsonObject();
        if (!IsCode) return;
        if (!Json.ContainsKey("execution_count")) Json.Insert(Json.IndexOf("cell_type") + 1, "execution_count", null);
        if (Json["outputs"] is not JsonArray) Json["outputs"] = new JsonArray();
    }

    /// <summary>A text as nbformat stores it: a list of lines with their ends.</summary>
    public static JsonArray Lines(string text)
    {
        var lines = new JsonArray();
        for (var start = 0; start < text.Length;)
        {
            var end = text.IndexOf('\n', start) + 1;
            if (end == 0) end = text.Length;
            lines.Add(JsonValue.Create(text[start..end]));
            start = end;
        }
        return lines;
    }

    /// <summary>A text stored as one string or as a list of lines.</summary>
    public static string Joined(JsonNode? text) => text is JsonArray lines ? string.Concat(lines.Select(l => l?.ToString())) : text?.ToString() ?? "";
}
