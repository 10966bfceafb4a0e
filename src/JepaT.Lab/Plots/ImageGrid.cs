using System.Runtime.InteropServices;
using SkiaSharp;

namespace JepaT.Lab;

/// <summary>
/// Pictures from tensors: single PNG files at their own size, and grids that are enlarged by whole factors without smoothing, with gaps
/// and captions. Captions are drawn with a font of our own, so a grid looks the same on every machine.
/// </summary>
public static class ImageGrid
{
    /// <summary>MLflow does not enlarge small pictures: no grid of ours is smaller.</summary>
    public const int LeastSize = 256;

    private const int Margin = 8;
    private const float FontSize = 14;

    /// <summary>The font of all captions in pictures, which comes with the program.</summary>
    internal static readonly SKTypeface Font = LoadFont();

    /// <summary>Draws images from left to right and from top to bottom.</summary>
    /// <param name="images">(N, C, H, W), C = 1 or 3: floating in [-1, 1] (values outside are clipped, NaN is magenta) or uint8.</param>
    /// <param name="columns">Images a row; 0 for as many as make the grid square.</param>
    /// <param name="scale">Enlargement; 0 for the smallest with which the grid's shorter side is at least <see cref="LeastSize"/>.</param>
    /// <param name="gap">Pixels between images.</param>
    /// <param name="rowCaptions">Text left of each row, or none.</param>
    /// <param name="columnCaptions">Text above each column, or none.</param>
    /// <returns>A PNG file.</returns>
    public static byte[] Png(Tensor images, int columns = 0, int scale = 0, int gap = 2,
        IReadOnlyList<string>? rowCaptions = null, IReadOnlyList<string>? columnCaptions = null)
    {
        var bitmaps = Bitmaps(images);
        try
        {
            if (columns <= 0) columns = columnCaptions?.Count ?? (int)Math.Ceiling(Math.Sqrt(bitmaps.Length));
            return Draw([.. bitmaps.Chunk(columns)], scale, gap, rowCaptions ?? [], columnCaptions ?? []);
        }
        finally
        {
            foreach (var bitmap in bitmaps) bitmap.Dispose();
        }
    }

    /// <summary>One PNG file for each of the images (N, C, H, W) at its own size, for <see cref="RunResult.Pictures"/>.</summary>
    public static IReadOnlyList<byte[]> Each(Tensor images)
    {
        var bitmaps = Bitmaps(images);
        try
        {
            return [.. bitmaps.Select(Encode)];
        }
        finally
        {
            foreach (var bitmap in bitmaps) bitmap.Dispose();
        }
    }

    /// <summary>
    /// The same prompts and seed side by side: a row for each preset that finished and has pictures, a column for each prompt (the first picture of
    /// each prompt); null if no run of that seed has any.
    /// </summary>
    /// <exception cref="UserException">A run's pictures are no PNG files or do not fit the prompts.</exception>
    public static byte[]? Compare(AblationResult result, int seed, int scale = 3)
    {
        var runs = result.Runs.Where(r => r.Finished && r.Seed == seed && r.Pictures.Count > 0).ToList();
        if (runs.Count == 0) return null;
        var rows = runs.Select(r => PicturesByPrompt(result, r).Select(p => Decode(p[0], r)).ToArray()).ToArray();
        try
        {
            return Draw(rows, scale, 3, [.. runs.Select(r => r.Preset)], [.. result.Prompts]);
        }
        finally
        {
            foreach (var bitmap in rows.SelectMany(r => r)) bitmap.Dispose();
        }
    }

    /// <summary>A run's pictures, one array for each prompt.</summary>
    /// <exception cref="UserException">Their number is no multiple of the number of prompts.</exception>
    public static IReadOnlyList<byte[][]> PicturesByPrompt(AblationResult result, RunResult run) =>
        result.Prompts.Count > 0 && run.Pictures.Count % result.Prompts.Count == 0
            ? [.. run.Pictures.Chunk(Math.Max(1, run.Pictures.Count / result.Prompts.Count))]
            : throw new UserException($"run {run.Preset}, seed {run.Seed}: {run.Pictures.Count} pictures do not fit {result.Prompts.Count} prompts");

    private static byte[] Draw(SKBitmap[][] rows, int scale, int gap, IReadOnlyList<string> rowCaptions, IReadOnlyList<string> columnCaptions)
    {
        var (w, h) = (rows.Max(r => r.Max(b => b.Width)), rows.Max(r => r.Max(b => b.Height)));
        var columns = rows.Max(r => r.Length);
        if (scale <= 0) scale = Math.Max(1, (int)Math.Ceiling(Math.Max(
            (LeastSize - gap * (columns - 1.0)) / (w * columns), (LeastSize - gap * (rows.Length - 1.0)) / (h * rows.Length))));
        var (cellW, cellH) = (w * scale, h * scale);

        using var text = new SKPaint { Typeface = Font, TextSize = FontSize, Color = new(0x22, 0x22, 0x22), IsAntialias = true, SubpixelText = true };
        var wrapped = columnCaptions.Select(c => Wrap(c, cellW, text)).ToList();
        var lines = wrapped.Select(c => c.Count).DefaultIfEmpty(0).Max();
        var captioned = rowCaptions.Count > 0 || lines > 0;
        var margin = captioned ? Margin : 0;
        var left = margin + (rowCaptions.Count > 0 ? (int)Math.Ceiling(rowCaptions.Max(text.MeasureText)) + Margin : 0);
        var top = margin + (lines > 0 ? (int)Math.Ceiling(lines * text.FontSpacing) + Margin / 2 : 0);

        using var canvasBitmap = new SKBitmap(
            left + columns * (cellW + gap) - gap + margin, top + rows.Length * (cellH + gap) - gap + margin, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(canvasBitmap);
        canvas.Clear(SKColors.White);
        using var nearest = new SKPaint { FilterQuality = SKFilterQuality.None, IsAntialias = false };
        for (var row = 0; row < rows.Length; row++)
        {
            var y = top + row * (cellH + gap);
            if (row < rowCaptions.Count) canvas.DrawText(rowCaptions[row], margin, y + cellH / 2f + FontSize * 0.35f, text);
            for (var column = 0; column < rows[row].Length; column++)
            {
                var bitmap = rows[row][column];
                canvas.DrawBitmap(bitmap, SKRect.Create(left + column * (cellW + gap), y, bitmap.Width * scale, bitmap.Height * scale), nearest);
            }
        }
        text.TextAlign = SKTextAlign.Center;
        for (var column = 0; column < wrapped.Count; column++)
            for (var line = 0; line < wrapped[column].Count; line++)
                canvas.DrawText(wrapped[column][line], left + column * (cellW + gap) + cellW / 2f,
                    margin + (lines - wrapped[column].Count + line + 0.8f) * text.FontSpacing, text);
        canvas.Flush();
        return Encode(canvasBitmap);
    }

    // Words that fit a width, line by line; a word that is wider than the column is cut with an ellipsis.
    private static List<string> Wrap(string caption, float width, SKPaint text)
    {
        var lines = new List<string>();
        foreach (var word in caption.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (lines.Count > 0 && text.MeasureText($"{lines[^1]} {word}") <= width) lines[^1] += $" {word}";
            else lines.Add(word);
        }
        return [.. lines.Select(line =>
        {
            var shown = line;
            while (shown.Length > 1 && text.MeasureText(shown) > width) shown = shown[..^2] + "…";
            return shown;
        })];
    }

    private static SKBitmap[] Bitmaps(Tensor images)
    {
        if (images.dim() != 4 || images.shape[1] is not (1 or 3))
            throw new ArgumentException($"images must be (N, 1 or 3, H, W), not ({string.Join(", ", images.shape)})", nameof(images));
        if (images.shape[0] == 0) throw new ArgumentException("there are no images to draw", nameof(images));
        using var scope = NewDisposeScope();
        var (n, h, w) = (images.shape[0], (int)images.shape[2], (int)images.shape[3]);
        var pixels = images.detach().to(CPU);
        var alpha = torch.full([n, 1, h, w], 255, dtype: ScalarType.Byte);
        if (pixels.dtype != ScalarType.Byte)
        {
            var broken = pixels.isnan().any(1, keepdim: true);                                      // (N, 1, H, W)
            var bytes = ((pixels.to(ScalarType.Float32) + 1) * 127.5f).round().clamp(0, 255).nan_to_num(0).to(ScalarType.Byte);
            var magenta = torch.tensor(new byte[] { 255, 0, 255 }).view(1, 3, 1, 1);
            pixels = torch.where(broken, magenta, bytes.expand(n, 3, h, w));
        }
        var data = torch.cat([pixels.expand(n, 3, h, w), alpha], 1).permute(0, 2, 3, 1).contiguous().data<byte>().ToArray();
        return [.. Enumerable.Range(0, (int)n).Select(i =>
        {
            var bitmap = new SKBitmap(w, h, SKColorType.Rgba8888, SKAlphaType.Opaque);
            Marshal.Copy(data, i * h * w * 4, bitmap.GetPixels(), h * w * 4);
            return bitmap;
        })];
    }

    private static SKBitmap Decode(byte[] png, RunResult run)
    {
        using var data = SKData.CreateCopy(png);
        using var codec = SKCodec.Create(data);
        return codec is null ? throw new UserException($"run {run.Preset}, seed {run.Seed}: a picture is no PNG file") : SKBitmap.Decode(codec);
    }

    private static byte[] Encode(SKBitmap bitmap)
    {
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }

    private static SKTypeface LoadFont()
    {
        using var file = typeof(ImageGrid).Assembly.GetManifestResourceStream("captions.ttf")!;
        return SKTypeface.FromStream(file);
    }
}
