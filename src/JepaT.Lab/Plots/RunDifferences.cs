namespace JepaT.Lab;

/// <summary>Names and values of several runs: those that differ as a table with the odd ones marked, those that are equal folded.</summary>
internal sealed class RunDifferences(ReportPage page, IReadOnlyDictionary<LoggedRun, string> labels)
{
    public void Add(string title, RunSet runs, Func<LoggedRun, IReadOnlyDictionary<string, string>> entries)
    {
        var all = runs.Select(r => (Run: r, Entries: entries(r))).ToList();
        var names = all.SelectMany(a => a.Entries.Keys).Distinct().ToList();
        if (names.Count == 0)
        {
            page.Raw("<p>Nothing of it was logged.</p>\n");
            return;
        }
        var equal = names.Where(n => all.Select(a => a.Entries.GetValueOrDefault(n)).Distinct().Count() == 1).ToHashSet();
        if (equal.Count < names.Count)
        {
            page.Raw("<p>What differs; a value that is not the most frequent one of its line is marked.</p>\n").Scroll($"{title} that differ").Raw("<table class=\"texts\"><thead><tr>").Header("");
            foreach (var (run, _) in all) page.Header(labels[run], "name");
            page.Raw("</tr></thead><tbody>\n");
            foreach (var name in names.Where(n => !equal.Contains(n)))
            {
                page.Raw("<tr><th scope=\"row\" class=\"name\">").Text(name).Raw("</th>");
                var usual = all.Select(a => a.Entries.GetValueOrDefault(name)).GroupBy(v => v).MaxBy(g => g.Count())!.Key;      // of equally frequent ones the first
                foreach (var (_, values) in all)
                    if (values.GetValueOrDefault(name) is var value && value == usual) page.Cell(Shown(value), "value");
                    else page.Raw("<td class=\"value\"><mark>").Text(Shown(value)).Raw("</mark></td>");
                page.Raw("</tr>\n");
            }
            page.Raw("</tbody></table></div>\n");
        }
        if (equal.Count == 0) return;
        page.Raw(runs.Count == 1 ? "<details open>" : "<details>").Raw($"<summary>{(runs.Count == 1 ? "All" : "The same in all runs")} ({equal.Count})</summary>\n")
            .Scroll($"{title} that are the same").Raw("<table class=\"texts\"><tbody>\n");
        foreach (var name in names.Where(equal.Contains))
            page.Raw("<tr><th scope=\"row\" class=\"name\">").Text(name).Raw("</th>").Cell(Shown(all[0].Entries[name]), "value").Raw("</tr>\n");
        page.Raw("</tbody></table></div></details>\n");
    }

    private static string Shown(string? value) => value is null ? "–" : value.Length == 0 ? "\"\"" : Secrets.Hide(value);
}
