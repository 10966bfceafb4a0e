using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>A message that came in. What a front end asks for stands in its content.</summary>
/// <param name="Route">The frames by which an answer finds its way back.</param>
/// <param name="Header">The header as it came: it becomes the parent of the answers.</param>
/// <param name="Type">msg_type.</param>
/// <param name="Content">The content.</param>
internal sealed record JupyterMessage(IReadOnlyList<byte[]> Route, byte[] Header, string Type, JsonObject Content)
{
    /// <summary>A text in the content.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public string Text(string name) => Value<string>(name) ?? throw new FormatException($"{Type} has no text named '{name}'");

    public string Text(string name, string otherwise) => Value<string>(name) ?? otherwise;

    public bool Flag(string name, bool otherwise) => Value<bool?>(name) ?? otherwise;

    public int Number(string name, int otherwise) => Value<int?>(name) ?? otherwise;

    private T? Value<T>(string name)
    {
        try
        {
            return Content[name] is not { } node ? default
                : node is JsonValue value && value.TryGetValue<T>(out var result) ? result
                : throw new FormatException($"{Type}: '{name}' is of the wrong type");
        }
        catch (InvalidOperationException e)         // half a character, which JSON can write but no text can hold
        {
            throw new FormatException($"{Type}: '{name}' is no valid text", e);
        }
    }
}

/// <summary>
/// Jupyter's wire format: route, delimiter, signature, header, parent header, metadata, content. A message counts only if its signature,
/// made with the key of the connection file, is right and was not seen before.
/// </summary>
/// <remarks>https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol</remarks>
internal sealed class JupyterWire(byte[] key)
{
    /// <summary>The protocol's version: with message-mode interrupts.</summary>
    public const string Version = "5.3";

    /// <summary>So many signatures are remembered, as jupyter_client does.</summary>
    private const int Remembered = 1 << 16;

    private static readonly byte[] Delimiter = "<IDS|MSG>"u8.ToArray(), Empty = "{}"u8.ToArray();

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly string session = Guid.NewGuid().ToString("N");
    private readonly HashSet<UInt128> seen = new(Remembered);
    private readonly Queue<UInt128> order = new(Remembered);
    private int sent;

    /// <summary>JSON whose meaning is beyond doubt.</summary>
    public static JsonDocumentOptions Strict { get; } = new() { AllowDuplicateProperties = false };

    /// <summary>Not from several threads at a time.</summary>
    /// <exception cref="FormatException">The message must be dropped; says why.</exception>
    public JupyterMessage Read(IReadOnlyList<byte[]> frames)
    {
        var at = 0;
        while (at < frames.Count && !frames[at].AsSpan().SequenceEqual(Delimiter)) at++;
        if (frames.Count < at + 6) throw new FormatException("it is not a Jupyter message");
        var signature = Sign(frames[at + 2], frames[at + 3], frames[at + 4], frames[at + 5]);
        if (!CryptographicOperations.FixedTimeEquals(frames[at + 1], Encoding.ASCII.GetBytes(Convert.ToHexStringLower(signature)))) throw new FormatException("its signature is wrong");
        Remember(BitConverter.ToUInt128(signature));

        var header = Parse(frames[at + 2], "header");
        var content = Parse(frames[at + 5], "content");
        if (header["msg_type"] is not JsonValue type || !type.TryGetValue<string>(out var name)) throw new FormatException("its header has no msg_type");
        return new([.. frames.Take(at)], frames[at + 2], name, content);
    }

    /// <summary>The frames of a message, from any thread.</summary>
    /// <param name="route">Where to: of the message that is answered, or a topic.</param>
    /// <param name="type">msg_type.</param>
    /// <param name="content">The content.</param>
    /// <param name="parent">The header of the message that caused this one.</param>
    public List<byte[]> Write(IReadOnlyList<byte[]> route, string type, JsonObject content, byte[]? parent)
    {
        var header = Bytes(new JsonObject
        {
            ["msg_id"] = $"{session}_{Interlocked.Increment(ref sent)}",
            ["username"] = "kernel",
            ["session"] = session,
            ["date"] = TimeProvider.System.GetUtcNow().UtcDateTime.ToString("O"),
            ["msg_type"] = type,
            ["version"] = Version,
        });
        var body = Bytes(content);
        var signature = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(Sign(header, parent ?? Empty, Empty, body)));
        return [.. route, Delimiter, signature, header, parent ?? Empty, Empty, body];
    }

    private byte[] Sign(params ReadOnlySpan<byte[]> parts)
    {
        using var hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key);
        foreach (var part in parts) hash.AppendData(part);
        return hash.GetHashAndReset();
    }

    private void Remember(UInt128 signature)
    {
        if (!seen.Add(signature)) throw new FormatException("it came a second time");
        order.Enqueue(signature);
        if (order.Count > Remembered) seen.Remove(order.Dequeue());
    }

    private static byte[] Bytes(JsonObject value) => JsonSerializer.SerializeToUtf8Bytes(value, Readable);

    private static JsonObject Parse(byte[] frame, string what)
    {
        try
        {
            return JsonNode.Parse(Utf8.GetString(frame), documentOptions: Strict) as JsonObject ?? throw new FormatException($"its {what} is not a JSON object");
        }
        catch (Exception e) when (e is JsonException or ArgumentException)
        {
            throw new FormatException($"its {what} is not JSON", e);
        }
    }
}
