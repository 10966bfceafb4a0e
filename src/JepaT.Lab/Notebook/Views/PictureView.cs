using System.Buffers.Binary;

namespace JepaT.Lab;

/// <summary>A PNG file, enlarged by a whole factor without smoothing; with a caption it is HTML, without one the picture itself.</summary>
internal sealed class PictureView : View
{
    private static ReadOnlySpan<byte> Signature => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    private readonly string? caption;
    private readonly string text;
    private readonly int scale;

    /// <param name="png">The file.</param>
    /// <param name="caption">Text beneath it.</param>
    /// <param name="text">What stands for it where pictures cannot be shown; by default the caption, or its size.</param>
    /// <param name="scale">Enlargement on the page; 0 for one that makes small pictures about 84 pixels wide.</param>
    public PictureView(byte[] png, string? caption = null, string? text = null, int scale = 0)
    {
        (Png, this.caption) = (png, caption);
        (Width, Height) = (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20)));
        this.scale = scale > 0 ? scale : Math.Max(1, (int)Math.Round(84.0 / Math.Max(1, Width)));
        this.text = text ?? caption ?? $"picture of {Width} × {Height} pixels";
    }

    public override byte[] Png { get; }

    public int Width { get; }

    public int Height { get; }

    public override string Mime => caption is null ? "image/png" : "text/html";

    public static bool IsPng(byte[] bytes) => bytes.Length > 24 && bytes.AsSpan().StartsWith(Signature);

    public override string ToHtml()
    {
        var image = Html.Image(Png, text, Width * scale, Height * scale);
        return (caption is null ? image : Html.Of(
            $"""<figure style="margin:0;{Html.Font}">{image}<figcaption style="max-width:{Math.Max(Width * scale, 120)}px">{caption}</figcaption></figure>""")).Markup;
    }

    public override string ToString() => text;
}

/// <summary>Pictures in rows, with captions of their own and of the rows.</summary>
internal sealed class GridView(IReadOnlyList<View> cells, int columns, IReadOnlyList<string>? rowCaptions = null, byte[]? png = null) : View
{
    /// <summary>The whole grid as one picture, with the captions drawn into it.</summary>
    public override byte[]? Png => png;

    /// <summary>Images (N, 1 or 3, H, W), floating in [-1, 1] or uint8, with a caption each or none.</summary>
    public static GridView Of(Tensor images, IReadOnlyList<string>? captions = null, int columns = 0, IReadOnlyList<string>? rowCaptions = null, int scale = 0)
    {
        var pictures = ImageGrid.Each(images);
        if (columns <= 0) columns = rowCaptions is { Count: > 0 } rows ? (int)Math.Ceiling((double)pictures.Count / rows.Count) : Math.Min(pictures.Count, 8);
        return new([.. pictures.Select((p, i) => new PictureView(p, captions is null ? null : captions[i], scale: scale))], columns, rowCaptions,
            ImageGrid.Png(images, columns, rowCaptions: rowCaptions));
    }

    public override string ToHtml()
    {
        var rows = cells.Chunk(columns).Select((row, i) => Html.Join(
            [.. rowCaptions is null ? [] : new[] { Html.Of($"""<div style="align-self:center;padding-right:8px">{(i < rowCaptions.Count ? rowCaptions[i] : "")}</div>""") },
             .. row.Select(cell => Html.Of($"<div>{new Html(cell.ToHtml())}</div>"))]));
        return Html.Of($"""<div style="display:inline-grid;grid-template-columns:repeat({columns + (rowCaptions is null ? 0 : 1)},auto);gap:8px;{Html.Font}">{Html.Join(rows)}</div>""").Markup;
    }

    public override string ToString() => string.Join('\n', cells.Chunk(columns)
        .Select((row, i) => (rowCaptions is not null && i < rowCaptions.Count ? rowCaptions[i] + ": " : "") + string.Join(" | ", row.AsEnumerable())));
}
