using SkiaSharp;

namespace JepaT.Lab;

/// <summary>A picture of a data set to look at: one row an item, one column a colour, each cell with its caption.</summary>
internal static class ContactSheet
{
    private const int Zoom = 3, Gap = 26, Line = 18, TextSize = 10;

    /// <summary>Writes <see cref="Png"/> to a file.</summary>
    /// <exception cref="UserException">The file cannot be written.</exception>
    public static void Save(ImageDataset data, string path) => AtomicFile.Write(path, file => file.Write(Png(data)));

    /// <summary>
    /// A PNG file: of each pair the first picture of the split; a pair held out, or one that a small set lacks, is an empty
    /// cell that says so. Plain data show the first eight pictures of each item.
    /// </summary>
    public static byte[] Png(ImageDataset data)
    {
        var (rows, columns) = (Vocabulary.Items.Count, Vocabulary.Colours.Count);
        var cells = Cells(data);
        var picture = data.ImageSize * Zoom;
        var (width, height) = (picture + Gap, picture + Line + Gap);
        using var surface = SKSurface.Create(new SKImageInfo(columns * width + Gap, rows * height + Gap));
        using var ink = new SKPaint { Color = SKColors.Black, IsAntialias = true, TextSize = TextSize, TextAlign = SKTextAlign.Center };
        ink.Typeface = ImageGrid.Font;
        using var frame = new SKPaint { Color = SKColors.Silver, IsStroke = true };
        surface.Canvas.Clear(SKColors.White);
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++)
            {
                var (x, y) = (Gap + column * width, Gap + row * height);
                var colour = data.Channels == 1 ? Vocabulary.NoColour : column;
                var caption = Vocabulary.Caption(row, colour);
                if (cells[row, column] is { } at)
                {
                    using var bitmap = Bitmap(data, at);
                    surface.Canvas.DrawBitmap(bitmap, SKRect.Create(x, y, picture, picture));
                }
                else
                {
                    surface.Canvas.DrawRect(x, y, picture, picture, frame);
                    Write(Vocabulary.IsHeldOut(row, colour) ? "held out" : "none", x + picture / 2f, y + picture / 2f);
                }
                Write(caption, x + picture / 2f, y + picture + Line - 5);
            }

        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();

        void Write(string text, float centre, float baseline) => surface.Canvas.DrawText(text, centre, baseline, ink);
    }

    private static long?[,] Cells(ImageDataset data)
    {
        var cells = new long?[Vocabulary.Items.Count, Vocabulary.Colours.Count];
        long[] items = data.Items.cpu().data<long>().ToArray(), colours = data.Colours.cpu().data<long>().ToArray();
        var filled = new int[Vocabulary.Items.Count];
        for (var i = 0; i < items.Length; i++)
        {
            var column = colours[i] >= 0 ? (int)colours[i] : filled[items[i]]++;
            if (column < cells.GetLength(1)) cells[items[i], column] ??= i;
        }
        return cells;
    }

    private static SKBitmap Bitmap(ImageDataset data, long index)
    {
        using var scope = NewDisposeScope();
        var side = data.ImageSize;
        var bytes = data.Images(tensor(new[] { index }, device: data.Items.device))[0].expand(3, side, side)   // (3, 28, 28)
            .add(1).mul(127.5).round().clamp(0, 255).to(ScalarType.Byte).cpu().contiguous().data<byte>().ToArray();
        var bitmap = new SKBitmap(side, side);
        for (var p = 0; p < side * side; p++)
            bitmap.SetPixel(p % side, p / side, new SKColor(bytes[p], bytes[side * side + p], bytes[2 * side * side + p]));
        return bitmap;
    }
}
