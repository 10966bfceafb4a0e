using System.Text.Json;

namespace JepaT.Model;

/// <summary>An index of weights in several files beside it: <c>{"weight_map": {"tensor": "file"}}</c>.</summary>
internal static class WeightIndex
{
    private const int MaxLength = 100_000_000;

    /// <summary>Whether it begins as JSON does.</summary>
    public static bool Recognise(ByteSource file)
    {
        var start = new byte[Math.Min(file.Length, 16)];
        file.Read(0, start);
        return start.AsSpan().TrimStart(" \t\r\n\ufeff"u8) is [(byte)'{', ..];
    }

    /// <summary>Tensors and the files that hold them.</summary>
    /// <exception cref="MalformedException">It is no such index, or names a file elsewhere.</exception>
    public static List<(string Name, string File)> Read(ByteSource file)
    {
        if (file.Length > MaxLength) throw Broken("it is too long");
        var bytes = new byte[file.Length];
        file.Read(0, bytes);
        try
        {
            using var json = JsonDocument.Parse(bytes, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (json.RootElement.ValueKind != JsonValueKind.Object || !json.RootElement.TryGetProperty("weight_map", out var map)) throw Broken("it has no weight_map");
            List<(string, string)> parts = [];
            foreach (var entry in map.EnumerateObject())
            {
                var part = entry.Value.GetString() ?? "";
                // A file beside the index, whatever the system: no folder, no drive, no way up, and no index again.
                if (part.Length == 0 || part.Any(c => c is '/' or '\\' or ':' || char.IsControl(c)) || part is "." or ".." || part.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
                    throw Broken($"it names the file '{Plain.Text(part)}', which is not one beside it");
                parts.Add((entry.Name, part));
            }
            return parts.Count > 0 ? parts : throw Broken("its weight_map is empty");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw Broken($"it is not the JSON it should be ({Plain.Text(e.Message)})");
        }
    }

    private static MalformedException Broken(string why) => new($"not a readable index of weights: {why}");
}
