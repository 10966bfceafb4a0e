using System.Collections;
using System.Text;
using System.Text.Json;
using Plotly.NET;

namespace JepaT.Lab;

/// <summary>
/// A chart as the JSON that plotly.js reads: data and layout. Plotly.NET's own <c>toFigureJson</c> starts its HTML library on the way, which
/// cannot be loaded in .NET Interactive, whose FSharp.Core is older.
/// </summary>
internal static class FigureJson
{
    public static string Of(GenericChart chart)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream))
            Write(json, new Dictionary<string, object?> { ["data"] = GenericChart.getTraces(chart), ["layout"] = GenericChart.getLayout(chart) });
        return Encoding.UTF8.GetString(stream.GetBuffer(), 0, (int)stream.Length);
    }

    // The values that our charts are made of; a number that JSON has no word for is a gap.
    private static void Write(Utf8JsonWriter json, object? value)
    {
        switch (value)
        {
            case null:
            case double d when !double.IsFinite(d):
                json.WriteNullValue();
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case int or long:
                json.WriteNumberValue(Convert.ToInt64(value, null));
                break;
            case double number:
                json.WriteNumberValue(number);
                break;
            case IReadOnlyDictionary<string, object?> properties:
                Write(json, properties);
                break;
            case DynamicObj.DynamicObj dynamic:
                Write(json, dynamic.GetProperties(includeInstanceProperties: true)!);
                break;
            case IEnumerable items:
                json.WriteStartArray();
                foreach (var item in items) Write(json, item);
                json.WriteEndArray();
                break;
            default:
                throw new ArgumentException($"a chart holds a {value.GetType()}, which is not known here", nameof(value));
        }
    }

    private static void Write(Utf8JsonWriter json, IEnumerable<KeyValuePair<string, object?>> properties)
    {
        json.WriteStartObject();
        foreach (var (name, item) in properties)
        {
            json.WritePropertyName(name);
            Write(json, item);
        }
        json.WriteEndObject();
    }
}
