using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// Markup that is safe to show: made by <see cref="Of"/> from a template in which every value is encoded, unless it is markup itself.
/// Styles stand in the elements, colours are those of the page around (which may be light or dark) or legible on both.
/// </summary>
internal readonly record struct Html(string Markup)
{
    /// <summary>Lines and frames: visible on light and on dark pages.</summary>
    public const string Line = "1px solid rgba(128,128,128,.4)";

    /// <summary>The font of everything we show.</summary>
    public const string Font = "font-family:system-ui,-apple-system,'Segoe UI','Liberation Sans',sans-serif;font-size:13px;line-height:1.4";

    public static readonly Html None = new("");

    private static int Ids;

    /// <summary>A template: <c>Html.Of($"&lt;td&gt;{text}&lt;/td&gt;")</c>.</summary>
    public static Html Of(HtmlTemplate template) => new(template.ToString());

    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(p => p.Markup)));

    /// <summary>An id that no other output of the page has: counted in this process, and made of the content for those of other sessions.</summary>
    public static string Id(string kind, string content) =>
        string.Create(CultureInfo.InvariantCulture, $"jepat-{kind}{Interlocked.Increment(ref Ids)}-{(uint)HashedText.Fnv1a(Encoding.UTF8.GetBytes(content)):x8}");

    /// <summary>A picture as part of the page, enlarged without smoothing.</summary>
    public static Html Image(byte[] png, string alt, int width, int height) => Of(
        $"""<img src="data:image/png;base64,{Convert.ToBase64String(png)}" alt="{alt}" width="{width}" height="{height}" style="image-rendering:pixelated;display:block;max-width:none">""");

    public override string ToString() => Markup;
}

/// <summary>What the compiler makes of a template.</summary>
[InterpolatedStringHandler]
internal readonly ref struct HtmlTemplate
{
    private readonly StringBuilder markup;

    public HtmlTemplate(int literalLength, int holes) => markup = new StringBuilder(literalLength + 16 * holes);

    public void AppendLiteral(string text) => markup.Append(text);

    public void AppendFormatted(Html html) => markup.Append(html.Markup);

    public void AppendFormatted(string? text) => markup.Append(WebUtility.HtmlEncode(text));

    public void AppendFormatted<T>(T value, string? format = null) =>
        AppendFormatted(value is IFormattable f ? f.ToString(format, CultureInfo.InvariantCulture) : value?.ToString());

    public override string ToString() => markup.ToString();
}
