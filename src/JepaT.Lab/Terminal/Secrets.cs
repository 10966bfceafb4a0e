using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>Takes passwords out of texts that others will read: logged command lines, diffs, messages.</summary>
internal static partial class Secrets
{
    private static readonly string[] Variables = ["MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"];

    /// <summary>The text with the <c>user:password@</c> of addresses, and the values of MLflow's secret variables, as <c>***</c>.</summary>
    public static string Hide(string text)
    {
        foreach (var variable in Variables)
            if (Environment.GetEnvironmentVariable(variable) is { Length: > 3 } secret) text = text.Replace(secret, "***", StringComparison.Ordinal);
        return Login().Replace(text, "***@");
    }

    // Greedy: a password may hold an @ that nobody encoded.
    [GeneratedRegex("""(?<=[a-zA-Z0-9]://)[^/?#\s'"]+@""")]
    private static partial Regex Login();
}
