using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace JepaT.Model;

/// <summary>
/// The safetensors file format: 8 bytes header length (little endian), a JSON header
/// <c>{"name": {"dtype", "shape", "data_offsets": [begin, end]}}</c>, then the raw data.
/// </summary>
public static class Safetensors
{
    private const int MaxHeader = 100_000_000;

    private static readonly Dictionary<string, (ScalarType Type, int Size)> DTypes = new()
    {
        ["F64"] = (ScalarType.Float64, 8),
        ["F32"] = (ScalarType.Float32, 4),
        ["F16"] = (ScalarType.Float16, 2),
        ["BF16"] = (ScalarType.BFloat16, 2),
        ["I64"] = (ScalarType.Int64, 8),
        ["I32"] = (ScalarType.Int32, 4),
        ["I16"] = (ScalarType.Int16, 2),
        ["I8"] = (ScalarType.Int8, 1),
        ["U8"] = (ScalarType.Byte, 1),
        ["BOOL"] = (ScalarType.Bool, 1),
    };

    /// <summary>Reads all tensors of a file to CPU memory, detached from any dispose scope: the caller owns them.</summary>
    /// <exception cref="UserException">The file is missing, truncated or no safetensors file.</exception>
    public static Dictionary<string, Tensor> Load(string path)
    {
        using var file = Open(path);
        return Load(file, path);
    }

    /// <summary>As <see cref="Load(string)"/>, from a stream that can seek; messages name <paramref name="source"/>.</summary>
    /// <exception cref="UserException">It is truncated or no safetensors file.</exception>
    public static Dictionary<string, Tensor> Load(Stream file, string source)
    {
        var (header, dataStart) = ReadHeader(file, source);
        using (header)
        {
            var tensors = new Dictionary<string, Tensor>();
            foreach (var entry in header.RootElement.EnumerateObject())
                if (entry.Name != "__metadata__")
                    tensors[entry.Name] = ReadTensor(file, source, entry, dataStart);
            return tensors;
        }
    }

    /// <summary>The text entries of the header's <c>__metadata__</c>; empty where there are none.</summary>
    /// <exception cref="UserException">The file is missing, truncated or no safetensors file.</exception>
    public static Dictionary<string, string> Metadata(string path)
    {
        using var file = Open(path);
        var (header, _) = ReadHeader(file, path);
        using (header)
            return header.RootElement.TryGetProperty("__metadata__", out var meta) && meta.ValueKind == JsonValueKind.Object
                ? meta.EnumerateObject().ToDictionary(p => p.Name, p => p.Value.ToString())
                : [];
    }

    /// <summary>Writes a file with the tensors in the order given. Not atomic: write to a temporary name and move.</summary>
    public static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var file = File.Create(path);
        Save(file, tensors, metadata);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Writes the tensors in the order given.</summary>
    public static void Save(Stream file, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        using var scope = NewDisposeScope();
        var items = tensors.Select(t => (Name: t.Key, Value: t.Value.detach().cpu().contiguous())).ToList();
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                json.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (var (name, value) in items)
            {
                var dtype = DTypes.First(d => d.Value.Type == value.dtype);
                json.WriteStartObject(name);
                json.WriteString("dtype", dtype.Key);
                json.WriteStartArray("shape");
                foreach (var n in value.shape) json.WriteNumberValue(n);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += value.numel() * dtype.Value.Size);
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
        foreach (var (_, value) in items) file.Write(Bytes(value));
    }

    private static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be opened ({e.Message})", e);
        }
    }

    private static (JsonDocument Header, long DataStart) ReadHeader(Stream file, string path)
    {
        Span<byte> length = stackalloc byte[8];
        if (file.ReadAtLeast(length, 8, throwOnEndOfStream: false) < 8) throw Broken(path, "shorter than its 8-byte header length");
        var n = BinaryPrimitives.ReadInt64LittleEndian(length);
        if (n is < 2 or > MaxHeader || n > file.Length - 8) throw Broken(path, $"header length {n} does not fit the file");
        var bytes = new byte[n];
        file.ReadExactly(bytes);
        try
        {
            var header = JsonDocument.Parse(bytes);
            if (header.RootElement.ValueKind == JsonValueKind.Object) return (header, 8 + n);
            header.Dispose();
            throw Broken(path, "its header is not a JSON object");
        }
        catch (JsonException e)
        {
            throw Broken(path, $"its header is not JSON ({e.Message})");
        }
    }

    private static Tensor ReadTensor(Stream file, string path, JsonProperty entry, long dataStart)
    {
        long[] shape, offsets;
        string dtype;
        try
        {
            dtype = entry.Value.GetProperty("dtype").GetString() ?? "";
            shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64())];
            offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(e => e.GetInt64())];
        }
        catch (Exception e) when (e is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Broken(path, $"tensor {entry.Name} has no valid dtype, shape and data_offsets");
        }
        if (!DTypes.TryGetValue(dtype, out var type)) throw Broken(path, $"tensor {entry.Name} has the unknown type {dtype}");
        Int128 size = type.Size;
        foreach (var d in shape)
            size = d >= 0 && size <= long.MaxValue ? size * d : throw Broken(path, $"tensor {entry.Name} has an impossible shape");
        if (offsets.Length != 2 || offsets[0] < 0 || offsets[1] - offsets[0] != size || offsets[1] > file.Length - dataStart)
            throw Broken(path, $"tensor {entry.Name} lies outside the file or does not fit its shape (is the file cut off?)");
        var tensor = empty(shape, dtype: type.Type).DetachFromDisposeScope();
        file.Position = dataStart + offsets[0];
        file.ReadExactly(Bytes(tensor));
        return tensor;
    }

    private static Span<byte> Bytes(Tensor contiguous) =>
        contiguous.numel() == 0 ? [] : MemoryMarshal.AsBytes(contiguous.bytes);

    private static UserException Broken(string path, string why) => new($"{path}: not a readable safetensors file: {why}");
}
