using System.Net;
using System.Text;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>
/// An executed notebook as one HTML page, light or dark as the reader's system is, that carries everything in itself. Its own content security
/// policy forbids every request, so it works offline and for ever, and tells nobody that it is read. Scripts that are in the outputs
/// run (sliders, charts); without scripts the rest is complete.
/// </summary>
internal sealed class NotebookPage
{
    private const string Policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data:";

    private static readonly string[] Pictures = ["image/svg+xml", "image/png", "image/jpeg", "image/gif", "image/webp"];

    private readonly StringBuilder html = new();
    private readonly MarkdownHtml markdown;

    private NotebookPage(string folder) => markdown = new(folder);

    /// <summary>The page's text.</summary>
    /// <param name="document">The notebook.</param>
    /// <param name="folder">The notebook's folder, for pictures that its texts show; they are put into the page.</param>
    public static string Html(NotebookDocument document, string folder)
    {
        var page = new NotebookPage(folder);
        page.Raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
            .Raw($"<meta http-equiv=\"Content-Security-Policy\" content=\"{Policy}\">\n<meta name=\"color-scheme\" content=\"light dark\">\n")
            .Raw("<title>").Text(Title(document)).Raw($"</title>\n<style>\n{Resource("notebook.css")}</style>\n</head>\n<body>\n<main>\n");
        foreach (var cell in document.Cells) page.Cell(cell);
        return page.Raw("</main>\n</body>\n</html>\n").html.ToString();
    }

    private void Cell(NotebookCell cell)
    {
        if (cell.Type == "markdown")
            Raw($"<section class=\"text{(cell.HasTag(NotebookRunner.ErrorTag) ? " failure" : "")}\" id=\"{cell.Id}\">\n").Raw(markdown.Render(cell.Source, cell.Json["attachments"] as JsonObject)).Raw("</section>\n");
        if (!cell.IsCode || (cell.Source.Length == 0 && cell.Outputs.Count == 0)) return;
        Raw($"<section class=\"code\" id=\"{cell.Id}\">\n<div class=\"count\">{cell.ExecutionCount}</div>\n<pre class=\"source\"><code>")
            .Raw(CodeHtml.Of(cell.Source)).Raw("</code></pre>\n");
        foreach (var output in cell.Outputs.OfType<JsonObject>()) Output(output);
        Raw("</section>\n");
    }

    private void Output(JsonObject output)
    {
        switch (output["output_type"]?.ToString())
        {
            case "stream":
                Pre(NotebookCell.Joined(output["text"]), output["name"]?.ToString() == "stderr" ? "stream stderr" : "stream");
                break;
            case "error":
                var traceback = (output["traceback"] as JsonArray ?? []).Select(l => l?.ToString());
                Pre(string.Join('\n', traceback.Prepend($"{output["ename"]}: {output["evalue"]}").Distinct()), "error");
                break;
            case "display_data" or "execute_result" when output["data"] is JsonObject data:
                Raw("<div class=\"output\">");
                Richest(data);
                Raw("</div>\n");
                break;
        }
    }

    // The first form, richest first, that a page without a kernel can show.
    private void Richest(JsonObject data)
    {
        if (data["text/html"] is { } markup) Raw(HtmlFragment.Closed(NotebookCell.Joined(markup)));
        else if (Pictures.FirstOrDefault(data.ContainsKey) is { } mime) Raw($"<img alt=\"\" src=\"{Picture(mime, NotebookCell.Joined(data[mime]))}\">");
        else if (data["text/markdown"] is { } text) Raw(markdown.Render(NotebookCell.Joined(text), null));
        else if (data["text/plain"] is { } plain) Pre(NotebookCell.Joined(plain), "plain");
        else if (data.FirstOrDefault() is { Key: { } other, Value: { } content }) Pre(content is JsonObject ? content.ToJsonString() : NotebookCell.Joined(content), $"plain {WebUtility.HtmlEncode(other)}");
    }

    /// <summary>A picture's content as an address; an SVG in an image of its own cannot clash with another's ids.</summary>
    private static string Picture(string mime, string content) =>
        WebUtility.HtmlEncode($"data:{mime};base64,{(mime == "image/svg+xml" ? Convert.ToBase64String(Encoding.UTF8.GetBytes(content)) : string.Concat(content.Where(c => !char.IsWhiteSpace(c))))}");

    private void Pre(string text, string kind) => Raw($"<pre class=\"{kind}\">").Text(OutputCleaner.WithoutColours(text)).Raw("</pre>\n");

    private NotebookPage Raw(string markup)
    {
        html.Append(markup);
        return this;
    }

    private NotebookPage Text(string text) => Raw(WebUtility.HtmlEncode(text));

    // The first heading of the notebook, else its name.
    private static string Title(NotebookDocument document) =>
        document.Cells.Where(c => c.Type == "markdown").SelectMany(c => c.Source.Split('\n')).FirstOrDefault(l => l.StartsWith("# ", StringComparison.Ordinal))?[2..].Trim()
        ?? Path.GetFileNameWithoutExtension(document.Name);

    private static string Resource(string name)
    {
        using var reader = new StreamReader(typeof(NotebookPage).Assembly.GetManifestResourceStream(name)!, Encoding.UTF8);
        return reader.ReadToEnd();
    }
}
