using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// The report of any runs of a store, in the same self-contained form as that of an ablation: table, curves, pictures with a slider over the
/// steps, differences of the configuration, environment, data sets, links to the artifacts. What cannot be read is said in its place.
/// </summary>
internal sealed class RunReport
{
    // Curves beyond these would make a page that no browser draws; what is left out is said.
    private const int MostCharts = 40;

    private readonly ReportPage page = new();
    private readonly RunSet runs;
    private readonly RunComparison comparison;
    private readonly RunFiles files;
    private readonly Dictionary<LoggedRun, string> labels;
    private readonly IReadOnlyDictionary<string, PresetStyle> styles;

    private RunReport(RunSet runs, string folder)
    {
        (this.runs, comparison, files) = (runs, new RunComparison(runs), new RunFiles(folder));
        var several = runs.CountBy(r => r.Name).Where(n => n.Value > 1).Select(n => n.Key).ToHashSet();
        labels = runs.ToDictionary(r => r, r => several.Contains(r.Name) ? $"{r.Name} ({r.ShortId})" : r.Name);
        styles = Palette.Of(labels.Values.Distinct());
    }

    /// <summary>The page's text.</summary>
    /// <param name="runs">At least one run.</param>
    /// <param name="folder">Where the page will lie: links to files of this machine are relative to it.</param>
    /// <param name="selection">How the runs were chosen, in words; "" for all.</param>
    /// <param name="date">When the page is made.</param>
    /// <param name="progress">Told how many runs are read; or none.</param>
    public static string Html(RunSet runs, string folder, string selection, DateTimeOffset date, Progress? progress = null)
    {
        var report = new RunReport(runs, folder);
        var experiments = runs.Select(r => r.Experiment).Distinct().ToList();
        report.Headline(experiments, selection, date);
        report.Results(experiments.Count > 1);
        report.Curves(progress);
        new RunPictures(report.page, report.files, report.labels).Add(runs);
        report.Differences();
        report.DataSets();
        report.Artifacts();
        return report.page.End();
    }

    private void Headline(List<string> experiments, string selection, DateTimeOffset date)
    {
        var title = experiments.Count <= 3 ? $"Runs of {string.Join(", ", experiments)}" : $"Runs of {experiments.Count} experiments";
        page.Head(title);
        page.Raw("<header><h1>").Text(title).Raw("</h1>\n<dl>");
        Fact("Store", runs[0].Store.Uri);
        if (selection.Length > 0) Fact("Chosen", selection);
        Fact("Runs", $"{runs.Count}: " + string.Join(", ", runs.CountBy(r => r.Run.Info.Status).Select(s => $"{s.Value} {s.Key.ToString().ToLowerInvariant()}")));
        Fact("Read", date.UtcDateTime.ToString("d MMMM yyyy, HH:mm 'UTC'", CultureInfo.InvariantCulture));
        page.Raw("</dl></header>\n");

        void Fact(string name, string value) => page.Raw("<dt>").Text(name).Raw("</dt><dd>").Text(value).Raw("</dd>\n");
    }

    private void Results(bool experiments)
    {
        page.Raw("<section><h2>Result</h2>\n");
        var all = Enumerable.Range(0, comparison.Metrics.Count).ToList();
        var main = all.Where(m => LoggedRun.Rank(comparison.Metrics[m].Key) == 0 && comparison.Metrics[m].Better != Better.Neither).ToList();
        if (main.Count == 0) main = [.. all.Where(m => comparison.Metrics[m].Better != Better.Neither)];
        Table("Result", main, head: true);
        page.Raw("<p class=\"soft\">The latest value of each metric; the best of a column is marked, where it is known which way is better. Times are UTC.</p>\n");
        if (all.Except(main).ToList() is { Count: > 0 } further)
        {
            page.Raw($"<details><summary>Further metrics ({further.Count})</summary>\n");
            Table("Further metrics", further, head: false);
            page.Raw("</details>\n");
        }
        foreach (var run in runs)
            if (run.Run.Tags.GetValueOrDefault("mlflow.note.content", "") is { Length: > 0 } note)
                page.Raw("<details><summary>Note of ").Text(labels[run]).Raw("</summary><pre tabindex=\"0\">").Text(note).Raw("</pre></details>\n");
        page.Raw("</section>\n");

        void Table(string label, List<int> metrics, bool head)
        {
            page.Scroll(label).Raw("<table><thead><tr>").Header("Run");
            foreach (var m in metrics) page.Header(comparison.Metrics[m].HeadingWithArrow.Replace(" " + comparison.Metrics[m].Arrow, "\u00a0" + comparison.Metrics[m].Arrow, StringComparison.Ordinal), "name");
            if (head) page.Header("Status").Header("Started").Header("Duration");
            if (head && experiments) page.Header("Experiment", "text");
            page.Raw("</tr></thead><tbody>\n");
            foreach (var run in runs)
            {
                var info = run.Run.Info;
                page.Raw($"<tr><th scope=\"row\" class=\"name\"><span class=\"swatch\" style=\"background:{styles[labels[run]].Colour}\"></span>").Text(labels[run]).Raw("</th>");
                foreach (var m in metrics)
                    if (comparison.IsBest(run, m)) page.Raw("<td class=\"best\">").Text(comparison.Text(run, m)).Raw("<span class=\"hidden\"> (best)</span></td>");
                    else page.Cell(comparison.Text(run, m));
                if (head) page.Cell(info.Status.ToString().ToUpperInvariant(), info.Status is RunStatus.Failed or RunStatus.Killed ? "failed" : "")
                    .Cell(PlainText.Time(info.StartTime)[..16]).Cell(info.EndTime is { } end ? Progress.Duration(TimeSpan.FromMilliseconds(end - info.StartTime)) : "–");
                if (head && experiments) page.Cell(run.Experiment, "text value");
                page.Raw("</tr>\n");
            }
            page.Raw("</tbody></table></div>\n");
        }
    }

    private void Curves(Progress? progress)
    {
        var courses = runs.ToDictionary(r => labels[r], _ => new Dictionary<string, IReadOnlyList<CurvePoint>>());
        // Evaluations of several counts can be dozens: the losses are drawn whatever else is.
        var chosen = comparison.Metrics.OrderBy(m => m.Key.Contains("loss", StringComparison.Ordinal) ? 0 : 1).Take(MostCharts).ToHashSet();
        var metrics = comparison.Metrics.Where(chosen.Contains).ToList();
        for (var i = 0; i < runs.Count; i++)
        {
            progress?.Report(i, PlainText.Line(runs[i].Name));
            foreach (var metric in metrics)
                if (runs[i].Run.Metrics.ContainsKey(metric.Key) && runs[i].Curve(metric.Key).Where(p => RunComparison.Counts(p.Value)).ToList() is { Count: > 0 } points)
                    courses[labels[runs[i]]][metric.Key] = points;
        }
        progress?.Report(runs.Count);
        var asRuns = courses.Select(c => new RunResult(c.Key, 0, "", "FINISHED", null, new Dictionary<string, double>(), c.Value, [])).ToList();
        var result = new AblationResult("", asRuns, [], "", "", "", default, "");
        // A value logged once is in the table: a chart of one point a run shows nothing more.
        var drawn = metrics.Where(m => courses.Values.Any(c => c.TryGetValue(m.Key, out var points) && points.Count > 1)).ToList();
        if (drawn.Count == 0) return;
        page.Raw("<section><h2>Curves</h2>\n<div class=\"charts\">\n");
        foreach (var m in drawn) page.Chart(Charts.Curve(result, m.Key, m.HeadingWithArrow, m.IsFraction, alone: "A line for each run."), "");
        page.Raw("</div>\n");
        if (comparison.Metrics.Count > MostCharts) page.Raw($"<p class=\"soft\">{metrics.Count} of {comparison.Metrics.Count} metrics are drawn: the losses, and those that stand first in the table.</p>\n");
        page.Raw("</section>\n");
    }

    private void Differences()
    {
        page.Raw("<section><h2>Configuration</h2>\n");
        new RunDifferences(page, labels).Add("Params", runs, r => new SortedDictionary<string, string>(r.Run.Params.ToDictionary(), StringComparer.Ordinal));
        page.Raw("</section>\n<section><h2>Environment</h2>\n");
        new RunDifferences(page, labels).Add("Environment", runs, r => EnvironmentRows.Of(r, files));
        page.Raw("</section>\n");
    }

    private void DataSets()
    {
        var inputs = runs.SelectMany(r => r.Run.Inputs.Select(d => (Data: d, Run: r))).GroupBy(d => d.Data, d => labels[d.Run]).ToList();
        if (inputs.Count == 0) return;
        page.Raw("<section><h2>Data sets</h2>\n").Scroll("Data sets").Raw("<table><thead><tr>")
            .Header("Name").Header("Digest").Header("Used for", "text").Header("Source", "text").Header("Profile", "text").Header("Runs", "text").Raw("</tr></thead><tbody>\n");
        foreach (var input in inputs)
            page.Raw("<tr><th scope=\"row\" class=\"name\">").Text(input.Key.Name).Raw("</th>").Cell(input.Key.Digest).Cell(input.Key.Context, "text")
                .Cell(Secrets.Hide(input.Key.Source), "text value").Cell(input.Key.Profile ?? "–", "text value")
                .Cell(input.Count() == runs.Count ? "all" : string.Join(", ", input), "text value").Raw("</tr>\n");
        page.Raw("</tbody></table></div></section>\n");
    }

    private void Artifacts()
    {
        page.Raw("<section><h2>Artifacts</h2>\n<p>Links lead to the store: to its files, as long as this page stays where it is, or to its server.</p>\n");
        foreach (var run in runs)
        {
            page.Raw("<details><summary>").Text(labels[run]).Raw($"</summary><p class=\"soft\">Run ").Text(run.Id).Raw("</p>\n");
            if (files.Problem(run) is { } problem) page.Raw("<p class=\"failed\">").Text(problem).Raw("</p>\n");
            page.Raw("<ul>");
            foreach (var path in files.Of(run))
            {
                page.Raw("<li>");
                if (files.Link(run, path) is { } link) page.Raw("<a href=\"").Text(link).Raw("\">").Text(path).Raw("</a>");
                else page.Text(path);
                page.Raw("</li>\n");
            }
            page.Raw("</ul></details>\n");
        }
        page.Raw("</section>\n");
    }
}
