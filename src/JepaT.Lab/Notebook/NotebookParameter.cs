using System.Globalization;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>A notebook's parameter from the environment, for hosts that cannot add a cell of parameters.</summary>
internal static partial class NotebookParameter
{
    // Variables of the same prefix that mean something else.
    private static readonly string[] Taken = ["BUDGET", "FOLDER", "GOLDEN", "HOME", "NO_INSTALL"];

    /// <summary>The value of the variable, in the type of the fallback, else the fallback.</summary>
    /// <exception cref="UserException">The value is not of that type, or the name cannot be a parameter's.</exception>
    public static T Read<T>(string name, T fallback, Func<string, string?> environment)
    {
        var variable = VariableOf(name);
        if (environment(variable) is not { } text) return fallback;
        object? value = fallback switch
        {
            string => text,
            bool => text.ToLowerInvariant() switch { "true" or "1" => true, "false" or "0" => false, _ => null },
            int => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var i) ? i : null,
            long => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var l) ? l : null,
            double => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var d) ? d : null,
            float => float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var f) ? f : null,
            _ => throw new UserException($"parameter '{name}': a default of type {typeof(T).Name} is not supported; give a text, a number, or true or false"),
        };
        return (T)(value ?? throw new UserException($"{variable} is '{text}': parameter '{name}' must be {Kind(fallback)}, such as {Example(fallback)}"));
    }

    /// <summary><c>batchSize</c> → <c>JEPAT_BATCH_SIZE</c>.</summary>
    public static string VariableOf(string name)
    {
        if (!Name().IsMatch(name)) throw new UserException($"parameter '{name}': give it a name of letters, digits and _, such as batchSize");
        var variable = WordStart().Replace(name, "_$1").ToUpperInvariant();
        if (Taken.Contains(variable)) throw new UserException($"parameter '{name}': JEPAT_{variable} has a meaning of its own; give it another name");
        return "JEPAT_" + variable;
    }

    private static string Kind<T>(T fallback) => fallback switch { bool => "true or false", int or long => "a whole number", _ => "a number" };

    private static string Example<T>(T fallback) => Convert.ToString(fallback, CultureInfo.InvariantCulture)!.ToLowerInvariant();

    [GeneratedRegex("^[A-Za-z][A-Za-z0-9_]*$")]
    private static partial Regex Name();

    [GeneratedRegex("(?<=[a-z0-9])([A-Z])")]
    private static partial Regex WordStart();
}
