using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>First line of a spool file: whose values these are, and where they go. No secrets.</summary>
/// <param name="Server">The server's address without a login.</param>
/// <param name="RunId">MLflow's id of the run, or <c>local-…</c> of one that the server does not know yet.</param>
/// <param name="Name">The run's name.</param>
/// <param name="Started">When the file was made, in ms: parents come before their children.</param>
/// <param name="Create">How to make a run that the server does not know yet.</param>
internal sealed record SpoolHead(string Server, string RunId, string Name, long Started, SpoolCreate? Create = null)
{
    /// <summary>Version of the format.</summary>
    [JsonRequired]
    public int Spool { get; init; } = 1;
}

/// <summary>A run to make when the server answers.</summary>
/// <param name="Id">The id by which a create that has arrived is found again.</param>
/// <param name="ExperimentId">The experiment, where the server has told its id.</param>
/// <param name="Experiment">Its name, where not.</param>
/// <param name="ExperimentTags">Tags of an experiment that has to be made.</param>
/// <param name="StartTime">Start in ms.</param>
/// <param name="Tags">Tags of the run.</param>
internal sealed record SpoolCreate(string Id, string? ExperimentId, string? Experiment, Dictionary<string, string>? ExperimentTags, long StartTime,
    Dictionary<string, string> Tags);

/// <summary>A call that waits: a batch, data sets, a file or a status.</summary>
internal sealed record SpoolLine
{
    public IReadOnlyCollection<Metric>? Metrics { get; init; }

    public IReadOnlyCollection<KeyValuePair<string, string>>? Params { get; init; }

    public IReadOnlyCollection<KeyValuePair<string, string>>? Tags { get; init; }

    public IReadOnlyCollection<DatasetInput>? Inputs { get; init; }

    /// <summary>Path of an artifact in the run.</summary>
    public string? Artifact { get; init; }

    /// <summary>Where its bytes are: a name in the run's folder of the spool.</summary>
    public string? File { get; init; }

    public RunStatus? Status { get; init; }

    /// <summary>With <see cref="Status"/>: the end of the run, null while it goes on.</summary>
    public long? End { get; init; }

    /// <summary>With <see cref="Status"/>: a new name.</summary>
    public string? Name { get; init; }

    /// <summary>Why the server refused it; only in the file of those.</summary>
    public string? Refused { get; init; }

    [JsonIgnore]
    public bool IsBatch => Metrics is not null || Params is not null || Tags is not null;

    /// <summary>How many values it holds.</summary>
    [JsonIgnore]
    public int Count => IsBatch ? (Metrics?.Count ?? 0) + (Params?.Count ?? 0) + (Tags?.Count ?? 0) : 1;
}

/// <summary>How lines become text: one line of JSON each, every double as it is.</summary>
internal static class SpoolJson
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter() },
    };

    /// <summary>The line with its end.</summary>
    public static byte[] Write<T>(T line) => [.. JsonSerializer.SerializeToUtf8Bytes(line, Options), (byte)'\n'];

    /// <summary>Null: no line of this form.</summary>
    public static T? Read<T>(ReadOnlySpan<byte> line) where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line, Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
