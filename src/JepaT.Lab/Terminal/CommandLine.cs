namespace JepaT.Lab;

/// <summary>Commands as one would type them, but for passwords in addresses.</summary>
internal static class CommandLine
{
    public static string Text() => Of(Environment.GetCommandLineArgs().Skip(1));

    /// <summary>Quoted where a shell asks for it, without passwords.</summary>
    public static string Of(IEnumerable<string> arguments) => string.Join(' ', arguments.Prepend("./lab").Select(a => Quote(Secrets.Hide(a))));

    private static string Quote(string argument) =>
        argument.Length > 0 && argument.All(c => char.IsLetterOrDigit(c) || "-_./=,:+".Contains(c, StringComparison.Ordinal)) ? argument : $"'{argument.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
