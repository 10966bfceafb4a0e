namespace JepaT.Lab;

/// <summary>
/// The centre crop of ADM (Dhariwal and Nichol 2021, <c>center_crop_arr</c>), which the published training uses: the picture is halved by
/// box filter while it is at least twice too large, brought to size on its shorter side by bicubic filter, and cut to a square.
/// </summary>
internal static class CentreCrop
{
    // Rows that are halved at once: what is narrowed before it is lowered takes memory of its own.
    private const int BandPixels = 1 << 20;

    /// <summary>Crops a picture of four 8-bit channels.</summary>
    /// <param name="pixels">Width × height pixels, row by row. They are overwritten.</param>
    /// <param name="width">Width of the picture.</param>
    /// <param name="height">Height of the picture.</param>
    /// <param name="side">Side of the square.</param>
    /// <param name="crop">Receives side × side pixels.</param>
    public static void Apply(Span<uint> pixels, int width, int height, int side, Span<uint> crop)
    {
        if (Math.Min(width, height) >= 2 * side)
        {
            // In place: a halved row lies before the rows that are still to be read.
            var (w2, h2, band) = (width / 2, height / 2, Math.Max(BandPixels / width, 1));
            for (var y = 0; y < h2; y += band)
            {
                var rows = Math.Min(band, h2 - y);
                PillowResize.Resize(pixels, (width, height), (w2, h2), ResizeFilter.Box, pixels[(y * w2)..], (0, y, w2, rows));
            }
            Apply(pixels, w2, h2, side, crop);
            return;
        }
        var scale = (double)side / Math.Min(width, height);
        var (w, h) = ((int)Math.Round(width * scale), (int)Math.Round(height * scale));      // halves to even, as Python rounds
        if ((w, h) == (width, height)) Cut(pixels, width, height, side, crop);
        else PillowResize.Resize(pixels, (width, height), (w, h), ResizeFilter.Bicubic, crop, ((w - side) / 2, (h - side) / 2, side, side));
    }

    private static void Cut(ReadOnlySpan<uint> pixels, int width, int height, int side, Span<uint> crop)
    {
        var start = (height - side) / 2 * width + (width - side) / 2;
        for (var y = 0; y < side; y++) pixels.Slice(start + y * width, side).CopyTo(crop[(y * side)..]);
    }
}
