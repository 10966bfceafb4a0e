using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace JepaT.Lab;

/// <summary>An interpolation kernel with Pillow's name for it.</summary>
/// <param name="Support">Half its width, in pixels of the coarser of the two pictures.</param>
/// <param name="Weight">Its value at a distance from the centre.</param>
internal sealed record ResizeFilter(double Support, Func<double, double> Weight)
{
    /// <summary>The mean of the pixels that a new pixel covers.</summary>
    public static ResizeFilter Box { get; } = new(0.5, x => x is > -0.5 and <= 0.5 ? 1 : 0);

    /// <summary>Cubic convolution with a = -0.5 (Keys 1981).</summary>
    public static ResizeFilter Bicubic { get; } = new(2, x =>
    {
        const double a = -0.5;
        x = Math.Abs(x);
        return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    });
}

/// <summary>
/// Pillow's <c>Image.resize</c> on 8-bit channels, number for number: the kernel widens when a picture shrinks (no aliasing), weights
/// are whole numbers of 2^-22, and rows are rounded to 8 bits before the columns. A pixel is a <c>uint</c> of four channels.
/// </summary>
internal static class PillowResize
{
    private const int Precision = 32 - 8 - 2;           // bits of a weight: 8 of the pixel and 2 for overshoot remain

    /// <summary>Resizes a picture and cuts out a part, which is all that is computed.</summary>
    /// <param name="from">Width × height pixels, row by row.</param>
    /// <param name="size">Width and height of <paramref name="from"/>.</param>
    /// <param name="newSize">Width and height of the whole new picture.</param>
    /// <param name="filter">The kernel.</param>
    /// <param name="to">Receives the part, row by row.</param>
    /// <param name="part">Where the part lies in the new picture.</param>
    public static void Resize(ReadOnlySpan<uint> from, (int Width, int Height) size, (int Width, int Height) newSize, ResizeFilter filter,
        Span<uint> to, (int Left, int Top, int Width, int Height) part)
    {
        var columns = new Weights(size.Width, newSize.Width, part.Left, part.Width, filter);
        var rows = new Weights(size.Height, newSize.Height, part.Top, part.Height, filter);
        var (first, last) = (rows.First[0], rows.First[^1] + rows.Count[^1]);                // source rows that are needed
        var narrow = ArrayPool<uint>.Shared.Rent((last - first) * part.Width);               // (rows needed, part's width)
        for (var y = first; y < last; y++)
            Horizontal(from.Slice(y * size.Width, size.Width), columns, narrow.AsSpan((y - first) * part.Width, part.Width));
        for (var y = 0; y < part.Height; y++)
            Vertical(narrow.AsSpan((rows.First[y] - first) * part.Width), part.Width, rows.Of(y), to.Slice(y * part.Width, part.Width));
        ArrayPool<uint>.Shared.Return(narrow);
    }

    private static void Horizontal(ReadOnlySpan<uint> from, Weights weights, Span<uint> to)
    {
        for (var x = 0; x < to.Length; x++)
        {
            var sum = Vector128.Create(1 << (Precision - 1));
            var pixels = from.Slice(weights.First[x], weights.Count[x]);
            var w = weights.Of(x);
            for (var i = 0; i < pixels.Length; i++) sum += Channels(pixels[i]) * w[i];
            to[x] = Pixel(sum);
        }
    }

    private static void Vertical(ReadOnlySpan<uint> from, int width, ReadOnlySpan<int> weights, Span<uint> to)
    {
        for (var x = 0; x < to.Length; x++)
        {
            var sum = Vector128.Create(1 << (Precision - 1));
            for (var (i, at) = (0, x); i < weights.Length; i++, at += width) sum += Channels(from[at]) * weights[i];
            to[x] = Pixel(sum);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<int> Channels(uint pixel) =>
        Vector128.WidenLower(Vector128.WidenLower(Vector128.CreateScalarUnsafe(pixel).AsByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Pixel(Vector128<int> sum)
    {
        var clipped = Vector128.Min(Vector128.Max(sum >> Precision, Vector128<int>.Zero), Vector128.Create(255)).AsUInt32();
        var halves = Vector128.Narrow(clipped, clipped);
        return Vector128.Narrow(halves, halves).AsUInt32().ToScalar();
    }

    /// <summary>For each new pixel of a part the old pixels that enter it and their weights.</summary>
    private sealed class Weights
    {
        private readonly int[] weights;
        private readonly int most;

        public Weights(int size, int newSize, int start, int count, ResizeFilter filter)
        {
            var scale = (double)size / newSize;
            var widening = Math.Max(scale, 1);
            var support = filter.Support * widening;
            most = (int)Math.Ceiling(support) * 2 + 1;
            (First, Count, weights) = (new int[count], new int[count], new int[count * most]);
            Span<double> exact = stackalloc double[most <= 256 ? most : 0];
            if (exact.Length == 0) exact = new double[most];
            for (var i = 0; i < count; i++)
            {
                var centre = (start + i + 0.5) * scale;
                First[i] = Math.Max((int)(centre - support + 0.5), 0);
                Count[i] = Math.Min((int)(centre + support + 0.5), size) - First[i];
                var sum = 0.0;
                for (var k = 0; k < Count[i]; k++) sum += exact[k] = filter.Weight((k + First[i] - centre + 0.5) * (1 / widening));
                for (var k = 0; k < Count[i]; k++)
                {
                    var weight = sum != 0 ? exact[k] / sum : exact[k];
                    weights[i * most + k] = (int)(weight * (1 << Precision) + (weight < 0 ? -0.5 : 0.5));
                }
            }
        }

        public int[] First { get; }

        public int[] Count { get; }

        public ReadOnlySpan<int> Of(int i) => weights.AsSpan(i * most, Count[i]);
    }
}
