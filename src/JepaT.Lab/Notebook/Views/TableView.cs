namespace JepaT.Lab;

/// <summary>A table; the first column names the row, the others are values.</summary>
internal sealed class TableView(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<TableCell>> rows, string? note = null) : View
{
    private const int MostRows = 200;

    private static readonly string[] Order = ["fid", "is", "alignment", "alignment-part", "kid", "precision", "recall", "parameters", "images_per_second"];

    /// <summary>An ablation's table, the best mean of each column in bold.</summary>
    public static TableView Of(ResultTable table) => new(
        [.. table.Columns.Select(c => c.HeadingWithArrow).Prepend("Runs").Prepend(table.RowName)],
        [.. table.Rows.Select(IReadOnlyList<TableCell> (r, row) =>
            [new(r.Preset), new(r.Runs), .. table.Columns.Select((_, column) => new TableCell(table.Text(row, column), table.IsBest(row, column)))])],
        table.Caption);

    /// <summary>The last values of a run.</summary>
    public static TableView Of(RunResult run) => Of(run.Final.Select(f => (Name: MetricName.Parse(f.Key), f.Value))
        .Where(f => f.Name is not null).OrderBy(f => Array.IndexOf(Order, f.Name!.Family)).Select(f => (f.Name!.HeadingWithArrow, f.Name.Format(f.Value))));

    /// <summary>Names and values.</summary>
    public static TableView Of(IEnumerable<(string Name, string Value)> entries, string name = "", string value = "") =>
        new([name, value], [.. entries.Select(IReadOnlyList<TableCell> (e) => [new(e.Name), new(e.Value)])]);

    public override string ToHtml()
    {
        var head = columns.All(c => c.Length == 0) ? Html.None : Html.Of(
            $"""<thead><tr style="background:transparent">{Html.Join(columns.Select((c, i) => Html.Of($"""<th style="{Style(i, "600")};border-bottom:2px solid rgba(128,128,128,.6)">{c}</th>""")))}</tr></thead>""");
        var body = Html.Join(rows.Take(MostRows).Select(row => Html.Of(
            $"""<tr style="background:transparent">{Html.Join(row.Select((c, i) => Html.Of($"""<td style="{Style(i, c.Strong ? "700" : "400")};border-bottom:{Html.Line}">{c.Text}</td>""")))}</tr>""")));
        var more = rows.Count > MostRows ? Html.Of($"""<div style="opacity:.75">… and {rows.Count - MostRows} rows more</div>""") : Html.None;
        var below = note is null ? Html.None : Html.Of($"""<div style="opacity:.75;max-width:900px;margin-top:6px">{note}</div>""");
        return Html.Of($"""<div style="{Html.Font}"><div style="overflow-x:auto"><table style="border-collapse:collapse;border:0;margin:0">{head}<tbody>{body}</tbody></table></div>{more}{below}</div>""").Markup;

        static string Style(int column, string weight) => $"text-align:{(column == 0 ? "left" : "right")};padding:3px 10px;font-weight:{weight};white-space:nowrap";
    }

    public override string ToString()
    {
        var lines = rows.Select(r => r.Select(c => c.Text).ToList()).Prepend([.. columns]).Where(l => l.Any(c => c.Length > 0)).ToList();
        var widths = Enumerable.Range(0, columns.Count).Select(i => lines.Max(l => i < l.Count ? l[i].Length : 0)).ToList();
        var text = lines.Select(l => string.Join("  ", l.Select((c, i) => i == 0 ? c.PadRight(widths[i]) : c.PadLeft(widths[i]))).TrimEnd());
        return string.Join('\n', note is null ? text : text.Append(note));
    }
}

/// <summary>A cell of a table.</summary>
internal readonly record struct TableCell(string Text, bool Strong = false);
