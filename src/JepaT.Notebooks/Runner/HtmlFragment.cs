using AngleSharp.Dom;
using AngleSharp.Html.Parser;

namespace JepaT.Notebooks;

/// <summary>Pieces of HTML, read as a browser reads them.</summary>
internal static class HtmlFragment
{
    /// <summary>The piece as the content of an element.</summary>
    public static IElement Parse(string html)
    {
        var body = new HtmlParser().ParseDocument("<!DOCTYPE html><body></body>").Body!;
        body.InnerHtml = html;
        return body;
    }

    /// <summary>The piece with every element and comment closed, so that nothing of it reaches beyond its place.</summary>
    public static string Closed(string html) => Parse(html).InnerHtml;

    /// <summary>The same for text that may hold markup but no program: no scripts, no handlers, no frames, no addresses that run.</summary>
    public static string Inert(string html)
    {
        var body = Parse(html);
        foreach (var element in body.QuerySelectorAll("*").ToList())
        {
            if (element.LocalName is "script" or "iframe" or "object" or "embed" or "base" or "meta" or "link" or "form")
            {
                element.Remove();
                continue;
            }
            foreach (var attribute in element.Attributes.ToList())
                if (attribute.Name.StartsWith("on", StringComparison.OrdinalIgnoreCase) || attribute.Value.TrimStart().StartsWith("javascript:", StringComparison.OrdinalIgnoreCase))
                    element.RemoveAttribute(attribute.Name);
        }
        return body.InnerHtml;
    }
}
