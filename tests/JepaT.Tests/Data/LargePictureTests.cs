using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using JepaT.Lab;

namespace JepaT.Tests;

public sealed class LargePictureTests : IDisposable
{
    private const int Side = 24;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(24, 24)]
    [InlineData(60, 50)]                                                       // halved once, then bicubic
    public void Of_16_bit_grey_the_upper_half_is_taken_as_of_16_bit_colour(int width, int height)
    {
        var (grey, colour, eight) = (folder.File("grey.png"), folder.File("colour.png"), folder.File("eight.png"));
        RawPng.Write(grey, width, height, 16, 0, y => Row(y, samples: 1, bytes: 2));
        RawPng.Write(colour, width, height, 16, 2, y => Row(y, samples: 3, bytes: 2));
        RawPng.Write(eight, width, height, 8, 0, y => Row(y, samples: 1, bytes: 1));

        var wanted = Read(eight);

        Assert.True(wanted.Distinct().Count() > 50);
        Assert.Equal(wanted, Read(grey));
        Assert.Equal(wanted, Read(colour));

        byte[] Row(int y, int samples, int bytes)
        {
            var row = new byte[width * samples * bytes];
            for (var i = 0; i < width * samples; i++)
            {
                var value = (ushort)((i / samples * 997 + y * 7919) % 65536);
                if (bytes == 1) row[i] = (byte)(value >> 8);
                else BinaryPrimitives.WriteUInt16BigEndian(row.AsSpan(2 * i), value);
            }
            return row;
        }
    }

    [Fact]
    public void Large_pictures_are_decoded_one_at_a_time_with_memory_for_one()
    {
        const int width = 40, height = 440_000;                                // of which no half is taken: quick, whatever the build
        if (!OperatingSystem.IsLinux()) return;
        var path = folder.File("large.png");
        RawPng.Write(path, width, height, 1, 0, y => [.. Enumerable.Repeat((byte)(y < height / 2 ? 0xFF : 0), width / 8)]);
        Read(path);                                                            // compiled, libraries loaded
        File.WriteAllText("/proc/self/clear_refs", "5");                       // the peak is counted from now on
        var before = Peak();

        var crops = new byte[4][];
        var threads = Enumerable.Range(0, crops.Length).Select(i => new Thread(() => crops[i] = Read(path))).ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());

        Assert.All(crops, crop => Assert.Equal((0xFF, 0), (crop[0], crop[^1])));
        Assert.InRange(Peak() - before, 0, 4L * width * height * 3 / 2);

        static long Peak() => 1024 * long.Parse(File.ReadLines("/proc/self/status").First(l => l.StartsWith("VmHWM", StringComparison.Ordinal)).Split(':')[1].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }

    [Fact]
    public void A_large_picture_is_halved_to_the_same_numbers_as_a_small_one()
    {
        // Two colours in halves: the crop of any size is the same but for the seam.
        var path = folder.File("wide.png");
        RawPng.Write(path, 8000, 2400, 1, 0, y => [.. Enumerable.Repeat((byte)(y < 1200 ? 0xFF : 0), 1000)]);

        var crop = Read(path);

        Assert.All(crop[..(Side * 10)], b => Assert.Equal(0xFF, b));
        Assert.All(crop[(Side * 14)..], b => Assert.Equal(0, b));
    }

    /// <summary>The red samples.</summary>
    private static byte[] Read(string path)
    {
        var crop = new uint[Side * Side];
        PictureFile.ReadCentre(path, Side, crop);
        return [.. MemoryMarshal.AsBytes(crop.AsSpan()).ToArray().Where((_, i) => i % 4 == 0)];
    }
}
