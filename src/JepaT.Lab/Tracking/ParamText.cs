using System.Collections;
using System.Globalization;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>
/// The text of a param: Python's <c>str</c>, so that runs of ours and of Python programs compare and filter alike. An MLflow
/// param cannot change, therefore this must not either.
/// </summary>
public static partial class ParamText
{
    /// <summary><c>True</c>, <c>None</c>, <c>0.001</c>, <c>1e-05</c>, <c>1.0</c>, <c>[1, 2]</c>; enums in kebab case, as in the experiment files.</summary>
    public static string Of(object? value) => value switch
    {
        null => "None",
        string s => s,
        bool b => b ? "True" : "False",
        Enum e => WordStart().Replace(e.ToString(), "-$1").ToLowerInvariant(),
        double d => Real(d, d.ToString("R", CultureInfo.InvariantCulture)),
        float f => Real(f, f.ToString("R", CultureInfo.InvariantCulture)),
        IEnumerable list => "[" + string.Join(", ", list.Cast<object?>().Select(v => v is string s ? $"'{s}'" : Of(v))) + "]",
        IFormattable f => f.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString() ?? "",
    };

    // .NET goes over to exponents at 1e15 (float: 1e7), Python at 1e16; Python marks whole doubles by .0 and has small letters.
    private static string Real(double value, string text)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        if (text.Contains("E+", StringComparison.Ordinal) && Math.Abs(value) < 1e16) return value.ToString("F1", CultureInfo.InvariantCulture);
        if (text.Contains('E', StringComparison.Ordinal)) return text.ToLowerInvariant();
        return text.Contains('.', StringComparison.Ordinal) ? text : text + ".0";
    }

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])")]
    private static partial Regex WordStart();
}
