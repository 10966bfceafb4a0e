namespace JepaT.Lab;

/// <summary>What was typed.</summary>
internal static class CommandLine
{
    public static string Text() => string.Join(' ', Environment.GetCommandLineArgs().Skip(1).Prepend("./lab").Select(Quote));

    private static string Quote(string argument) =>
        argument.Length > 0 && argument.All(c => char.IsLetterOrDigit(c) || "-_./=,:+".Contains(c, StringComparison.Ordinal)) ? argument : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
