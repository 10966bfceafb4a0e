using System.Buffers;
using System.Runtime.InteropServices;
using SkiaSharp;

namespace JepaT.Lab;

/// <summary>A picture cannot be decoded completely; the message says why, without the file's name.</summary>
internal sealed class CorruptPictureException(string message) : Exception(message);

/// <summary>
/// Decodes JPEG, PNG and WebP as Pillow's <c>convert("RGB")</c> does: transparency is dropped, not blended; colour profiles and the
/// EXIF orientation are not applied. The content decides on the format, not the name: ImageNet has a PNG that is named .JPEG.
/// One thing is done otherwise: of 16-bit grey the upper 8 bits are taken, as Pillow itself does with 16-bit colour. Pillow's
/// <c>convert("RGB")</c> cuts every 16-bit grey above 255 to white, which leaves a white picture.
/// </summary>
internal static class PictureFile
{
    /// <summary>Pillow's limit against pictures that are small files and fill the memory.</summary>
    public const long MostPixels = 178_956_970;

    // A larger picture takes more than 64 MB: only one such is decoded at a time, whatever the number of threads.
    private const long LargePixels = 1 << 24;

    private static readonly Lock OneLarge = new();

    /// <summary>Endings of the names that are taken for pictures, in any case.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".jpg", ".jpeg", ".png", ".webp"];

    /// <summary>Reads a file and cuts out the centre (see <see cref="CentreCrop"/>).</summary>
    /// <param name="path">The file.</param>
    /// <param name="side">Side of the square.</param>
    /// <param name="crop">Receives side × side pixels: red, green, blue in the bytes of a <c>uint</c>, and a byte without meaning.</param>
    /// <exception cref="CorruptPictureException">It is no picture of these formats, is cut off or damaged.</exception>
    public static void ReadCentre(string path, int side, Span<uint> crop)
    {
        using var data = Open(path);
        using var codec = SKCodec.Create(data) ?? throw new CorruptPictureException("no JPEG, PNG or WebP picture");
        if (codec.EncodedFormat is not (SKEncodedImageFormat.Jpeg or SKEncodedImageFormat.Png or SKEncodedImageFormat.Webp))
            throw new CorruptPictureException($"holds {codec.EncodedFormat}, not JPEG, PNG or WebP");
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        if ((long)width * height > MostPixels) throw new CorruptPictureException($"{width} × {height} pixels are more than {MostPixels}");
        if ((long)width * height > LargePixels)
        {
            lock (OneLarge) ReadLarge(codec, width, height, side, crop);
            return;
        }
        var pixels = ArrayPool<uint>.Shared.Rent(width * height);
        try
        {
            Decode(codec, width, height, pixels);
            CentreCrop.Apply(pixels, width, height, side, crop);
        }
        finally
        {
            ArrayPool<uint>.Shared.Return(pixels);
        }
    }

    // Neither rounded up to a power of two nor kept, as a pool would do.
    private static unsafe void ReadLarge(SKCodec codec, int width, int height, int side, Span<uint> crop)
    {
        var memory = NativeMemory.Alloc((nuint)width * (nuint)height, sizeof(uint));
        try
        {
            var pixels = new Span<uint>(memory, width * height);
            Decode(codec, width, height, pixels);
            CentreCrop.Apply(pixels, width, height, side, crop);
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    private static SKData Open(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return SKData.Create(file, file.Length) ?? throw new CorruptPictureException("is empty");       // a copy outside the managed heap
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CorruptPictureException($"cannot be read ({e.Message})");
        }
    }

    private static unsafe void Decode(SKCodec codec, int width, int height, Span<uint> pixels)
    {
        // No colour space in the wanted form: Skia then converts no colours. Transparency stays apart, so colours are as stored.
        var opaque = codec.Info.AlphaType == SKAlphaType.Opaque;
        var wanted = new SKImageInfo(width, height, SKColorType.Rgba8888, opaque ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
        SKCodecResult result;
        fixed (uint* start = pixels) result = codec.GetPixels(wanted, (nint)start);
        if (result != SKCodecResult.Success)
            throw new CorruptPictureException(result switch
            {
                SKCodecResult.IncompleteInput => "the file is cut off",
                SKCodecResult.ErrorInInput => "the data are damaged",
                SKCodecResult.InvalidInput => "the data are damaged or cut off",
                _ => $"cannot be decoded ({result})",
            });
    }

    /// <summary>Red, green and blue as numbers: pixels of one picture -> (3, side, side) float32 in [-1, 1].</summary>
    /// <param name="crop">Side × side pixels, row by row.</param>
    /// <param name="side">Side of the square.</param>
    /// <param name="mirror">Whether left and right change places.</param>
    /// <param name="planes">Receives red, green and blue, one plane after the other.</param>
    public static void ToPlanes(ReadOnlySpan<uint> crop, int side, bool mirror, Span<float> planes)
    {
        var bytes = MemoryMarshal.AsBytes(crop);
        for (var channel = 0; channel < 3; channel++)
            for (var y = 0; y < side; y++)
            {
                var plane = planes.Slice((channel * side + y) * side, side);
                for (var x = 0; x < side; x++)
                    plane[mirror ? side - 1 - x : x] = Level[bytes[(y * side + x) * 4 + channel]];
            }
    }

    // As torchvision's ToTensor and Normalize(0.5, 0.5) compute it: byte / 255, less a half, by a half.
    private static readonly float[] Level = [.. Enumerable.Range(0, 256).Select(i => (i / 255f - 0.5f) / 0.5f)];
}
