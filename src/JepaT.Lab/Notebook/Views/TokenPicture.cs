using System.Runtime.InteropServices;
using SkiaSharp;

namespace JepaT.Lab;

/// <summary>
/// A square picture cut into tokens: pixels or values beneath, hidden tokens hatched, some framed, a short label in each. What a mask, an
/// order of generation, a map of values and a picture in the making have in common.
/// </summary>
internal sealed record TokenPicture(int Side)
{
    private const int Broken = unchecked((int)0xFFFF00FF);                      // magenta, as in all our pictures

    /// <summary>(C, H, W) float in [-1, 1], C = 1 or 3: the pixels.</summary>
    public Tensor? Image { get; init; }

    /// <summary>A value for each token, drawn as colour, in place of pixels.</summary>
    public IReadOnlyList<double>? Values { get; init; }

    /// <summary>The values of the darkest and of the lightest colour; by default the least and the largest.</summary>
    public (double Low, double High)? Range { get; init; }

    /// <summary>Tokens that are masked.</summary>
    public IReadOnlyList<bool>? Hidden { get; init; }

    /// <summary>Tokens with a frame.</summary>
    public IReadOnlyList<bool>? Marked { get; init; }

    /// <summary>Short texts in the tokens.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>Pixels of the drawing for a token's side.</summary>
    public int Cell { get; init; } = 28;

    /// <summary>A PNG file.</summary>
    public byte[] Draw()
    {
        using var bitmap = new SKBitmap(Side * Cell, Side * Cell, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(new SKColor(0x80, 0x80, 0x80));
        if (Image is not null) DrawImage(canvas);
        var (low, high) = Range ?? Colours.RangeOf(Values ?? []);
        using var fill = new SKPaint();
        using var line = new SKPaint { IsStroke = true, StrokeWidth = 1, Color = new SKColor(0x80, 0x80, 0x80, 0x90) };
        using var hatch = new SKPaint { IsStroke = true, StrokeWidth = 1.5f, Color = new SKColor(0xB8, 0xB8, 0xB8), IsAntialias = true };
        using var frame = new SKPaint { IsStroke = true, StrokeWidth = 3, Color = new SKColor(0xE6, 0x7E, 0x00) };
        for (var i = 0; i < Side * Side; i++)
        {
            var cell = SKRect.Create(i % Side * Cell, i / Side * Cell, Cell, Cell);
            if (Values is not null)
            {
                fill.Color = new SKColor(unchecked((uint)Colours.Of(Values[i], low, high)));
                canvas.DrawRect(cell, fill);
            }
            if (Hidden?[i] == true) Hatch(canvas, cell, fill, hatch);
            canvas.DrawRect(cell, line);
        }
        for (var i = 0; i < Side * Side; i++)
            if (Marked?[i] == true) canvas.DrawRect(SKRect.Inflate(SKRect.Create(i % Side * Cell, i / Side * Cell, Cell, Cell), -1.5f, -1.5f), frame);
        if (Labels is not null) DrawLabels(canvas);
        canvas.Flush();
        return Encode(bitmap);
    }

    /// <summary>A PNG file with a pixel for each value, rows × columns; NaN is magenta, and what comes after the first <paramref name="count"/> transparent.</summary>
    public static byte[] Pixels(double[,] values, (double Low, double High)? range = null, int count = int.MaxValue)
    {
        var (rows, columns) = (values.GetLength(0), values.GetLength(1));
        var (low, high) = range ?? Colours.RangeOf(values.Cast<double>().Take(count));
        using var bitmap = new SKBitmap(columns, rows, SKColorType.Bgra8888, count < values.Length ? SKAlphaType.Unpremul : SKAlphaType.Opaque);
        var pixels = new int[rows * columns];
        for (var i = 0; i < Math.Min(count, pixels.Length); i++) pixels[i] = double.IsNaN(values[i / columns, i % columns]) ? Broken : Colours.Of(values[i / columns, i % columns], low, high);
        Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
        return Encode(bitmap);
    }

    private void DrawImage(SKCanvas canvas)
    {
        using var image = Image!.unsqueeze(0);
        using var picture = SKBitmap.Decode(ImageGrid.Each(image)[0]);
        using var nearest = new SKPaint { FilterQuality = SKFilterQuality.None, IsAntialias = false };
        canvas.DrawBitmap(picture, SKRect.Create(0, 0, Side * Cell, Side * Cell), nearest);
    }

    private void DrawLabels(SKCanvas canvas)
    {
        using var text = new SKPaint { Typeface = ImageGrid.Font, TextSize = Cell * 0.45f, IsAntialias = true, TextAlign = SKTextAlign.Center, Color = SKColors.White };
        using var halo = text.Clone();                                          // white on a dark rim reads on any pixels
        (halo.Color, halo.IsStroke, halo.StrokeWidth) = (new SKColor(0, 0, 0, 0xD0), true, 3);
        for (var i = 0; i < Side * Side; i++)
        {
            var (x, y) = (i % Side * Cell + Cell / 2f, i / Side * Cell + Cell * 0.66f);
            canvas.DrawText(Labels![i], x, y, halo);
            canvas.DrawText(Labels[i], x, y, text);
        }
    }

    private static void Hatch(SKCanvas canvas, SKRect cell, SKPaint fill, SKPaint hatch)
    {
        fill.Color = new SKColor(0x9A, 0x9A, 0x9A);
        canvas.DrawRect(cell, fill);
        canvas.Save();
        canvas.ClipRect(cell);
        for (var x = -cell.Height; x < cell.Width; x += 7) canvas.DrawLine(cell.Left + x, cell.Bottom, cell.Left + x + cell.Height, cell.Top, hatch);
        canvas.Restore();
    }

    private static byte[] Encode(SKBitmap bitmap)
    {
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }
}
