using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>
/// The tags by which a copied run is known again. MLflow's run ids are random, so the id of the first run, the origin, names a run
/// whatever store it is in and however that store is reached; copies of copies keep it.
/// </summary>
internal static partial class CopyTags
{
    /// <summary>Id of the run that this one is a copy of.</summary>
    public const string Origin = "jepat.origin";

    /// <summary>The store that it was copied from, for people to read.</summary>
    public const string OriginStore = "jepat.origin_store";

    /// <summary>How far the copy is: see <see cref="CopyMark"/>.</summary>
    public const string Copied = "jepat.copied";

    // The store writes the name itself, and a create id is that of the run's own create.
    private static readonly HashSet<string> Own = [Origin, OriginStore, Copied, "jepat.create_id", "mlflow.runName"];

    public static string RootOf(Run run) => run.Tags.GetValueOrDefault(Origin) is { Length: > 0 } origin ? origin : run.Info.RunId;

    /// <summary>A run's tags without the book-keeping, with the run ids in them replaced.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(Run run, IReadOnlyDictionary<string, string> ids) =>
        run.Tags.Where(t => !Own.Contains(t.Key)).Select(t => KeyValuePair.Create(t.Key, RunId().Replace(t.Value, m => ids.GetValueOrDefault(m.Value, m.Value))));

    /// <summary>A hash of all that a search tells of a run; equal in every store that holds the same.</summary>
    public static string ValuesHash(Run run, IReadOnlyDictionary<string, string> roots)
    {
        var text = new StringBuilder();
        var info = run.Info;
        Add(info.Name, info.Status, info.StartTime, info.EndTime);
        foreach (var (key, value) in run.Params.OrderBy(p => p.Key, StringComparer.Ordinal)) Add("param", key, value);
        foreach (var (key, value) in Of(run, roots).OrderBy(p => p.Key, StringComparer.Ordinal)) Add("tag", key, value);
        foreach (var m in run.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal)) Add("metric", m.Key, Stored(m).Value.ToString("R", CultureInfo.InvariantCulture), m.Timestamp, m.Step);
        foreach (var d in run.Inputs.OrderBy(d => d.Name, StringComparer.Ordinal).ThenBy(d => d.Digest, StringComparer.Ordinal)) Add("input", d.Name, d.Digest);
        return Hash(text);

        // Lengths keep the parts apart: no value can look like two.
        void Add(params ReadOnlySpan<object?> parts)
        {
            foreach (var part in parts)
            {
                var word = Convert.ToString(part, CultureInfo.InvariantCulture)!;
                text.Append(word.Length).Append(':').Append(word);
            }
        }
    }

    public static string FilesHash(IEnumerable<ArtifactInfo> files)
    {
        var text = new StringBuilder();
        foreach (var file in files.OrderBy(f => f.Path, StringComparer.Ordinal)) text.Append(file.Path).Append('\0').Append(file.Size).Append('\0');
        return Hash(text);
    }

    /// <summary>A value as every MLflow store gives it back, so that values of two stores compare.</summary>
    public static Metric Stored(Metric metric)
    {
        var (value, isNaN) = MlflowRules.Stored(metric.Value);
        return metric with { Value = isNaN ? double.NaN : value };
    }

    private static string Hash(StringBuilder text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())))[..16];

    // A value that is a run id, and one within JSON; a command line that names a run stays as it was typed.
    [GeneratedRegex("(?<=^|\")[0-9a-f]{32}(?=\"|$)")]
    private static partial Regex RunId();
}

/// <summary>The value of the tag <see cref="CopyTags.Copied"/>.</summary>
/// <param name="Whole">All that the run had is there; false: the copy is under way or was interrupted.</param>
/// <param name="Values">Hash of the source run as it was at that copy.</param>
/// <param name="Files">Hash of its files' names and sizes, or <c>-</c>: files were left out.</param>
internal sealed record CopyMark(bool Whole, string Values, string Files)
{
    public static CopyMark Of(Run? run) => run?.Tags.GetValueOrDefault(CopyTags.Copied)?.Split(' ') is [var state, var values, var files]
        ? new(state == "whole", values, files) : new(false, "", "-");

    /// <summary>The mark of a copy that is under way.</summary>
    public static CopyMark Partly(string values) => new(false, values, "-");

    public override string ToString() => $"{(Whole ? "whole" : "partly")} {Values} {Files}";
}
