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

    // Python turns to exponents at 1e16, .NET at 1e17 (float: 1e9); Python marks whole numbers by .0 and has small letters.
    private static string Real(double value, string text)
    {
        if (double.IsNaN(value)) return "nan";
        if (double.IsInfinity(value)) return value > 0 ? "inf" : "-inf";
        var exponent = text.Contains('E', StringComparison.Ordinal);
        if (Math.Abs(value) >= 1e16 && !exponent)
        {
            var digits = text.TrimStart('-');
            var mantissa = digits[0] + "." + digits[1..].TrimEnd('0');
            return string.Create(CultureInfo.InvariantCulture, $"{(value < 0 ? "-" : "")}{mantissa.TrimEnd('.')}e+{digits.Length - 1}");
        }
        if (exponent) return Math.Abs(value) is >= 1 and < 1e16 ? value.ToString("F1", CultureInfo.InvariantCulture) : text.ToLowerInvariant();
        return text.Contains('.', StringComparison.Ordinal) ? text : text + ".0";
    }

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])")]
    private static partial Regex WordStart();
}
