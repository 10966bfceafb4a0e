using System.Globalization;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// MLflow's limits and name rules, as its server 3.17.2 applies them. SQLite checks none of them, and a name that the server
/// would refuse breaks its pages, so every store asks here first.
/// </summary>
public static class MlflowRules
{
    public const int MaxMetrics = 1000, MaxParams = 100, MaxTags = 100, MaxItems = 1000;
    public const int MaxKey = 250, MaxParamValue = 6000, MaxTagValue = 8000, MaxExperimentTagValue = 20_000, MaxExperimentName = 500, MaxRunName = 250;
    public const int MaxResults = 50_000;

    /// <summary>Refuses a key of a metric, param or tag that MLflow would refuse.</summary>
    /// <param name="what">For the message: metric, param, tag.</param>
    /// <param name="key">Letters of any script, digits, <c>_ - . / :</c> and space; at most 250 characters; a clean relative path.</param>
    public static void CheckKey(string what, string key)
    {
        if (key.Length == 0) throw new UserException($"a {what} has an empty name: give it one");
        if (Length(key) > MaxKey) throw new UserException($"{what} '{key[..40]}…' has a name of {Length(key)} characters: at most {MaxKey} are allowed");
        foreach (var c in key.EnumerateRunes())
            if (!IsKeyCharacter(c))
                throw new UserException($"{what} '{OneLine(key)}': the character '{OneLine(c.ToString())}' is not allowed in names, only letters, digits, _ - . / : and space");
        if (key.StartsWith("..", StringComparison.Ordinal) || key.Split('/').Any(part => part is "" or "." or ".."))
            throw new UserException($"{what} '{key}': a name must read like a clean relative path, without leading, trailing or double slashes and without . or .. parts");
    }

    /// <summary>Refuses an image key outside of ASCII letters, digits, <c>_ - . /</c> and space: it becomes part of a file name.</summary>
    public static void CheckImageKey(string key)
    {
        CheckKey("image", key);
        foreach (var c in key)
            if (!char.IsAsciiLetterOrDigit(c) && !"_-./ ".Contains(c))
                throw new UserException($"image '{key}': the character '{c}' is not allowed in an image's name, only ASCII letters, digits, _ - . / and space");
    }

    /// <summary>Refuses a path of an artifact that the server could not serve, or that would hide the run's pictures.</summary>
    public static void CheckArtifactPath(string path)
    {
        if (path.Length == 0 || path.IndexOfAny(['#', '%', '\\', '\0', '\n', '\r']) >= 0)
            throw new UserException($"artifact '{OneLine(path)}': a name must not be empty nor contain # % \\ or line breaks");
        if (Path.IsPathRooted(path) || path.Split('/').Any(part => part is "" or "." or ".."))
            throw new UserException($"artifact '{path}': the name must be a clean relative path, without leading, trailing or double slashes and without . or .. parts");
        if (path.Split('/').Any(part => Encoding.UTF8.GetByteCount(part) > 255))
            throw new UserException($"artifact '{path[..40]}…': a file name may have at most 255 bytes");
        if (path.StartsWith("images/", StringComparison.Ordinal) && path.IndexOf('/', 7) < 0 && !IsImageFile(path[7..]))
            throw new UserException($"artifact '{path}': one foreign file in images/ hides all pictures of the run; choose another folder");
    }

    /// <summary>Whether this is a name that MLflow's pages read as <c>KEY+step+N+timestamp+MS+ID[+compressed].png</c>.</summary>
    public static bool IsImageFile(string name)
    {
        var ending = name.EndsWith(".png", StringComparison.Ordinal) ? 4 : name.EndsWith(".webp", StringComparison.Ordinal) ? 5 : 0;
        var parts = name[..^ending].Split('+');
        return ending > 0 && (parts.Length == 6 || (parts.Length == 7 && parts[6] == "compressed"))
            && parts[0].Length > 0 && parts[1] == "step" && IsInteger(parts[2]) && parts[3] == "timestamp" && IsInteger(parts[4])
            && parts[5].Length > 0 && parts[5].All(c => char.IsAsciiLetterOrDigit(c) || c == '-');
    }

    /// <summary>Refuses a batch that the server would refuse; nothing of such a batch may be written.</summary>
    public static void CheckBatch(IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        CheckCount("metrics", metrics.Count, MaxMetrics);
        CheckCount("params", parameters.Count, MaxParams);
        CheckCount("tags", tags.Count, MaxTags);
        CheckCount("items", metrics.Count + parameters.Count + tags.Count, MaxItems);
        foreach (var metric in metrics)
        {
            CheckKey("metric", metric.Key);
            if (metric.Timestamp < 0) throw new UserException($"metric '{metric.Key}': the timestamp {metric.Timestamp} is negative");
        }
        var seen = new HashSet<string>();
        foreach (var (key, _) in parameters)
        {
            CheckKey("param", key);
            if (!seen.Add(key)) throw new UserException($"param '{key}' is twice in one batch: a param has one value");
        }
        foreach (var (key, _) in tags) CheckKey("tag", key);
    }

    /// <summary>Refuses a new name or end of a run that MLflow's tables do not hold.</summary>
    public static void CheckUpdate(string runId, long? endTime, string? name)
    {
        if (endTime < 0) throw new UserException($"run {runId}: the end time {endTime} is negative");
        CheckLength($"run {runId}", "name", name ?? "", MaxRunName);
    }

    /// <summary>Refuses metrics into a run that has its end. MLflow would take them; here they are a mistake, unless the run is resumed.</summary>
    public static void CheckNotEnded(RunInfo run)
    {
        if (run is { EndTime: not null, Status: RunStatus.Finished or RunStatus.Failed or RunStatus.Killed })
            throw new UserException($"the run '{OneLine(run.Name)}' ({run.RunId}) has ended ({run.Status.ToString().ToUpperInvariant()}) and takes no metrics: "
                + "resume it first (RunLogger.Resume, or `lab train --resume` with its folder)");
    }

    /// <summary>Refuses a data set whose fields are too long for MLflow.</summary>
    public static void CheckDataset(DatasetInput dataset)
    {
        CheckLength($"data set '{dataset.Name}'", "name", dataset.Name, 500, required: true);
        CheckLength($"data set '{dataset.Name}'", "digest", dataset.Digest, 36, required: true);
        CheckLength($"data set '{dataset.Name}'", "source type", dataset.SourceType, 36, required: true);
        CheckLength($"data set '{dataset.Name}'", "source", dataset.Source, 65_535, required: true);
        CheckLength($"data set '{dataset.Name}'", "schema", dataset.Schema ?? "", 1_048_575);
        CheckLength($"data set '{dataset.Name}'", "profile", dataset.Profile ?? "", 16_777_215);
        CheckLength($"data set '{dataset.Name}'", "context", dataset.Context, 500);
    }

    /// <summary>Refuses a text that is too long or, where it is required, empty.</summary>
    public static void CheckLength(string thing, string field, string text, int max, bool required = false)
    {
        if (required && text.Length == 0) throw new UserException($"{thing}: the {field} is empty");
        if (Length(text) > max) throw new UserException($"{OneLine(thing.Length > 80 ? thing[..80] + "…" : thing)}: the {field} has {Length(text)} characters, at most {max} are allowed");
    }

    /// <summary>Cuts a value to so many characters, without a word, as the server does.</summary>
    public static string Cut(string value, int max)
    {
        if (value.Length <= max) return value;
        var (units, count) = (0, 0);
        foreach (var rune in value.EnumerateRunes())
        {
            if (count++ == max) break;
            units += rune.Utf16SequenceLength;
        }
        return value[..units];
    }

    /// <summary>A double as MLflow stores it: NaN becomes 0 with a mark, an infinity the largest double, -0 becomes 0.</summary>
    public static (double Value, bool IsNaN) Stored(double value) =>
        double.IsNaN(value) ? (0.0, true) : value == 0 ? (0.0, false) : (Math.Clamp(value, double.MinValue, double.MaxValue), false);

    private static void CheckCount(string what, int count, int max)
    {
        if (count > max) throw new UserException($"a batch of {count} {what}: at most {max} are allowed, split it");
    }

    // Python's \w, which the server uses, takes all letters and all numbers, Roman numerals and fractions too.
    private static bool IsKeyCharacter(Rune c) =>
        Rune.IsLetterOrDigit(c) || c.Value is '_' or '-' or '.' or '/' or ':' or ' '
        || Rune.GetUnicodeCategory(c) is UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    private static bool IsInteger(string text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _);

    private static int Length(string text) => text.Length <= MaxKey ? text.Length : text.EnumerateRunes().Count();

    /// <summary>Line breaks shown as \r and \n.</summary>
    internal static string OneLine(string text) => text.Replace("\r", "\\r", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
