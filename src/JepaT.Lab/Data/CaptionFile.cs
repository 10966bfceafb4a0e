using System.Text.Json;
using nietras.SeparatedValues;

namespace JepaT.Lab;

/// <summary>
/// A file of captions: CSV with a heading (RFC 4180; <c>.tsv</c> with tabs), or JSONL with one object a line. The columns or keys
/// are <c>file</c> and <c>caption</c>, or, as published image folders have it, <c>file_name</c> and <c>text</c>; others are passed over. A
/// file is named by its path below the folder of the pictures.
/// </summary>
internal static class CaptionFile
{
    private static readonly string[] FileKeys = ["file", "file_name"], CaptionKeys = ["caption", "text"];

    /// <summary>Captions by the picture's path.</summary>
    /// <exception cref="UserException">The file cannot be read, lacks a column, or names a picture twice.</exception>
    public static IReadOnlyDictionary<string, string> Read(string path)
    {
        var captions = new Dictionary<string, string>();
        foreach (var (line, file, caption) in Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".csv" => Separated(path, ','),
            ".tsv" => Separated(path, '\t'),
            ".jsonl" => Jsonl(path),
            _ => throw new UserException($"{path}: a file of captions ends in .csv, .tsv or .jsonl"),
        })
        {
            if (string.IsNullOrWhiteSpace(file) || string.IsNullOrWhiteSpace(caption)) throw new UserException($"{path}: line {line}: file or caption is empty");
            if (!captions.TryAdd(file.Replace('\\', '/'), caption)) throw new UserException($"{path}: line {line}: {file} has a caption already; one a picture");
        }
        return captions;
    }

    private static List<(int Line, string File, string Caption)> Separated(string path, char separator)
    {
        var rows = new List<(int Line, string File, string Caption)>();
        try
        {
            var text = string.Join('\n', TextLines.Of(path));
            using var reader = Sep.New(separator).Reader(o => o with { Unescape = true }).FromText(text);
            if (!reader.HasRows && IsOpen(text)) throw Open(1);
            var (file, caption) = (Column(FileKeys), Column(CaptionKeys));
            foreach (var row in reader)
                if (IsOpen(row.Span)) throw Open(row.LineNumberFrom);
                else rows.Add((row.LineNumberFrom, row[file].ToString(), row[caption].ToString()));

            // An open quote takes all that follows for its text.
            static bool IsOpen(ReadOnlySpan<char> row) => row.Count('"') % 2 != 0;

            UserException Open(int line) => new($"{path}: line {line}: a quote is not closed; a text that holds quotes stands in quotes, and has its own twice: \"a \"\"red\"\" bag\"");

            int Column(string[] keys) => reader.Header.ColNames.Select((name, i) => (name, i)).Where(c => keys.Contains(c.name.Trim('"'))).Select(c => (int?)c.i).FirstOrDefault()
                ?? throw new UserException($"{path}: the first line names no column '{keys[0]}'");
        }
        catch (Exception e) when (e is InvalidDataException or ArgumentException)
        {
            throw new UserException($"{path}: is no CSV file ({e.Message})", e);
        }
        return rows;
    }

    private static IEnumerable<(int Line, string File, string Caption)> Jsonl(string path)
    {
        var lines = TextLines.Of(path);
        for (var i = 0; i < lines.Length; i++)
        {
            if (string.IsNullOrWhiteSpace(lines[i])) continue;
            yield return (i + 1, Value(lines[i], FileKeys, i), Value(lines[i], CaptionKeys, i));
        }

        string Value(string line, string[] keys, int i)
        {
            try
            {
                using var json = JsonDocument.Parse(line);
                return json.RootElement.EnumerateObject().FirstOrDefault(p => keys.Contains(p.Name)).Value.GetString()
                    ?? throw new UserException($"{path}: line {i + 1}: '{keys[0]}' is null");
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                throw new UserException($"{path}: line {i + 1}: no object with '{keys[0]}' as text, such as {{\"file\": \"a.jpg\", \"caption\": \"a red bag\"}}", e);
            }
        }
    }
}
