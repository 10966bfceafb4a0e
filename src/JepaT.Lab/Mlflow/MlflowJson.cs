using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>
/// MLflow's JSON: snake_case, enums by name, NaN and the infinities as quoted words (bare ones are answered 200 and lose
/// the rest of a batch), int64 as whole numbers, nothing for null. What is unknown in an answer is passed over;
/// what it must have and has not is an error.
/// </summary>
internal static class MlflowJson
{
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals | JsonNumberHandling.AllowReadingFromString,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseUpper, allowIntegerValues: false) },
    };

    /// <summary>The bytes to send.</summary>
    public static byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Options);

    /// <summary>An answer read; <see cref="JsonException"/> when it is none, or null.</summary>
    public static T Read<T>(ReadOnlySpan<byte> bytes) =>
        JsonSerializer.Deserialize<T>(bytes, Options) ?? throw new JsonException("the answer is null");
}
