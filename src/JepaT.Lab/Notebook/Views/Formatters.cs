namespace JepaT.Lab;

/// <summary>
/// .NET Interactive's convention: it knows this attribute by its name alone, on the type that is to be displayed, so that no package
/// of the host has to be referenced. Our engine follows it, too.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct)]
internal sealed class TypeFormatterSourceAttribute(Type formatterSourceType) : Attribute
{
    public Type FormatterSourceType { get; } = formatterSourceType;

    public string[] PreferredMimeTypes { get; set; } = ["text/html", "text/plain"];
}

/// <summary>Makes the formatters of all types that <see cref="View.Of"/> knows.</summary>
internal sealed class ViewFormatters
{
#pragma warning disable CA1822 // the host makes an instance and calls this on it
    public IEnumerable<object> CreateTypeFormatters() =>
        [new MimeFormatter("text/html", x => View.Of(x).ToHtml()), new MimeFormatter("text/plain", x => View.Of(x).ToString())];
#pragma warning restore CA1822
}

/// <summary>One form of an object: what the convention wants of a formatter.</summary>
internal sealed class MimeFormatter(string mime, Func<object, string> text)
{
    public string MimeType { get; } = mime;

    public bool Format(object instance, TextWriter writer)
    {
        writer.Write(text(instance));
        return true;
    }
}
