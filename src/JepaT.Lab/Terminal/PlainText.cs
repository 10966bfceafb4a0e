using System.Globalization;
using System.Text;
using Spectre.Console;

namespace JepaT.Lab;

/// <summary>What others have named, as text that cannot do anything to a terminal or a line.</summary>
internal static class PlainText
{
    /// <summary>One line without control characters: they are written as escapes, so that no name moves the cursor or breaks a line.</summary>
    public static string Line(string text)
    {
        if (!text.Any(IsControl)) return text;
        var line = new StringBuilder(text.Length + 8);
        foreach (var c in text)
            line.Append(c switch
            {
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when IsControl(c) => $"\\u{(int)c:x4}",
                _ => c.ToString(),
            });
        return line.ToString();
    }

    /// <summary>A time of the store, in UTC: <c>2025-03-04 05:06:07Z</c>.</summary>
    public static string Time(long milliseconds) => Instant(milliseconds).ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    /// <summary>A time of the store; one that no calendar holds, which a foreign store may give, is its nearest one.</summary>
    public static DateTimeOffset Instant(long milliseconds) =>
        DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(milliseconds, DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    /// <summary>A number as it is read back exactly.</summary>
    public static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    // Line and paragraph separators, and marks that turn the direction of what follows, are no control characters to .NET.
    private static bool IsControl(char c) => char.IsControl(c) || c is '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}

/// <summary>
/// A table of a command: on a terminal with lines and the best values in bold; in a pipe a heading and one line a row, cells between tabs,
/// nothing cut, wrapped or coloured.
/// </summary>
/// <param name="columns">Headings.</param>
internal sealed class OutputTable(params IReadOnlyList<string> columns)
{
    private readonly List<(IReadOnlyList<string> Cells, IReadOnlySet<int> Best)> rows = [];

    public void Add(IReadOnlyList<string> cells, IReadOnlySet<int>? best = null) => rows.Add((cells, best ?? new HashSet<int>()));

    public void Write(IAnsiConsole console)
    {
        if (!console.Profile.Out.IsTerminal)
        {
            foreach (var cells in rows.Select(r => r.Cells).Prepend(columns)) console.Profile.Out.Writer.WriteLine(string.Join('\t', cells.Select(c => PlainText.Line(c.Trim()))));
            return;
        }
        var table = new Table().Border(TableBorder.Simple).AddColumns([.. columns.Select(c => Markup.Escape(PlainText.Line(c)))]);
        foreach (var (cells, best) in rows)
            table.AddRow(cells.Select((c, i) => new Text(PlainText.Line(c), best.Contains(i) ? new Style(Color.Green, decoration: Decoration.Bold) : Style.Plain)));
        console.Write(table);
    }
}
