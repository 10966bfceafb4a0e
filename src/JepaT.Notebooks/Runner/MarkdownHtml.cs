using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Markdig;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace JepaT.Notebooks;

/// <summary>Markdown cells as HTML. Pictures beside the notebook, and those attached to a cell, are put into the text itself.</summary>
internal sealed partial class MarkdownHtml(string folder)
{
    private static readonly MarkdownPipeline Pipeline = new MarkdownPipelineBuilder()
        .UsePipeTables().UseAutoIdentifiers().UseFootnotes().UseTaskLists().UseAutoLinks().UseEmphasisExtras().UseMathematics().Build();

    private static readonly Dictionary<string, string> Mimes = new(StringComparer.OrdinalIgnoreCase)
    {
        [".png"] = "image/png",
        [".jpg"] = "image/jpeg",
        [".jpeg"] = "image/jpeg",
        [".gif"] = "image/gif",
        [".webp"] = "image/webp",
        [".svg"] = "image/svg+xml",
    };

    public string Render(string source, JsonObject? attachments)
    {
        var document = Markdown.Parse(source, Pipeline);
        foreach (var image in document.Descendants<LinkInline>().Where(l => l.IsImage && l.Url is not null)) image.Url = Embedded(image.Url!, attachments);
        var html = HtmlFragment.Inert(document.ToHtml(Pipeline));
        // Formulas stay TeX, without the marks meant for a script that would typeset them.
        return html.Contains("class=\"math\"", StringComparison.Ordinal) ? Marks().Replace(html, "$1$2$3") : html;
    }

    [GeneratedRegex("""(<(?:span|div) class="math">\s*)\\[(\[](.*?)\\[)\]](\s*</)""", RegexOptions.Singleline)]
    private static partial Regex Marks();

    // An address that cannot be put in stays: the page then shows the picture's description.
    private string Embedded(string url, JsonObject? attachments)
    {
        const string attachment = "attachment:";
        if (url.StartsWith(attachment, StringComparison.Ordinal))
            return (attachments?[Uri.UnescapeDataString(url[attachment.Length..])] as JsonObject)?.FirstOrDefault() is { Key: { } mime, Value: { } content }
                ? $"data:{mime};base64,{NotebookCell.Joined(content)}" : url;
        if (url.Contains(':', StringComparison.Ordinal) || !Mimes.TryGetValue(Path.GetExtension(url), out var type)) return url;
        var file = Path.Combine(folder, Uri.UnescapeDataString(url));
        return File.Exists(file) ? $"data:{type};base64,{Convert.ToBase64String(File.ReadAllBytes(file))}" : url;
    }
}
