using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace JepaT.Notebooks;

/// <summary>
/// An .ipynb file of nbformat 4, kept as the JSON that it is: what the runner does not touch (metadata, tags, raw cells, fields that no one
/// knows, the order of keys) is written back as it was read, in the form that nbformat itself writes. The file becomes nbformat 4.5,
/// which only means that every cell has an id.
/// </summary>
internal sealed partial class NotebookDocument
{
    private const int Format = 4, FormatMinor = 5, MaxDepth = 512;

    private static readonly JsonWriterOptions AsNbformatWrites = new()
    {
        Indented = true,
        IndentSize = 1,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = MaxDepth,
    };

    private readonly JsonObject root;
    private readonly JsonArray cells;

    private NotebookDocument(JsonObject root, string name)
    {
        (this.root, Name) = (root, name);
        cells = root["cells"] as JsonArray ?? throw NotANotebook("it has no list of cells");
        for (var i = 0; i < cells.Count; i++)
        {
            if (cells[i] is not JsonObject cell || !NotebookCell.IsOne(cell)) throw NotANotebook($"cell {i + 1} has no known cell_type, or no source");
            if (NotebookCell.Strange(cell) is { } strange) throw NotANotebook($"the {strange.Name} of cell {i + 1} {strange.Why}");
        }
        if (root["metadata"] is not (null or JsonObject)) throw NotANotebook("its metadata are no object");
        root["metadata"] ??= new JsonObject();
        foreach (var key in new[] { "kernelspec", "language_info" })
            if (root["metadata"]![key] is not (null or JsonObject)) throw NotANotebook($"the {key} in its metadata is no object");
    }

    /// <summary>The file's name, for messages and headings.</summary>
    public string Name { get; }

    /// <summary>The cells, top to bottom.</summary>
    public IReadOnlyList<NotebookCell> Cells => [.. cells.Select(c => new NotebookCell(c!.AsObject()))];

    /// <summary>Reads a C# notebook.</summary>
    /// <exception cref="UserException">There is no such file, or it is none that can be run.</exception>
    public static NotebookDocument Load(string path)
    {
        if (Directory.Exists(path)) throw new UserException($"{path}: is a folder; name an .ipynb file in it");
        if (!File.Exists(path)) throw new UserException($"{path}: there is no such file");
        try
        {
            return Parse(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read ({e.Message})", e);
        }
    }

    /// <summary>Reads a C# notebook from its text; <paramref name="name"/> is for messages.</summary>
    /// <exception cref="UserException">It is none that can be run.</exception>
    public static NotebookDocument Parse(string json, string name)
    {
        if (Read(json, name) is not JsonObject root || root["nbformat"] is not JsonValue value)
            throw new UserException($"{name}: is not a notebook (no nbformat in it)");
        var (format, minor) = (Number(value), Number(root["nbformat_minor"]));
        if (format != Format)
            throw new UserException($"{name}: has nbformat {value.ToJsonString()}; format 4 can be run" + (format < Format ? $": `jupyter nbconvert --to notebook {name}` brings it up to date" : ""));
        try
        {
            var document = new NotebookDocument(root, name);
            document.RequireCSharp();
            document.Upgrade(minor);
            _ = document.ToText();                      // what could not be saved is told before the work, not after it
            return document;
        }
        catch (InvalidOperationException e)             // "\ud800": JSON can write it, but no text can hold it
        {
            throw new UserException($"{name}: is not a notebook (a text in it has half a character)", e);
        }
    }

    /// <summary>Puts a new cell before another one, or at the end.</summary>
    public void Insert(NotebookCell? before, NotebookCell cell)
    {
        cells.Insert(before is { } next ? cells.IndexOf(next.Json) : cells.Count, cell.Json);
        CompleteIds();
    }

    /// <summary>Takes out all cells that carry a tag.</summary>
    public void Remove(string tag)
    {
        foreach (var cell in Cells.Where(c => c.HasTag(tag))) cells.Remove(cell.Json);
    }

    /// <summary>The notebook's text, as <c>nbformat.write</c> would have it.</summary>
    public string ToText()
    {
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, AsNbformatWrites)) root.WriteTo(writer);
        stream.WriteByte((byte)'\n');
        var text = Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
        return Escape().Replace(text, e => e.Value is not ['\\', 'u', .. var hex] ? e.Value
            : (char)int.Parse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture) is >= ' ' and var character ? character.ToString() : e.Value.ToLowerInvariant());
    }

    private static JsonNode? Read(string json, string name)
    {
        try
        {
            var options = new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false };
            return JsonNode.Parse(json, documentOptions: options);
        }
        catch (JsonException e)
        {
            throw new UserException($"{name}: is not a notebook (no JSON: {e.Message.Split(" LineNumber:")[0].TrimEnd('.')}, line {e.LineNumber + 1})", e);
        }
    }

    private static int? Number(JsonNode? node) => node is JsonValue value && value.TryGetValue<int>(out var number) ? number : null;

    private UserException NotANotebook(string why) => new($"{Name}: is not a notebook ({why})");

    // The kernel's language, and that of single cells, which Polyglot Notebooks may mix.
    private void RequireCSharp()
    {
        var kernel = root["metadata"]?["kernelspec"];
        var language = Text(kernel?["language"]) ?? Text(root["metadata"]?["language_info"]?["name"]) ?? KernelNames.LanguageOf(Text(kernel?["name"]));
        if (language is not null && !IsCSharp(language))
            throw new UserException($"{Name}: is a notebook in {language}{(Text(kernel?["name"]) is { } name ? $" (kernel {name})" : "")}; this engine runs C#");
        foreach (var (cell, number) in Cells.Select((c, i) => (c, i + 1)))
            if (cell.IsCode && cell.Language is { } other && !IsCSharp(other))
                throw new UserException($"{Name}: cell {number} is in {other}; this engine runs C#");

        static bool IsCSharp(string language) => language.ToUpperInvariant() is "C#" or "CSHARP" or "POLYGLOT-NOTEBOOK";
        static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;
    }

    private void Upgrade(int? minor)
    {
        if (minor is null or < FormatMinor) root["nbformat_minor"] = FormatMinor;
        foreach (var cell in Cells) cell.Complete();
        CompleteIds();
    }

    // Ids that are missing, double or malformed; the same notebook gets the same ones each time.
    private void CompleteIds()
    {
        var taken = new HashSet<string>();
        for (var i = 0; i < cells.Count; i++)
        {
            var cell = new NotebookCell(cells[i]!.AsObject());
            if (cell.Id is { } id && ValidId().IsMatch(id) && taken.Add(id)) continue;
            for (var salt = 0; ; salt++)
            {
                var text = string.Create(CultureInfo.InvariantCulture, $"{i} {salt} {cell.Source}");
                cell.Id = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))[..8];
                if (taken.Add(cell.Id) && !cells.Any(c => c != cell.Json && new NotebookCell(c!.AsObject()).Id == cell.Id)) break;
            }
        }
    }

    // .NET escapes more than JSON asks for, emoji for instance, and in capitals; nbformat does neither.
    [GeneratedRegex(@"\\(?:u[0-9A-Fa-f]{4}|.)")]
    private static partial Regex Escape();

    [GeneratedRegex("^[a-zA-Z0-9-_]{1,64}$")]
    private static partial Regex ValidId();
}
