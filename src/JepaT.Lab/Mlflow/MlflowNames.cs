namespace JepaT.Lab;

/// <summary>MLflow's limits on names and values, checked before sending: the server cuts or zeroes some without a word.</summary>
internal static class MlflowNames
{
    public static void Metric(MlflowMetric metric)
    {
        Key("metric", metric.Key);
        Time($"timestamp of metric {metric.Key}", metric.Timestamp);
    }

    public static void Param(MlflowParam parameter)
    {
        Key("param", parameter.Key);
        Length($"param {parameter.Key}", parameter.Value, 6000, allowEmpty: true);
    }

    public static void Tags(IReadOnlyList<MlflowTag> tags, bool unique)
    {
        foreach (var tag in tags)
        {
            Key("tag", tag.Key);
            Length($"tag {tag.Key}", tag.Value, 8000, allowEmpty: true);
        }
        if (unique && tags.Select(tag => tag.Key).Distinct().Count() != tags.Count) throw new ArgumentException("a tag is given twice");
    }

    public static void Key(string what, string key)
    {
        Length(what + " key", key, 250);
        if (!key.All(c => char.IsLetterOrDigit(c) || c is '_' or '-' or '.' or ' ' or '/' or ':') || key.Split('/').Any(part => part is "" or "." or ".."))
            throw new ArgumentException($"the {what} key \"{Plain(key)}\" may have letters, digits, _ - . / : and spaces, and no empty, . or .. part");
    }

    public static void Length(string what, string text, int most, bool allowEmpty = false)
    {
        ArgumentNullException.ThrowIfNull(text, what);
        if (text.Length > most) throw new ArgumentException($"the {what} has {text.Length} characters; MLflow takes {most}");
        if (text.Length == 0 && !allowEmpty) throw new ArgumentException($"the {what} is empty");
    }

    public static void Time(string what, long milliseconds)
    {
        if (milliseconds < 0) throw new ArgumentException($"the {what} is {milliseconds}; it must be milliseconds since 1970, at least 0");
    }

    /// <summary>The parts of an artifact's path; refuses what the server refuses, decodes twice or moves elsewhere.</summary>
    public static string[] ArtifactPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var parts = path.Split('/');
        if (parts.Any(part => part is "" or "." or "..") || path.Any(c => c is '#' or '%' or '\\' || char.IsControl(c)))
            throw new ArgumentException($"the artifact path \"{Plain(path)}\" must be relative, without # % \\, control characters, and empty, . or .. parts");
        return parts;
    }

    public static string Plain(string text) => string.Concat(text.Take(120).Select(c => char.IsControl(c) ? ' ' : c));
}
