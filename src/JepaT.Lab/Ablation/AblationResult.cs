using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>One logged value of a curve.</summary>
public readonly record struct CurvePoint(long Step, double Value);

/// <summary>What one run of the ablation (a preset and a seed) came to: plain data, no tensors.</summary>
/// <param name="Preset">Name of the fusion preset.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="RunId">Id in the tracking store.</param>
/// <param name="Status">MLflow's word: FINISHED, FAILED, KILLED or RUNNING.</param>
/// <param name="Error">Why it failed, in one line; null if it did not.</param>
/// <param name="Final">Metric to last value, e.g. <c>fid_fashion_1k</c>, <c>alignment_seen</c>, <c>parameters</c>, <c>images_per_second</c>.</param>
/// <param name="Curves">Metric to its course, e.g. <c>eval/fid_fashion_1k</c>, <c>train/loss</c>, in order of steps.</param>
/// <param name="Pictures">
/// PNG files of the fixed prompts at their own size, as many for each prompt, all of the first prompt first; empty if there are none.
/// </param>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed record RunResult(
    string Preset,
    int Seed,
    string RunId,
    string Status,
    string? Error,
    IReadOnlyDictionary<string, double> Final,
    IReadOnlyDictionary<string, IReadOnlyList<CurvePoint>> Curves,
    IReadOnlyList<byte[]> Pictures)
{
    /// <summary>Whether the run came to its end: only such runs count in means.</summary>
    [JsonIgnore]
    public bool Finished => Status == "FINISHED";

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(this).ToString();
}

/// <summary>What a whole ablation came to; the table and the report are made of this and nothing else.</summary>
/// <param name="Experiment">Name of the experiment.</param>
/// <param name="Runs">All runs; the presets are shown in the order in which they first appear here.</param>
/// <param name="Prompts">The fixed prompts of <see cref="RunResult.Pictures"/>.</param>
/// <param name="ConfigYaml">The resolved configuration.</param>
/// <param name="Command">What was typed.</param>
/// <param name="Machine">Processor, threads, system.</param>
/// <param name="Date">When it ended.</param>
/// <param name="DataName">Data set with split or digest.</param>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed record AblationResult(
    string Experiment,
    IReadOnlyList<RunResult> Runs,
    IReadOnlyList<string> Prompts,
    string ConfigYaml,
    string Command,
    string Machine,
    DateTimeOffset Date,
    string DataName)
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,    // a run that failed may hold NaN
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters = { new CurvePointConverter() },
    };

    /// <summary>Git commit of the code, with a mark if the tree was not clean; null if unknown.</summary>
    public string? Commit { get; init; }

    /// <summary>How long all runs took together; null if unknown.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Those of <see cref="Prompts"/> whose pair of colour and item never occurs in training.</summary>
    public IReadOnlyList<string> HeldOutPrompts { get; init; } = [];

    /// <summary>The presets in the order of their first run.</summary>
    [JsonIgnore]
    public IReadOnlyList<string> Presets => [.. Runs.Select(r => r.Preset).Distinct()];

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(this).ToString();

    /// <summary>Writes JSON, atomically.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public void Save(string path) => AtomicFile.Write(path, file => JsonSerializer.Serialize(file, this, Json));

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="UserException">The file is missing or is no saved ablation.</exception>
    public static AblationResult Load(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return JsonSerializer.Deserialize<AblationResult>(file, Json) ?? throw new JsonException("it holds null");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be opened ({e.Message})", e);
        }
        catch (JsonException e)
        {
            var reason = e.Message.ReplaceLineEndings(" ");
            throw new UserException($"{path}: is not the ablation.json of an ablation ({reason})", e);
        }
    }

    // [step, value]: a curve of thousands of points stays small.
    private sealed class CurvePointConverter : JsonConverter<CurvePoint>
    {
        public override CurvePoint Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.StartArray || !reader.Read()) throw new JsonException("a curve's point is not [step, value]");
            var step = reader.GetInt64();
            reader.Read();
            var value = JsonSerializer.Deserialize<double>(ref reader, options);
            if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray) throw new JsonException("a curve's point is not [step, value]");
            return new(step, value);
        }

        public override void Write(Utf8JsonWriter writer, CurvePoint value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            writer.WriteNumberValue(value.Step);
            JsonSerializer.Serialize(writer, value.Value, options);
            writer.WriteEndArray();
        }
    }
}
