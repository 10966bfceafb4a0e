using Microsoft.DotNet.Interactive.Formatting;

namespace JepaT.Notebooks;

/// <summary>Turns any object into what a front end can show.</summary>
internal static class Rendering
{
    public const string Html = "text/html", Plain = "text/plain", Png = "image/png";

    public static MimeBundle Nothing { get; } = new(new Dictionary<string, string> { [Plain] = "" });

    /// <summary>Null shows nothing. With <paramref name="mime"/> a text is taken as being of that type already.</summary>
    public static MimeBundle? Of(object? value, string? mime = null)
    {
        if (value is null) return null;
        if (value is Markup markup) return Single(markup.MimeType, markup.Content);
        if (mime is not null) return Single(mime, value as string ?? value.ToDisplayString(mime));
        var data = new Dictionary<string, string> { [Plain] = value.ToDisplayString(Plain) };
        if (value is not (string or IFormattable)) data[Html] = value.ToDisplayString(Html);
        return new(data);
    }

    private static MimeBundle Single(string mime, string text) => new(new Dictionary<string, string> { [mime] = text });
}
