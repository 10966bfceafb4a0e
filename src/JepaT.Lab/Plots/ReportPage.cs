using System.Net;
using System.Text;
using Plotly.NET;

namespace JepaT.Lab;

/// <summary>An HTML page in the making: what is given to <see cref="Text"/> is encoded, what is given to <see cref="Raw"/> is not.</summary>
internal sealed class ReportPage
{
    private readonly StringBuilder html = new();
    private readonly List<string> figures = [];
    private bool sliders;

    public ReportPage Raw(string markup)
    {
        html.Append(markup);
        return this;
    }

    public ReportPage Text(string text) => Raw(WebUtility.HtmlEncode(text));

    public ReportPage Header(string text, string kind = "") =>
        Raw(kind.Length > 0 ? $"<th scope=\"col\" class=\"{kind}\">" : "<th scope=\"col\">").Text(text).Raw("</th>");

    public ReportPage Cell(string text, string kind = "") => Raw(kind.Length > 0 ? $"<td class=\"{kind}\">" : "<td>").Text(text).Raw("</td>");

    /// <summary>Begins a part that scrolls by itself where it is too wide, also by the keyboard; the caller closes the element.</summary>
    public ReportPage Scroll(string label) => Raw("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"").Text(label).Raw("\">");

    /// <summary>Begins pictures of which a slider shows one at a time; the caller closes the element.</summary>
    public ReportPage Slider()
    {
        sliders = true;
        return Raw("<div class=\"slider\">");
    }

    public void Head(string title)
    {
        Raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        // The browser itself then refuses every request: nothing can be fetched, by mistake or by a hostile caption.
        Raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">\n");
        Raw("<title>").Text(title).Raw($"</title>\n<style>\n{Resource("report.css", typeof(ReportPage))}</style>\n</head>\n<body>\n<main>\n");
        Raw("<noscript><p class=\"soft\">Scripts are off: the charts are missing, the tables and pictures are complete.</p></noscript>\n");
    }

    public void Chart(TitledChart chart, string kind)
    {
        Raw("<figure><h3>").Text(chart.Title).Raw($"</h3><div class=\"chart {kind}\" id=\"chart-{figures.Count}\"></div><figcaption>")
            .Text(chart.Caption).Raw("</figcaption></figure>\n");
        figures.Add(Script(FigureJson.Of(chart.Chart)));
    }

    public string End()
    {
        if (figures.Count > 0)
        {
            var name = typeof(Trace).Assembly.GetManifestResourceNames().Single(n => n.Contains("plotly-", StringComparison.Ordinal) && n.EndsWith(".js", StringComparison.Ordinal));
            Raw("<script>").Raw(Resource(name, typeof(Trace)).Replace("</script", "<\\/script", StringComparison.OrdinalIgnoreCase)).Raw("</script>\n<script>\n");
            Raw("const figures = [\n").Raw(string.Join(",\n", figures)).Raw("\n];\n");
            Raw("figures.forEach((f, i) => Plotly.newPlot('chart-' + i, f.data, f.layout, { responsive: true, displaylogo: false,\n")
                .Raw("  modeBarButtonsToRemove: ['select2d', 'lasso2d', 'zoomIn2d', 'zoomOut2d', 'autoScale2d'] }));\n</script>\n");
        }
        if (sliders) Raw($"<script>\n{Sliders}</script>\n");
        return Raw("</main>\n</body>\n</html>\n").html.ToString();
    }

    // Without scripts all frames show, beneath each other, and no slider.
    private const string Sliders = """
        document.querySelectorAll('.slider').forEach(slider => {
          const range = slider.querySelector('input'), output = slider.querySelector('output'), frames = slider.querySelectorAll('.frame');
          if (!range) return;
          const show = () => {
            frames.forEach((frame, i) => { frame.hidden = i !== Number(range.value); });
            output.textContent = frames[range.value].dataset.step;
            range.setAttribute('aria-valuetext', 'step ' + output.textContent);
          };
          range.addEventListener('input', show);
          slider.classList.add('live');
          show();
        });

        """;

    // JSON stays JSON, but can neither close the script element nor open a comment in it.
    private static string Script(string json) => json.Replace("<", "\\u003c", StringComparison.Ordinal)
        .Replace("\u2028", "\\u2028", StringComparison.Ordinal).Replace("\u2029", "\\u2029", StringComparison.Ordinal);

    private static string Resource(string name, Type near)
    {
        using var reader = new StreamReader(near.Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
