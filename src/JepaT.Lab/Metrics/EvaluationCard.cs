using System.Text.Json;
using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>
/// What must be known of an evaluation for its numbers to be compared: goes into the run as params and beside them as JSON.
/// </summary>
public sealed record EvaluationCard
{
    /// <summary>Name of the feature network.</summary>
    public required string Network { get; init; }

    /// <summary>SHA-256 of its weights.</summary>
    public required string NetworkHash { get; init; }

    /// <summary>Generated pictures.</summary>
    public required int Count { get; init; }

    /// <summary>Whether their prompts are classes in turn, or captions of the data set, drawn with the seed.</summary>
    public required PromptChoice Prompts { get; init; }

    /// <summary>Classes they are shared out among; null with drawn captions.</summary>
    public int? Classes { get; init; }

    /// <summary>Seed of the kept features and of the drawn captions.</summary>
    public required int Seed { get; init; }

    /// <summary>Seed of the Inception score's splits.</summary>
    public required uint SplitSeed { get; init; }

    /// <summary>Whose statistics the real pictures' are.</summary>
    public required string Reference { get; init; }

    /// <summary>SHA-256 of their file, or of the paths and contents of their pictures.</summary>
    public required string ReferenceHash { get; init; }

    /// <summary>Scale of the guidance.</summary>
    public required double Guidance { get; init; }

    /// <summary>How the scale runs over the iterations.</summary>
    public required GuidanceSchedule GuidanceSchedule { get; init; }

    /// <summary>Of the Gaussian head's reverse steps; null with the flow head, which has none.</summary>
    public double? Temperature { get; init; }

    /// <summary>Masked iterations.</summary>
    public required int Iterations { get; init; }

    /// <summary>Steps of the head's ODE, or of its reverse process.</summary>
    public required int Steps { get; init; }

    /// <summary>Whether the pictures were made with the averaged weights.</summary>
    public required bool Ema { get; init; }

    /// <summary>Metric names to values.</summary>
    public IReadOnlyDictionary<string, double> Values { get; init; } = new Dictionary<string, double>();

    private static readonly JsonSerializerOptions Options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The card of pictures made with these settings.</summary>
    public static EvaluationCard Of(IFeatureNetwork network, ReferenceStatistics reference, FidProtocol protocol, SamplingConfig sampling, bool ema) => new()
    {
        Network = network.Name,
        NetworkHash = network.Hash,
        Count = protocol.Count,
        Prompts = protocol.Prompts,
        Classes = protocol.Prompts == PromptChoice.Classes ? protocol.Classes : null,
        Seed = protocol.Seed,
        SplitSeed = protocol.SplitSeed,
        Reference = $"{reference.Key.DataSet} {reference.Key.Split}",
        ReferenceHash = reference.Key.Digest,
        Guidance = sampling.Guidance,
        GuidanceSchedule = sampling.GuidanceSchedule,
        Iterations = sampling.Iterations,
        Steps = sampling.OdeSteps,
        Ema = ema,
    };

    /// <summary>As JSON, names in snake case.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Options);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="UserException">It is something else.</exception>
    public static EvaluationCard FromJson(string json, string source)
    {
        try
        {
            return JsonSerializer.Deserialize<EvaluationCard>(json, Options) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new UserException($"{source}: no evaluation card ({e.Message.ReplaceLineEndings(" ")})");
        }
    }

    /// <summary>All but the values as the run's params, <c>measured.network</c> and so on.</summary>
    public IEnumerable<KeyValuePair<string, object?>> Params() => new (string Name, object? Value)[]
    {
        ("network", Network), ("network_hash", NetworkHash), ("count", Count), ("prompts", Prompts), ("classes", Classes), ("seed", Seed), ("split_seed", SplitSeed),
        ("reference", Reference), ("reference_hash", ReferenceHash), ("guidance", Guidance), ("guidance_schedule", GuidanceSchedule),
        ("temperature", Temperature), ("iterations", Iterations), ("steps", Steps), ("ema", Ema),
    }.Select(p => KeyValuePair.Create("measured." + p.Name, p.Value));
}
