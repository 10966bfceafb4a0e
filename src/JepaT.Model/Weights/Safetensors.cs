using System.Buffers.Binary;
using System.Text.Json;

namespace JepaT.Model;

/// <summary>
/// The safetensors file format: 8 bytes header length (little endian), a JSON header
/// <c>{"name": {"dtype", "shape", "data_offsets": [begin, end]}}</c>, then the raw data, which the tensors fill without gap or overlap.
/// </summary>
public static class Safetensors
{
    private const int MaxHeader = 100_000_000;
    internal const string MetadataKey = "__metadata__";

    /// <summary>Reads all tensors of a file to CPU memory, detached from any dispose scope: the caller owns them.</summary>
    /// <exception cref="UserException">The file is missing, truncated or no safetensors file.</exception>
    public static Dictionary<string, Tensor> Load(string path)
    {
        using var file = MappedFile.Open(path);
        return Load(file, path);
    }

    /// <summary>As <see cref="Load(string)"/>, from a stream that can seek; messages name <paramref name="source"/>.</summary>
    /// <exception cref="UserException">It is truncated or no safetensors file.</exception>
    public static Dictionary<string, Tensor> Load(Stream file, string source)
    {
        using var bytes = new StreamSource(file);
        return Load(bytes, source);
    }

    /// <summary>The text entries of the header's <c>__metadata__</c>; empty where there are none.</summary>
    /// <exception cref="UserException">The file is missing, truncated or no safetensors file.</exception>
    public static Dictionary<string, string> Metadata(string path)
    {
        using var file = MappedFile.Open(path);
        return Guard(path, () => Read(file).Metadata);
    }

    /// <summary>Writes a file with the tensors in the order given. Not atomic: write to a temporary name and move.</summary>
    public static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var file = File.Create(path);
        Save(file, tensors, metadata);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Writes the tensors in the order given.</summary>
    /// <exception cref="UserException">A tensor is of a type that the format has not.</exception>
    public static void Save(Stream file, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        Save(file, [.. tensors.Select(t => new WeightToWrite(t.Key, t.Value))], metadata);

    /// <summary>Writes tensors one after the other: only one is in memory at a time if they are made when asked for.</summary>
    /// <exception cref="UserException">A tensor is of a type that the format has not.</exception>
    public static void Save(Stream file, IReadOnlyList<WeightToWrite> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject(MetadataKey);
                foreach (var (key, value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var tensor in tensors)
            {
                var type = tensor.ElementType;
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", type.Safetensors ?? throw new UserException($"{tensor.Source}tensor {Plain.Text(tensor.Name)} is {type.Name}, which safetensors has not: write a .pth file"));
                json.WriteStartArray("shape");
                foreach (var n in tensor.Shape) json.WriteNumberValue(n);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.Bytes);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (header.Length % 8 != 0) header.WriteByte((byte)' ');             // the data then starts aligned

        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        file.Write(length);
        header.WriteTo(file);
        foreach (var tensor in tensors) tensor.Write(file);
    }

    /// <summary>Whether the bytes begin as this format does; nothing else is checked.</summary>
    internal static bool Recognise(ByteSource file)
    {
        if (file.Length < 10) return false;
        Span<byte> start = stackalloc byte[9];
        file.Read(0, start);
        return BinaryPrimitives.ReadInt64LittleEndian(start) is >= 2 and var n && n <= file.Length - 8 && start[8] == '{';
    }

    /// <summary>Reads and checks the header.</summary>
    /// <exception cref="MalformedException">It breaks a rule of the format.</exception>
    internal static (List<StoredTensor> Tensors, Dictionary<string, string> Metadata) Read(ByteSource file)
    {
        if (file.Length < 8) throw Broken("shorter than its 8-byte header length");
        Span<byte> length = stackalloc byte[8];
        file.Read(0, length);
        var n = BinaryPrimitives.ReadInt64LittleEndian(length);
        if (n is < 2 or > MaxHeader || n > file.Length - 8) throw Broken($"header length {n} does not fit the file");
        var bytes = new byte[n];
        file.Read(8, bytes);
        var (tensors, metadata) = SafetensorsHeader.Read(bytes, file, 8 + n);
        RequireNoGap(tensors, 8 + n, file.Length);
        return (tensors, metadata);
    }

    /// <summary>What the format's own reader demands: every byte of the data belongs to exactly one tensor.</summary>
    private static void RequireNoGap(List<StoredTensor> tensors, long start, long end)
    {
        var position = start;
        foreach (var t in tensors.OrderBy(t => t.Offset).ThenBy(t => t.Bytes))
        {
            if (t.Offset != position) throw Broken($"tensor {Plain.Text(t.Name)} {(t.Offset < position ? "overlaps" : "leaves a gap after")} the one before it");
            position += t.Bytes;
        }
        if (position != end) throw Broken($"its tensors end at byte {position}, the file at {end} (is it cut off?)");
    }

    private static Dictionary<string, Tensor> Load(ByteSource file, string path) => Guard(path, () => Read(file).Tensors.ToDictionary(t => t.Name, t => t.Read()));

    private static T Guard<T>(string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (MalformedException e)
        {
            throw new UserException($"{path}: {e.Message}", e);
        }
    }

    internal static MalformedException Broken(string why) => new($"not a readable safetensors file: {why}");
}
