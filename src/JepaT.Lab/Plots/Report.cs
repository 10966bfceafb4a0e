using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// The report of an ablation: one HTML file that carries everything in itself (plotly.js, styles, pictures) and asks no network for
/// anything, which its own content security policy enforces. It therefore works offline, by mail and in MLflow's sandboxed frame; without
/// scripts the table and the pictures are still there.
/// </summary>
public static class Report
{
    /// <summary>Writes the report, atomically.</summary>
    /// <exception cref="UserException">The file cannot be written, or a metric or picture of the result is malformed.</exception>
    public static void Write(AblationResult result, string path) => AtomicFile.Write(path, Html(result));

    /// <summary>
    /// Writes all that an ablation leaves: <c>ablation.json</c> (the result itself), <c>report.html</c>, <c>table.md</c>, <c>table.csv</c>
    /// and <c>samples-seed-N.png</c>. Returns the paths.
    /// </summary>
    /// <exception cref="UserException">A file cannot be written, or a metric or picture of the result is malformed.</exception>
    public static IReadOnlyList<string> WriteFolder(AblationResult result, string folder)
    {
        var json = Path.Combine(folder, "ablation.json");
        result.Save(json);                                                      // first: whatever fails later can be made from it again
        return [json, .. WriteViews(result, folder, Path.Combine(folder, "report.html"))];
    }

    /// <summary>The same without <c>ablation.json</c>, the report under a name of its own.</summary>
    /// <exception cref="UserException">A file cannot be written, or a metric or picture of the result is malformed.</exception>
    public static IReadOnlyList<string> WriteViews(AblationResult result, string folder, string report)
    {
        var (table, paths) = (ResultTable.Of(result), new List<string>());
        Add("table.md", Encoding.UTF8.GetBytes(table.Markdown()));
        Add("table.csv", Encoding.UTF8.GetBytes(table.Csv()));
        foreach (var seed in result.Runs.Select(r => r.Seed).Distinct())
            if (ImageGrid.Compare(result, seed) is { } png) Add(string.Create(CultureInfo.InvariantCulture, $"samples-seed-{seed}.png"), png);
        Write(result, report);
        return [.. paths, report];

        void Add(string name, byte[] content)
        {
            paths.Add(Path.Combine(folder, name));
            AtomicFile.Write(paths[^1], file => file.Write(content));
        }
    }

    /// <summary>The page's text.</summary>
    /// <exception cref="UserException">A metric or picture of the result is malformed.</exception>
    public static string Html(AblationResult result)
    {
        var page = new ReportPage();
        page.Head($"Fusion ablation: {result.Experiment}");
        Headline(page, result);
        Tables(page, result);
        Section("FID, IS and alignment during training", Charts.Evaluations(result));
        Section("Final values", Charts.Finals(result), "bars");
        Section("Losses", Charts.Losses(result));
        ReportPictures.Add(page, result);
        Failures(page, result);
        EveryRun(page, result);
        Repeat(page, result);
        return page.End();

        void Section(string title, IReadOnlyList<TitledChart> charts, string kind = "")
        {
            if (charts.Count == 0) return;
            page.Raw($"<section><h2>{title}</h2><div class=\"charts\">\n");
            foreach (var chart in charts) page.Chart(chart, kind);
            page.Raw("</div></section>\n");
        }
    }

    private static void Headline(ReportPage page, AblationResult result)
    {
        page.Raw("<header><h1>").Text($"Fusion ablation: {result.Experiment}").Raw("</h1>\n<p class=\"lead\">")
            .Text("Ways of bringing the text into a JEPA-T model, trained on the same data, in the same order, with the same noise, and measured on the same seeds.")
            .Raw("</p>\n<dl>");
        var seeds = result.Runs.Select(r => r.Seed).Distinct().ToList();
        var failed = result.Runs.Count(r => !r.Finished);
        Fact("Data set", result.DataName);
        Fact("Runs", $"{result.Runs.Count}: {result.Presets.Count} presets, {seeds.Count} {(seeds.Count == 1 ? "seed" : "seeds")}"
            + (failed > 0 ? $"; {failed} did not finish (see below)" : ", all finished"));
        Fact("Date", result.Date.ToString("d MMMM yyyy, HH:mm 'UTC'zzz", CultureInfo.InvariantCulture));
        if (result.Duration is { } duration) Fact("Duration", Progress.Duration(duration) + (result.Calls.Count > 1 ? $", the sum of {result.Calls.Count} calls (see below)" : ""));
        Fact("Machine", result.Machine);
        var others = result.Calls.Select(c => c.Commit).Distinct().Where(c => c != result.Commit).Select(c => c ?? "unknown").ToList();
        Fact("Code", (result.Commit is { } commit ? $"commit {commit}" : "commit unknown")
            + (others.Count > 0 ? $"; some calls were made with another one: {string.Join(", ", others)}" : ""));
        page.Raw("</dl></header>\n");

        void Fact(string name, string value) => page.Raw("<dt>").Text(name).Raw("</dt><dd>").Text(value).Raw("</dd>\n");
    }

    private static void Tables(ReportPage page, AblationResult result)
    {
        page.Raw("<section><h2>Result</h2>\n");
        Table(ResultTable.Of(result));
        page.Raw("<p class=\"soft\">").Text(ResultTable.Note).Raw("</p>\n");
        var further = ResultTable.Further(result);
        if (further.Columns.Count > 0)
        {
            page.Raw("<details><summary>Further metrics</summary>\n");
            Table(further);
            page.Raw("</details>\n");
        }
        page.Raw("</section>\n");

        void Table(ResultTable table)
        {
            var styles = Palette.Of(result.Presets);
            page.Scroll("Result").Raw("<table><thead><tr>").Header("Preset").Header("Runs");
            foreach (var column in table.Columns) page.Header(column.HeadingWithArrow.Replace(" " + column.Arrow, "\u00a0" + column.Arrow, StringComparison.Ordinal));
            page.Raw("</tr></thead><tbody>\n");
            for (var row = 0; row < table.Rows.Count; row++)
            {
                var r = table.Rows[row];
                page.Raw($"<tr><th scope=\"row\"><span class=\"swatch\" style=\"background:{styles[r.Preset].Colour}\"></span>").Text(r.Preset)
                    .Raw("</th>").Cell(r.Runs, r.Failed > 0 ? "failed" : "");
                for (var column = 0; column < table.Columns.Count; column++)
                    page.Cell(table.Text(row, column), table.IsBest(row, column) ? "best" : r.Finished == 0 ? "failed" : "");
                page.Raw("</tr>\n");
            }
            page.Raw("</tbody></table></div>\n");
        }
    }

    private static void Failures(ReportPage page, AblationResult result)
    {
        var failed = result.Runs.Where(r => !r.Finished).ToList();
        if (failed.Count == 0) return;
        page.Raw("<section><h2>Runs that did not finish</h2>\n<p>They are left out of every mean, curve and picture above.</p>\n")
            .Scroll("Runs that did not finish").Raw("<table><thead><tr>").Header("Preset").Header("Seed").Header("Status").Header("Error", "text").Header("Run", "text")
            .Raw("</tr></thead><tbody>\n");
        foreach (var run in failed)
            page.Raw("<tr><th scope=\"row\">").Text(run.Preset).Raw("</th>").Cell($"{run.Seed}").Cell(run.Status, "failed")
                .Cell(run.Error ?? "no message", "wrap").Cell(run.RunId, "text").Raw("</tr>\n");
        page.Raw("</tbody></table></div></section>\n");
    }

    private static void EveryRun(ReportPage page, AblationResult result)
    {
        var metrics = result.Runs.SelectMany(r => r.Final.Keys).Distinct().ToList();
        page.Raw("<section><h2>Every run</h2>\n<details><summary>Last values of each run, as logged</summary>").Scroll("Every run").Raw("<table><thead><tr>")
            .Header("Preset").Header("Seed").Header("Status").Header("Run");
        foreach (var metric in metrics) page.Header(metric);
        page.Raw("</tr></thead><tbody>\n");
        foreach (var run in result.Runs)
        {
            page.Raw("<tr><th scope=\"row\">").Text(run.Preset).Raw("</th>").Cell($"{run.Seed}").Cell(run.Status, run.Finished ? "" : "failed").Cell(run.RunId);
            foreach (var metric in metrics) page.Cell(run.Final.TryGetValue(metric, out var v) ? v.ToString("G7", CultureInfo.InvariantCulture) : "–");
            page.Raw("</tr>\n");
        }
        page.Raw("</tbody></table></div></details></section>\n");
    }

    private static void Repeat(ReportPage page, AblationResult result)
    {
        page.Raw("<section><h2>How to repeat it</h2>\n<pre tabindex=\"0\">");
        if (result.Commit is { } commit) page.Text($"git checkout {commit.Split(' ', '-', '+')[0]}\n");
        page.Text(result.Repeat.Count > 0 ? string.Join('\n', result.Repeat) : result.Command).Raw("</pre>\n");
        if (result.Repeat.Count > 0) page.Raw("<p class=\"soft\">In an empty folder this makes all runs above from the start.</p>\n");
        if (result.Calls.Count > 0) Calls(page, result.Calls);
        page.Raw("<details><summary>The resolved configuration</summary><p class=\"soft\">Saved as a file, it is an experiment of its own: ./lab ablate FILE.</p><pre tabindex=\"0\">")
            .Text(result.ConfigYaml).Raw("</pre></details></section>\n");
    }

    private static void Calls(ReportPage page, IReadOnlyList<AblationCall> calls)
    {
        page.Raw("<details><summary>The calls that made it</summary>\n<p class=\"soft\">Stopped and failed ones included; a killed one leaves no trace here.</p>\n")
            .Scroll("Calls").Raw("<table><thead><tr>").Header("Started", "text").Header("Took").Header("Commit").Header("Command", "text").Raw("</tr></thead><tbody>\n");
        foreach (var call in calls)
            page.Raw("<tr>").Cell(call.Started.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture), "text").Cell(Progress.Duration(call.Duration))
                .Cell(call.Commit ?? "unknown").Cell(call.Command, "wrap").Raw("</tr>\n");
        page.Raw("</tbody></table></div></details>\n");
    }
}

/// <summary>The section of the fixed prompts: a table of pictures for each seed, rows are presets, columns prompts.</summary>
internal static class ReportPictures
{
    private const int WishedWidth = 84;

    public static void Add(ReportPage page, AblationResult result)
    {
        var seeds = result.Runs.Where(r => r.Finished && r.Pictures.Count > 0).GroupBy(r => r.Seed).ToList();
        if (seeds.Count == 0) return;
        page.Raw("<section><h2>The same prompts and seeds</h2>\n<p>Each column is one prompt, sampled from the same noise by every preset.");
        if (result.HeldOutPrompts.Count > 0) page.Raw(" <span class=\"tag\">held out</span> marks pairs of colour and item that never occur in training.");
        page.Raw("</p>\n");
        foreach (var seed in seeds)
        {
            page.Raw(seed == seeds[0] ? "<details open>" : "<details>").Raw($"<summary>Seed {seed.Key}</summary>\n")
                .Scroll($"Pictures of seed {seed.Key}").Raw("<table class=\"pictures\"><thead><tr><td></td>");
            foreach (var prompt in result.Prompts)
                page.Raw("<th scope=\"col\">").Text(prompt).Raw(result.HeldOutPrompts.Contains(prompt) ? "<br><span class=\"tag\">held out</span></th>" : "</th>");
            page.Raw("</tr></thead><tbody>\n");
            foreach (var run in seed) Row(page, result, run);
            page.Raw("</tbody></table></div></details>\n");
        }
        page.Raw("</section>\n");
    }

    private static void Row(ReportPage page, AblationResult result, RunResult run)
    {
        var pictures = ImageGrid.PicturesByPrompt(result, run);
        page.Raw("<tr><th scope=\"row\">").Text(run.Preset).Raw("</th>");
        for (var i = 0; i < pictures.Count; i++)
        {
            page.Raw("<td>");
            foreach (var png in pictures[i])
            {
                var (width, height) = Size(png, run);
                var factor = Math.Max(1, (int)Math.Round((double)WishedWidth / width));
                page.Raw($"<img width=\"{width * factor}\" height=\"{height * factor}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\" alt=\"")
                    .Text($"{run.Preset}, seed {run.Seed}: {result.Prompts[i]}").Raw("\">");
            }
            page.Raw("</td>");
        }
        page.Raw("</tr>\n");
    }

    private static (int Width, int Height) Size(byte[] png, RunResult run) =>
        png.Length > 24 && png.AsSpan(0, 8).SequenceEqual<byte>([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
            ? (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20)))
            : throw new UserException($"run {run.Preset}, seed {run.Seed}: a picture is no PNG file");
}
