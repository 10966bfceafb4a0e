using System.Text.RegularExpressions;
using System.Xml;
using System.Xml.Linq;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;

namespace JepaT.Notebooks;

/// <summary>
/// Takes the elements out of markup that would have a browser fetch a script, or a page with scripts, from elsewhere. An inline script
/// that does so is taken out where its text shows it; what one puts together as it runs is no matter of text, and fails in our pages by
/// their content security policy (<see cref="NotebookPage"/>).
/// </summary>
internal static partial class ForeignScripts
{
    private const string Elements = "script, link, iframe, frame, object, embed, base, template";

    /// <summary>HTML; as it is when nothing is to be taken out. <paramref name="removed"/> is told each address.</summary>
    public static string RemoveFromHtml(string html, Action<string> removed)
    {
        if (!Suspicious().IsMatch(html)) return html;
        var body = HtmlFragment.Parse(html);
        return Clean(body, removed) ? body.InnerHtml : html;
    }

    /// <summary>The same for SVG, which is XML: markup that is none is read as HTML, as a page reads it that holds it.</summary>
    public static string RemoveFromSvg(string svg, Action<string> removed)
    {
        if (!Suspicious().IsMatch(svg)) return svg;
        try
        {
            using var reader = XmlReader.Create(new StringReader(svg), new XmlReaderSettings { DtdProcessing = DtdProcessing.Ignore, XmlResolver = null });
            var document = XDocument.Load(reader, LoadOptions.PreserveWhitespace);
            var foreign = document.Descendants().Select(e => (Element: e, Source: Source(e.Name.LocalName.ToLowerInvariant(), name => Value(e, name), e.Value))).Where(e => e.Source is not null).ToList();
            if (foreign.Count == 0 && !document.Descendants().Any(e => e.Name.LocalName == "iframe")) return svg;
            foreach (var (element, source) in foreign)
            {
                removed(source!);
                element.Remove();
            }
            foreach (var frame in document.Descendants().Where(e => e.Name.LocalName == "iframe"))
                if (frame.Attribute("srcdoc") is { } inner) inner.Value = RemoveFromHtml(inner.Value, removed);
            return document.ToString(SaveOptions.DisableFormatting);
        }
        catch (XmlException)
        {
            return RemoveFromHtml(svg, removed);
        }

        static string? Value(XElement element, string name) => element.Attributes().FirstOrDefault(a => string.Equals(a.Name.LocalName, name, StringComparison.OrdinalIgnoreCase) && (a.Name.Namespace == XNamespace.None || name == "href"))?.Value;
    }

    private static bool Clean(IParentNode node, Action<string> removed)
    {
        var changed = false;
        foreach (var element in node.QuerySelectorAll(Elements).ToList())
        {
            if (element is IHtmlTemplateElement template) changed |= Clean(template.Content, removed);
            else if (Source(element.LocalName, name => element.GetAttribute(name) ?? (name == "href" ? element.GetAttribute("xlink:href") ?? element.GetAttribute("http://www.w3.org/1999/xlink", "href") : null), element.TextContent) is { } source)
            {
                removed(source);
                element.Remove();
                changed = true;
            }
            else if (element.LocalName == "iframe" && element.GetAttribute("srcdoc") is { } page && RemoveFromHtml(page, removed) is var clean && clean != page)
            {
                element.SetAttribute("srcdoc", clean);
                changed = true;
            }
        }
        return changed;
    }

    /// <summary>The address from which an element would fetch a program; null when it fetches none, or carries it in itself.</summary>
    private static string? Source(string element, Func<string, string?> attribute, string text) => element switch
    {
        "script" => Foreign(attribute("src")) ?? Foreign(attribute("href")) ?? Loaded(text, attribute("type")),
        "link" when Preloads().IsMatch(attribute("rel") ?? "") && (attribute("as") ?? "script") is "script" or "worker" or "" => Foreign(attribute("href")),
        "iframe" or "frame" or "embed" => Foreign(attribute("src")),
        "object" => Foreign(attribute("data")),
        "base" => Foreign(attribute("href")),               // from which relative addresses of scripts would count
        _ => null,
    };

    private static string? Foreign(string? address) => address is null || Own().IsMatch(address) ? null : address;

    private static string? Loaded(string text, string? type) =>
        (string.Equals(type?.Trim(), "importmap", StringComparison.OrdinalIgnoreCase) ? Mapped() : Loads()).Match(text) is { Success: true } match ? match.Groups["from"].Value : null;

    [GeneratedRegex("<(?:[a-z0-9]+:)?(?:script|link|iframe|frame|object|embed|base)\\b|srcdoc", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Suspicious();

    [GeneratedRegex(@"^\s*(?:data:|blob:|about:|#|$)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Own();

    [GeneratedRegex(@"(?:^|\s)(?:modulepreload|preload|prefetch|import)(?:\s|$)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Preloads();

    // An inline script that loads another one: import, the src of an element it makes, the names and the paths of require.js.
    [GeneratedRegex("""(?:\bimport\b\s*\(?\s*|\bimportScripts\s*\(\s*|\bfrom\s+|\.src\s*=\s*|\bsetAttribute\(\s*["']src["']\s*,\s*|\brequire(?:js)?\s*\(\s*\[[^\]]*?|\bpaths\s*:\s*\{[^}]*?)["'`](?<from>(?:https?:)?//[^"'`]*)""")]
    private static partial Regex Loads();

    [GeneratedRegex("""["'](?<from>(?:https?:)?//[^"']*)["']""")]
    private static partial Regex Mapped();
}
