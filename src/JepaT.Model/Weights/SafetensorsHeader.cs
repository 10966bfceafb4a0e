using System.Text;
using System.Text.Json;

namespace JepaT.Model;

/// <summary>
/// Reads the JSON header of a safetensors file token by token: hundreds of thousands of tensors cost an object each and no tree of the
/// document beside them.
/// </summary>
internal ref struct SafetensorsHeader
{
    private readonly ReadOnlySpan<byte> bytes;
    private readonly ByteSource file;
    private readonly long dataStart;
    private readonly Dictionary<string, ElementType> types = ElementType.All.Where(t => t.Safetensors is not null).ToDictionary(t => t.Safetensors!);
    private readonly List<long> numbers = [];
    private Utf8JsonReader json;

    private SafetensorsHeader(ReadOnlySpan<byte> bytes, ByteSource file, long dataStart)
    {
        this.bytes = bytes;
        (this.file, this.dataStart) = (file, dataStart);
        json = new Utf8JsonReader(bytes);
    }

    /// <summary>The tensors in the order of the header, each checked to lie within the file, and the texts of <c>__metadata__</c>.</summary>
    /// <exception cref="MalformedException">It is no such header.</exception>
    public static (List<StoredTensor> Tensors, Dictionary<string, string> Metadata) Read(ReadOnlySpan<byte> bytes, ByteSource file, long dataStart)
    {
        try
        {
            return new SafetensorsHeader(bytes, file, dataStart).Read();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)      // the latter: of another kind, or no UTF-8
        {
            throw Safetensors.Broken($"its header is not the JSON it should be ({Plain.Text(e.Message)})");
        }
    }

    private (List<StoredTensor>, Dictionary<string, string>) Read()
    {
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject) throw Safetensors.Broken("its header is not a JSON object");
        List<StoredTensor> tensors = [];
        HashSet<string> names = [];
        Dictionary<string, string> metadata = [];
        while (Name() is { } name)
            if (!names.Add(name)) throw Twice(name);
            else if (name == Safetensors.MetadataKey) metadata = Metadata();
            else tensors.Add(Tensor(name));
        json.Read();                                                                    // refuses what stands behind the object
        return (tensors, metadata);
    }

    private Dictionary<string, string> Metadata()
    {
        if (json.TokenType != JsonTokenType.StartObject) throw new JsonException($"{Safetensors.MetadataKey} is no object");
        Dictionary<string, string> metadata = [];
        while (Name() is { } key)
        {
            var start = (int)json.TokenStartIndex;
            var text = json.TokenType == JsonTokenType.String ? json.GetString()! : null;
            json.Skip();
            if (!metadata.TryAdd(key, text ?? Encoding.UTF8.GetString(bytes[start..(int)json.BytesConsumed]))) throw Twice(key);
        }
        return metadata;
    }

    private StoredTensor Tensor(string name)
    {
        string? dtype = null;
        long[]? shape = null, offsets = null;
        if (json.TokenType != JsonTokenType.StartObject) throw Invalid(name);
        while (Name() is { } key)
        {
            if (key is "dtype" && dtype is not null || key is "shape" && shape is not null || key is "data_offsets" && offsets is not null) throw Twice(key);
            if (key == "dtype") dtype = json.TokenType == JsonTokenType.String ? json.GetString() : throw Invalid(name);
            else if (key == "shape") shape = Numbers(name);
            else if (key == "data_offsets") offsets = Numbers(name);
            else json.Skip();
        }
        if (dtype is null || shape is null || offsets is null) throw Invalid(name);
        // What the format gained since: its bytes are there to be listed and copied, whatever they mean.
        if (!types.TryGetValue(dtype, out var type)) types.Add(dtype, type = ElementType.Unknown(dtype));
        var count = ElementType.Count(shape, name);
        if (offsets is not [>= 0 and var begin, var end] || end < begin || end > file.Length - dataStart || !type.Fits(count, end - begin))
            throw Safetensors.Broken($"tensor {Plain.Text(name)} lies outside the file or does not fit its shape (is the file cut off?)");
        return new(name, type, shape, file, dataStart + begin) { Bytes = end - begin };
    }

    private long[] Numbers(string tensor)
    {
        if (json.TokenType != JsonTokenType.StartArray) throw Invalid(tensor);
        numbers.Clear();
        while (json.Read() && json.TokenType != JsonTokenType.EndArray)
            numbers.Add(json.TokenType == JsonTokenType.Number && json.TryGetInt64(out var n) ? n : throw Invalid(tensor));
        return [.. numbers];
    }

    /// <summary>The next key of an object, with the reader on its value; null at the object's end.</summary>
    private string? Name()
    {
        json.Read();
        if (json.TokenType == JsonTokenType.EndObject) return null;
        var name = json.GetString()!;
        json.Read();
        return name;
    }

    private static JsonException Twice(string name) => new($"{name} is there twice");

    private static MalformedException Invalid(string name) => Safetensors.Broken($"tensor {Plain.Text(name)} has no valid dtype, shape and data_offsets");
}
