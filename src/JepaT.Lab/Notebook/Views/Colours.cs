using System.Globalization;

namespace JepaT.Lab;

/// <summary>Colours of values, and of lines on pages that may be light or dark.</summary>
internal static class Colours
{
    // Viridis, at nine places: even in lightness, and told apart by colour-blind readers.
    private static readonly int[] Stops = [0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C, 0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725];

    /// <summary>As a background in CSS, for legends.</summary>
    public static string Gradient { get; } = $"linear-gradient(to right,{string.Join(',', Stops.Select(s => string.Create(CultureInfo.InvariantCulture, $"#{s:x6}")))})";

    /// <summary>The colour (0xAARRGGBB) of a value between two others; what is outside gets the ends' colour.</summary>
    public static int Of(double value, double low, double high)
    {
        var t = high > low ? Math.Clamp((value - low) / (high - low), 0, 1) : 0.5;
        if (!double.IsFinite(t)) t = value > 0 ? 1 : 0;
        var at = Math.Min((int)(t * (Stops.Length - 1)), Stops.Length - 2);
        var part = t * (Stops.Length - 1) - at;
        return unchecked((int)0xFF000000) | Mix(16) | Mix(8) | Mix(0);

        int Mix(int shift) => (int)Math.Round(((Stops[at] >> shift) & 255) * (1 - part) + ((Stops[at + 1] >> shift) & 255) * part) << shift;
    }

    /// <summary>The least and the largest finite value; (0, 0) without one.</summary>
    public static (double Low, double High) RangeOf(IEnumerable<double> values)
    {
        var (low, high) = (double.PositiveInfinity, double.NegativeInfinity);
        foreach (var v in values)
            if (double.IsFinite(v)) (low, high) = (Math.Min(low, v), Math.Max(high, v));
        return low <= high ? (low, high) : (0, 0);
    }

    /// <summary>The same hue (<c>#rrggbb</c>), darker or lighter until it stands out by at least 3 : 1 from white and from the usual dark page.</summary>
    public static string Legible(string colour)
    {
        const double dark = 0.0129;                                             // luminance of #1e1e1e
        for (var step = 0; step < 40; step++)
        {
            var l = Luminance(colour);
            if (1.05 / (l + 0.05) < 3) colour = Scaled(colour, 0.95);
            else if ((l + 0.05) / (dark + 0.05) < 3) colour = Scaled(colour, 1.05, 6);
            else break;
        }
        return colour;
    }

    /// <summary>Relative luminance as WCAG defines it.</summary>
    internal static double Luminance(string colour)
    {
        var rgb = Convert.ToInt32(colour[1..7], 16);
        return 0.2126 * Linear(rgb >> 16) + 0.7152 * Linear(rgb >> 8) + 0.0722 * Linear(rgb);

        static double Linear(int channel)
        {
            var c = (channel & 255) / 255.0;
            return c <= 0.04045 ? c / 12.92 : Math.Pow((c + 0.055) / 1.055, 2.4);
        }
    }

    private static string Scaled(string colour, double factor, int plus = 0)
    {
        var rgb = Convert.ToInt32(colour[1..7], 16);
        return string.Create(CultureInfo.InvariantCulture, $"#{Channel(16):x2}{Channel(8):x2}{Channel(0):x2}");

        int Channel(int shift) => Math.Clamp((int)(((rgb >> shift) & 255) * factor) + plus, 0, 255);
    }
}
