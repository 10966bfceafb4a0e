using System.Globalization;

namespace JepaT.Lab;

/// <summary>The logged pictures, a section for each key: a slider over the steps, at each step the pictures of all runs that have one.</summary>
internal sealed class RunPictures(ReportPage page, RunFiles files, IReadOnlyDictionary<LoggedRun, string> labels)
{
    // A page carries its pictures in itself: it stays one that a browser opens and a mail takes. What is left out is said.
    private const int MostSteps = 20, MostBytes = 4_000_000;

    public void Add(RunSet runs)
    {
        var pictures = runs.SelectMany(r => LoggedPicture.Of(files.Of(r)).Select(p => (Run: r, Picture: p))).ToList();
        if (pictures.Count == 0) return;
        page.Raw("<section><h2>Pictures by step</h2>\n");
        var number = 0;
        foreach (var key in pictures.GroupBy(p => p.Picture.Key).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var steps = key.GroupBy(p => p.Picture.Step).OrderBy(g => g.Key).ToList();
            var shown = Spread(steps.Count).Select(i => steps[i]).ToList();
            page.Raw("<h3>").Text(key.Key).Raw("</h3>\n").Slider();
            if (shown.Count > 1)
                page.Raw($"<div class=\"control\"><label for=\"slider-{number}\">Step</label> <input type=\"range\" id=\"slider-{number}\" min=\"0\" max=\"{shown.Count - 1}\" value=\"{shown.Count - 1}\"> <output for=\"slider-{number++}\"></output></div>\n");
            foreach (var step in shown)
            {
                page.Raw("<div class=\"frame\" data-step=\"").Text(Text(step.Key)).Raw("\"><p class=\"soft\">").Text($"Step {Text(step.Key)}").Raw("</p><div class=\"grid\">\n");
                foreach (var (run, picture) in step) Figure(run, picture);
                page.Raw("</div></div>\n");
            }
            page.Raw("</div>\n");
            if (shown.Count < steps.Count) page.Raw($"<p class=\"soft\">{shown.Count} of {steps.Count} steps; the others are among the artifacts.</p>\n");
        }
        page.Raw("</section>\n");
    }

    private void Figure(LoggedRun run, LoggedPicture picture)
    {
        page.Raw("<figure><figcaption>").Text(labels[run]).Raw("</figcaption>");
        var (png, problem) = RunFiles.Read(run, picture.Path, MostBytes);
        if (png is null || !PictureView.IsPng(png)) page.Raw("<p class=\"failed\">").Text(png is null ? $"cannot be shown: {problem}" : "is no PNG file").Raw("</p>");
        else
        {
            var size = new PictureView(png);
            page.Raw($"<img width=\"{size.Width}\" height=\"{size.Height}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\" alt=\"").Text($"{picture.Key} of {labels[run]}, step {Text(picture.Step)}").Raw("\">");
        }
        page.Raw("</figure>\n");
    }

    // The first, the last, and evenly between.
    private static IEnumerable<int> Spread(int count) =>
        count <= MostSteps ? Enumerable.Range(0, count) : Enumerable.Range(0, MostSteps).Select(i => (int)((long)i * (count - 1) / (MostSteps - 1)));

    private static string Text(long step) => step.ToString(CultureInfo.InvariantCulture);
}
