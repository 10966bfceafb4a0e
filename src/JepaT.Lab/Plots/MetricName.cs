using System.Globalization;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>Which way a metric is better.</summary>
public enum Better
{
    /// <summary>It is only told, such as a number of parameters.</summary>
    Neither,

    /// <summary>Smaller is better (FID, KID).</summary>
    Lower,

    /// <summary>Larger is better (IS, alignment).</summary>
    Higher,
}

/// <summary>
/// A metric's name taken apart, so that people read "FID (fashion, 1k)" where the store holds <c>eval/fid_fashion_1k</c>. Values of
/// different feature networks or sample counts cannot be compared, hence no FID is ever shown without both.
/// </summary>
/// <param name="Key">The name in the store.</param>
/// <param name="Family"><c>fid</c>, <c>is</c>, <c>kid</c>, <c>precision</c>, <c>recall</c>, <c>alignment</c>, <c>alignment-part</c>, <c>parameters</c>, <c>images_per_second</c>; "" where it is none of these.</param>
/// <param name="Heading">The name for people, with network and count.</param>
/// <param name="Better">Which way is better.</param>
public sealed partial record MetricName(string Key, string Family, string Heading, Better Better)
{
    /// <summary>The family of names that are none of our metrics.</summary>
    internal const string Foreign = "";

    private static readonly Dictionary<string, (string Heading, Better Better)> Families = new()
    {
        ["fid"] = ("FID", Better.Lower),
        ["is"] = ("IS", Better.Higher),
        ["kid"] = ("KID", Better.Lower),
        ["precision"] = ("Precision", Better.Higher),
        ["recall"] = ("Recall", Better.Higher),
    };

    /// <summary>
    /// A name of any run, ours or not: one that is none of our metrics stands for itself. Which way is better is then told by its first word
    /// (<c>eval/fid</c>), or by being a loss.
    /// </summary>
    public static MetricName Of(string key)
    {
        if (Read(key, out _) is { } known) return known;
        var name = key[(key.LastIndexOf('/') + 1)..];
        var better = name.EndsWith("_std", StringComparison.Ordinal) ? Better.Neither
            : Families.TryGetValue(name.Split('_')[0], out var family) ? family.Better
            : name.Split('_').Contains("loss") ? Better.Lower
            : Better.Neither;
        return new(key, Foreign, key, better);
    }

    /// <summary>↓, ↑ or nothing.</summary>
    public string Arrow => Better switch { Better.Lower => "↓", Better.Higher => "↑", _ => "" };

    /// <summary>The heading with the arrow.</summary>
    public string HeadingWithArrow => Arrow.Length > 0 ? $"{Heading} {Arrow}" : Heading;

    /// <summary>
    /// Takes a metric's name apart, a section such as <c>eval/</c> left aside; null for names that are none of these metrics, and for
    /// spreads (<c>is_fashion_1k_std</c>), which are no result of their own.
    /// </summary>
    /// <exception cref="UserException">An FID, IS or the like without network and count.</exception>
    public static MetricName? Parse(string key) => Read(key, out var incomplete) is { } name ? name
        : incomplete is null ? null
        : throw new UserException($"metric '{key}': its network and count are missing; name it like {incomplete}_fashion_1k, since other values do not compare");

    // The family in `incomplete` when only network and count are missing.
    private static MetricName? Read(string key, out string? incomplete)
    {
        incomplete = null;
        var name = key[(key.LastIndexOf('/') + 1)..];
        if (name.EndsWith("_std", StringComparison.Ordinal)) return null;       // a spread within one run, not over the seeds
        if (name == "parameters") return new(key, name, "Parameters", Better.Neither);
        if (name == "images_per_second") return new(key, name, "Images/s", Better.Neither);
        if (Alignment().Match(name) is { Success: true } alignment)
        {
            var (pairs, part, network) = (alignment.Groups[2].Value.Replace('_', '-'), alignment.Groups[1].Value, alignment.Groups[3].Value);
            var of = network.Length > 0 ? $" ({network}, {alignment.Groups[4].Value})" : "";
            return part.Length > 0 ? new(key, "alignment-part", $"Alignment {pairs}, {part} only{of}", Better.Higher)
                : new(key, "alignment", $"Alignment {pairs}{of}", Better.Higher);
        }
        var family = name.Split('_')[0];
        if (!Families.TryGetValue(family, out var known)) return null;
        var match = NetworkAndCount().Match(name);
        if (match.Success) return new(key, family, $"{known.Heading} ({match.Groups[1].Value}, {match.Groups[2].Value})", known.Better);
        incomplete = family;
        return null;
    }

    /// <summary>Whether values are fractions, read as percent.</summary>
    public bool IsFraction => Family is "alignment" or "alignment-part" or "precision" or "recall";

    /// <summary>A value as it is read: alignment, precision and recall in percent, parameters in K or M, the others with fit digits.</summary>
    public string Format(double value)
    {
        if (!double.IsFinite(value)) return double.IsNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
        if (IsFraction) return $"{Digits(value * 100, "0.0")} %";
        return Family switch
        {
            "parameters" => value >= 1e6 ? $"{Digits(value / 1e6, "0.00")} M" : value >= 1e3 ? $"{Digits(value / 1e3, "0")} K" : Digits(value, "0"),
            "images_per_second" => Digits(value, value >= 100 ? "0" : "0.0"),
            "kid" => Digits(value, "0.00000"),
            Foreign => Digits(value, "G5"),
            _ => Digits(value, "0.00"),
        };
    }

    /// <summary>Mean and standard deviation as they are read, with one unit: <c>81.3 ± 1.2 %</c>.</summary>
    public string Format(double mean, double deviation)
    {
        var (m, d) = (Format(mean), Format(deviation));
        return IsFraction && double.IsFinite(mean) && double.IsFinite(deviation) ? $"{m[..^2]} ± {d}"
            : Family == "images_per_second" && mean >= 100 ? $"{m} ± {Digits(deviation, "0")}"
            : $"{m} ± {d}";
    }

    private static string Digits(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    [GeneratedRegex("^(?:(item|colour)_)?alignment_(seen|held_out)(?:_(.+)_([0-9]+k?))?$")]
    private static partial Regex Alignment();

    [GeneratedRegex("^[a-z]+_(.+)_([0-9]+k?)$")]
    private static partial Regex NetworkAndCount();
}
