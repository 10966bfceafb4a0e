using System.Globalization;
using System.Text;

namespace JepaT.Lab;

/// <summary>Mean and sample standard deviation (n − 1) over the seeds that have a value; the deviation is null for one seed.</summary>
public readonly record struct Aggregate(double Mean, double? Deviation, int Count)
{
    /// <summary>Aggregates at least one value.</summary>
    public static Aggregate Of(IReadOnlyList<double> values)
    {
        var mean = values.Average();
        double? deviation = values.Count < 2 ? null : Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1));
        return new(mean, deviation, values.Count);
    }
}

/// <summary>
/// The ablation's table: a row for each preset, mean ± sample standard deviation over the finished seeds. Runs that failed are counted
/// in the column "Runs" and left out of the means.
/// </summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class ResultTable
{
    /// <summary>What must stand under every table of the presets: that they are our own definitions, and what each is.</summary>
    public static string Note { get; } =
        "Mean ± sample standard deviation over the finished seeds (one seed: no ±). The presets are this project's own definitions, since the "
        + $"tables of the paper could not be read: {string.Join("; ", Fusion.Presets.Select(p => $"{p.Key} = {Switches(p.Value)}"))}.";

    private static readonly string[] Main = ["fid", "is", "alignment", "parameters", "images_per_second"];
    private static readonly string[] More = ["alignment-part", "kid", "precision", "recall"];

    private const string Spread = "Mean ± sample standard deviation over the finished runs (one run: no ±).";

    private ResultTable(IReadOnlyList<MetricName> columns, IReadOnlyList<Row> rows) => (Columns, Rows) = (columns, rows);

    /// <summary>A preset with its aggregates, in the order of <see cref="Columns"/>; null where no finished run has the metric.</summary>
    public sealed record Row(string Preset, string Runs, int Finished, int Failed, IReadOnlyList<Aggregate?> Cells);

    /// <summary>The metrics shown.</summary>
    public IReadOnlyList<MetricName> Columns { get; }

    /// <summary>The presets in the order of their appearance.</summary>
    public IReadOnlyList<Row> Rows { get; }

    /// <summary>What the rows are: presets, or the values of a param.</summary>
    public string RowName { get; private init; } = "Preset";

    /// <summary>What must stand beneath this table.</summary>
    public string Caption { get; private init; } = Note;

    /// <summary>The main table: FID, IS, alignment, parameters, images/s.</summary>
    /// <exception cref="UserException">A metric lacks its network and count.</exception>
    public static ResultTable Of(AblationResult result) => Of(result, Main);

    /// <summary>The second table: item and colour alone, KID, precision and recall, as far as they were measured (else it has no columns).</summary>
    /// <exception cref="UserException">A metric lacks its network and count.</exception>
    public static ResultTable Further(AblationResult result) => Of(result, More);

    /// <summary>Any metrics over any runs: the rows are what <see cref="RunResult.Preset"/> says, which <paramref name="rowName"/> names.</summary>
    internal static ResultTable Of(IReadOnlyList<RunResult> runs, IReadOnlyList<MetricName> columns, string rowName) =>
        new(columns, [.. runs.GroupBy(r => r.Preset).Select(g => RowOf(g.Key, [.. g], columns))]) { RowName = rowName, Caption = Spread };

    private static ResultTable Of(AblationResult result, string[] families)
    {
        // Stable: columns of one family (seen, held-out) stay in the order in which the runs hold them.
        var columns = result.Runs.SelectMany(r => r.Final.Keys).Distinct().Select(MetricName.Parse).OfType<MetricName>()
            .Where(m => families.Contains(m.Family)).OrderBy(m => Array.IndexOf(families, m.Family)).ToList();
        return new(columns, [.. result.Presets.Select(p => RowOf(p, [.. result.Runs.Where(r => r.Preset == p)], columns))]);
    }

    private static Row RowOf(string preset, List<RunResult> runs, IReadOnlyList<MetricName> columns)
    {
        var finished = runs.Where(r => r.Finished).ToList();
        var others = runs.Where(r => !r.Finished).GroupBy(r => r.Status)
            .Select(g => $"{g.Count()} {g.Key.ToLowerInvariant()}");
        var count = string.Join(", ", others.Prepend($"{finished.Count}/{runs.Count}"));
        return new(preset, count, finished.Count, runs.Count - finished.Count, [.. columns.Select(Cell)]);

        Aggregate? Cell(MetricName metric)
        {
            List<double> values = [.. finished.Where(r => r.Final.ContainsKey(metric.Key)).Select(r => r.Final[metric.Key])];
            return values.Count > 0 ? Aggregate.Of(values) : null;
        }
    }

    /// <summary>Whether a cell holds the best mean of its column (never so where there are no two different means to compare).</summary>
    public bool IsBest(int row, int column)
    {
        var means = Rows.Select(r => r.Cells[column]?.Mean ?? double.NaN).ToList();
        var finite = means.Where(double.IsFinite).ToList();
        if (finite.Distinct().Count() < 2 || Columns[column].Better == Better.Neither) return false;
        return means[row] == (Columns[column].Better == Better.Lower ? finite.Min() : finite.Max());
    }

    /// <summary>A cell as it is read: <c>12.00 ± 2.00</c>, <c>12.00</c> for one seed, "failed" or "–" without a value.</summary>
    public string Text(int row, int column)
    {
        if (Rows[row].Cells[column] is not { } cell) return Rows[row].Finished == 0 && Rows[row].Failed > 0 ? "failed" : "–";
        var metric = Columns[column];
        return cell.Deviation is { } d && !(metric.Family == "parameters" && d == 0) ? metric.Format(cell.Mean, d) : metric.Format(cell.Mean);
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(this).ToString();

    /// <summary>GitHub's Markdown, the best mean of a column in bold, the note beneath.</summary>
    public string Markdown()
    {
        var text = new StringBuilder();
        Line([.. Columns.Select(c => c.HeadingWithArrow).Prepend("Runs").Prepend(RowName)]);
        Line([.. Columns.Select(_ => "---:").Prepend("---").Prepend("---")]);
        for (var row = 0; row < Rows.Count; row++)
        {
            List<string> cells = [Rows[row].Preset, Rows[row].Runs];
            for (var column = 0; column < Columns.Count; column++)
                cells.Add(IsBest(row, column) ? $"**{Text(row, column)}**" : Text(row, column));
            Line(cells);
        }
        return text.Append('\n').Append(Caption).Append('\n').ToString();

        void Line(List<string> cells) =>
            text.Append("| ").AppendJoin(" | ", cells.Select(c => c.Replace("|", "\\|", StringComparison.Ordinal))).Append(" |\n");
    }

    /// <summary>Comma-separated values with the raw numbers in invariant culture; empty where there is no value.</summary>
    public string Csv()
    {
        var (columns, rows) = Raw();
        var lines = rows.Prepend(columns).Select(row => string.Join(',', row.Select(Field)));
        return string.Concat(lines.Select(line => line + "\n"));

        static string Field(object? value)
        {
            var text = value is double d ? d.ToString("R", CultureInfo.InvariantCulture) : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            return text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        }
    }

    /// <summary>
    /// Columns and rows of an MLflow table (and of the CSV): preset, runs, failed, then for each metric its mean under the metric's own
    /// name and <c>…_std</c> and <c>…_n</c>. Numbers are double or int; null where there is none (NaN included, JSON has no word for it).
    /// </summary>
    public (IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<object?>> Rows) MlflowTable()
    {
        var (columns, rows) = Raw();
        return ([.. columns.Cast<string>()],
            [.. rows.Select(IReadOnlyList<object?> (r) => [.. r.Select(v => v is double d && !double.IsFinite(d) ? null : v)])]);
    }

    private static string Switches(Fusion fusion)
    {
        (bool On, string What)[] all =
        [
            (fusion.TextInEncoder, "text in the encoder buffer"), (fusion.TextInPredictor, "text in the predictor"),
            (fusion.PostCrossAttention, "cross-attention after the predictor"), (fusion.RawText, "raw text joined before the flow loss"),
        ];
        return fusion.AnyText ? string.Join(", ", all.Where(s => s.On).Select(s => s.What)) : "no text";
    }

    private (List<object?> Columns, List<List<object?>> Rows) Raw()
    {
        List<object?> columns = [RowName == "Preset" ? "preset" : RowName, "runs", "failed", .. Columns.SelectMany(c => new[] { c.Key, $"{c.Key}_std", $"{c.Key}_n" })];
        var rows = Rows.Select(List<object?> (r) =>
            [r.Preset, r.Finished + r.Failed, r.Failed, .. r.Cells.SelectMany(c => new object?[] { c?.Mean, c?.Deviation, c?.Count ?? 0 })]);
        return (columns, [.. rows]);
    }
}
