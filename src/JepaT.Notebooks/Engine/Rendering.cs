using System.Globalization;
using System.Net;
using System.Reflection;
using System.Text;
using Microsoft.DotNet.Interactive.Formatting;
using SkiaSharp;

namespace JepaT.Notebooks;

/// <summary>
/// Turns any object into what a front end can show: our own types as the lab shows them, pictures as PNG, types with a public
/// <c>string ToHtml()</c> as they wish, all others by the formatters of .NET Interactive and their convention (an attribute named
/// <c>TypeFormatterSource</c>). Texts and numbers are plain, everything else is HTML and plain text.
/// </summary>
internal static class Rendering
{
    public const string Html = "text/html", Plain = "text/plain", Png = "image/png";

    // Ours, TorchSharp's and the model's types also where they are parts of others: a tensor is never walked.
    // An exception, also that of a property which throws, is told without the frames of whoever called.
    static Rendering()
    {
        DotNetInteractiveHost.RegisterFormatters(typeof(Formatter).Assembly);
        Formatter.Register<Exception>((e, writer) => writer.Write(TextOf(e)), Plain);
        Formatter.Register<Exception>((e, writer) => writer.Write($"<pre>{WebUtility.HtmlEncode(TextOf(e))}</pre>"), Html);
    }

    public static MimeBundle Nothing { get; } = Single(Plain, "");

    public static MimeBundle Single(string mime, string content) => new(new Dictionary<string, string> { [mime] = content });

    /// <summary>
    /// Null shows nothing, nor does the handle of what is shown already. With <paramref name="mime"/> a text, or the bytes of a file, are
    /// taken as being of that type already.
    /// </summary>
    public static MimeBundle? Of(object? value, string? mime = null)
    {
        try
        {
            return value switch
            {
                null or DisplayedOutput => null,
                Markup markup => Single(markup.MimeType, markup.Content),
                _ when mime is null => All(value),
                string text => Single(mime, text),
                byte[] file => Single(mime, mime.StartsWith("text/", StringComparison.Ordinal) || mime is "image/svg+xml" or "application/json" ? Encoding.UTF8.GetString(file) : Convert.ToBase64String(file)),
                _ when All(value).Data.TryGetValue(mime, out var content) => Single(mime, content),
                _ => Single(mime, value.ToDisplayString(mime)),
            };
        }
        catch (Exception e) when (e is not (OperationCanceledException or ThreadInterruptedException))
        {
            // A property that throws, say. The cell did its work; that this cannot be seen is no reason to fail it.
            return Single(Plain, $"{value!.GetType()}: cannot be shown ({e.GetType().Name}: {e.Message.ReplaceLineEndings(" ")})");
        }
    }

    private static MimeBundle All(object value)
    {
        if (value is string or char or bool or IFormattable || value.GetType().IsPrimitive) return Single(Plain, Convert.ToString(value, CultureInfo.InvariantCulture)!);
        if (Picture(value) is { } png) return Both(Png, Convert.ToBase64String(png), TextOf(value));
        if (View.Knows(value))
        {
            var view = View.Of(value);
            if (view.Mime == Plain) return Single(Plain, view.ToString());
            return view is { Mime: Png, Png: { } file } ? Both(Png, Convert.ToBase64String(file), view.ToString()) : Both(Html, view.ToHtml(), view.ToString());
        }
        var toHtml = value.GetType().GetMethod("ToHtml", BindingFlags.Instance | BindingFlags.Public, []);
        if (toHtml?.ReturnType == typeof(string)) return Both(Html, (string?)toHtml.Invoke(value, []) ?? "", TextOf(value));
        return Both(Html, value.ToDisplayString(Html), TextOf(value));
    }

    // A text of the type's own making is better than a list of its properties.
    private static string TextOf(object value)
    {
        if (value is Exception e) return string.Join('\n', CellErrors.Of(e).Traceback);
        var own = value.GetType().GetMethod(nameof(ToString), [])?.DeclaringType;
        return own == typeof(object) || own == typeof(ValueType) || value is System.Collections.IEnumerable ? value.ToDisplayString(Plain) : value.ToString() ?? "";
    }

    private static byte[]? Picture(object value)
    {
        using var data = value switch
        {
            SKBitmap bitmap => bitmap.Encode(SKEncodedImageFormat.Png, 100),
            SKImage image => image.Encode(SKEncodedImageFormat.Png, 100),
            SKSurface surface => Snapshot(surface),
            _ => null,
        };
        return data?.ToArray();

        static SKData Snapshot(SKSurface surface)
        {
            using var image = surface.Snapshot();
            return image.Encode(SKEncodedImageFormat.Png, 100);
        }
    }

    private static MimeBundle Both(string mime, string content, string plain) => new(new Dictionary<string, string> { [mime] = content, [Plain] = plain });
}
