namespace JepaT.Lab;

/// <summary>What a filter or an order looks at.</summary>
internal enum FilterEntity { Metric, Param, Tag, Attribute, Dataset }

/// <summary>One thing of a run that a filter or an order names, e.g. the metric <c>eval/fid</c>.</summary>
internal sealed record FilterField(FilterEntity Entity, string Key)
{
    private const string Allowed = "allowed are metrics.k, params.k, tags.k, datasets.name|digest|context and the attributes "
        + "run_id, run_name, status, user_id, artifact_uri, start_time, end_time, created";

    private static readonly Dictionary<string, FilterEntity> Entities = new()
    {
        ["metric"] = FilterEntity.Metric,
        ["metrics"] = FilterEntity.Metric,
        ["parameter"] = FilterEntity.Param,
        ["parameters"] = FilterEntity.Param,
        ["param"] = FilterEntity.Param,
        ["params"] = FilterEntity.Param,
        ["tag"] = FilterEntity.Tag,
        ["tags"] = FilterEntity.Tag,
        ["attribute"] = FilterEntity.Attribute,
        ["attributes"] = FilterEntity.Attribute,
        ["attr"] = FilterEntity.Attribute,
        ["run"] = FilterEntity.Attribute,
        ["dataset"] = FilterEntity.Dataset,
        ["datasets"] = FilterEntity.Dataset,
    };

    private static readonly Dictionary<string, string> Attributes = new()
    {
        ["run_id"] = "run_id",
        ["run_name"] = "run_name",
        ["status"] = "status",
        ["user_id"] = "user_id",
        ["artifact_uri"] = "artifact_uri",
        ["start_time"] = "start_time",
        ["end_time"] = "end_time",
        ["created"] = "start_time",
        ["Created"] = "start_time",
    };

    /// <summary>Whether it is a number: a metric or a time.</summary>
    public bool IsNumber => Entity == FilterEntity.Metric || IsTime;

    /// <summary>Whether it is the start or end of the run.</summary>
    public bool IsTime => Entity == FilterEntity.Attribute && Key is "start_time" or "end_time";

    /// <summary>Reads a name as it stands in the filter: <c>metrics.`eval/fid`</c>, <c>"params.x"</c>, <c>status</c>.</summary>
    /// <param name="name">The name.</param>
    /// <param name="refuse">Makes the error from what is wrong.</param>
    /// <param name="ordering">Whether it is in an order, where fewer names are known.</param>
    public static FilterField Parse(string name, Func<string, UserException> refuse, bool ordering = false)
    {
        var dot = name.IndexOf('.', StringComparison.Ordinal);
        var entity = FilterEntity.Attribute;
        if (dot >= 0 && !Entities.TryGetValue(Bare(name[..dot], "`"), out entity)) throw refuse($"'{name[..dot]}' is unknown: {Allowed}");
        var key = Bare(Bare(name[(dot + 1)..], "'\""), "`");
        if (entity == FilterEntity.Attribute)
            key = Attributes.TryGetValue(key, out var known) ? known : !ordering && key is "run name" or "Run name" or "Run Name" ? "run_name"
                : throw refuse($"the attribute '{key}' is unknown: {Allowed}");
        if (entity == FilterEntity.Dataset && key is not ("name" or "digest" or "context")) throw refuse($"'{key}' is unknown of data sets: {Allowed}");
        if (entity == FilterEntity.Dataset && ordering) throw refuse("runs have no order by data sets: metrics, params, tags and attributes are allowed");
        return new(entity, key);
    }

    /// <summary>The text without one of these quotes around it.</summary>
    public static string Bare(string text, string quotes) =>
        text.Length >= 2 && text[0] == text[^1] && quotes.Contains(text[0], StringComparison.Ordinal) ? text[1..^1] : text;
}
