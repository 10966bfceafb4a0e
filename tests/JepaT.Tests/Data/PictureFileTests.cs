using System.Runtime.InteropServices;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>
/// Decoding and ADM centre crop against Pillow (Data/Pictures/make_pictures.py). PNG and lossless WebP must agree to the level; decoders
/// of JPEG and lossy WebP round differently between versions, so there a mean of one level is allowed (measured here: none).
/// </summary>
public sealed class PictureFileTests
{
    private const int Side = 24;

    public static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Data", "Pictures");

    public static TheoryData<string> Pictures() => [.. Directory.EnumerateFiles(Folder, "*.rgb").Select(f => Path.GetFileName(f)[..^$".{Side}.rgb".Length]).Order()];

    [Theory]
    [MemberData(nameof(Pictures))]
    public void The_centre_crop_is_that_of_Pillow(string name)
    {
        var wanted = File.ReadAllBytes(Path.Combine(Folder, $"{name}.{Side}.rgb"));

        var difference = Rgb(Path.Combine(Folder, name), Side).Zip(wanted, (a, b) => Math.Abs(a - b)).ToList();

        Assert.Equal(Side * Side * 3, difference.Count);
        if (name.EndsWith(".jpg", StringComparison.Ordinal) || name.StartsWith("lossy", StringComparison.Ordinal)) Assert.InRange(difference.Average(), 0, 1);
        else Assert.Equal(0, difference.Max());
    }

    [Fact]
    public void All_the_test_pictures_are_there() => Assert.Equal(24, Pictures().Count);

    [Theory]
    [InlineData("photo.jpg", 0.5)]
    [InlineData("photo.jpg", 0.99)]
    [InlineData("progressive.jpg", 0.7)]
    [InlineData("down.png", 0.6)]
    [InlineData("lossless.webp", 0.6)]
    [InlineData("photo.jpg", 0.01)]
    [InlineData("photo.jpg", 0)]
    public void A_file_cut_off_is_corrupt(string name, double share)
    {
        var bytes = File.ReadAllBytes(Path.Combine(Folder, name));

        Assert.Throws<CorruptPictureException>(() => Read(bytes[..(int)(bytes.Length * share)]));
    }

    [Fact]
    public void Other_formats_and_pictures_of_enormous_size_are_refused()
    {
        var gif = Convert.FromBase64String("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7");
        var png = File.ReadAllBytes(Path.Combine(Folder, "same.png"));
        (png[16], png[18], png[20], png[22]) = (0, 0xFF, 0, 0xFF);              // 65,304 × 65,304 pixels, and the checksum to it
        var crc = BitConverter.GetBytes(RawPng.Crc(png.AsSpan(12, 17)));
        Array.Reverse(crc);
        crc.CopyTo(png, 29);

        Assert.Contains("Gif", Assert.Throws<CorruptPictureException>(() => Read(gif)).Message, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("more than", Assert.Throws<CorruptPictureException>(() => Read(png)).Message, StringComparison.Ordinal);
        Assert.Contains("JPEG, PNG or WebP", Assert.Throws<CorruptPictureException>(() => Read([1, 2, 3])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Planes_hold_minus_one_to_one_and_are_mirrored()
    {
        uint[] crop = [0x00_FF_80_00, 0xFF_00_00_FF, 0, 0];                     // little endian: (0, 128, 255), (255, 0, 0)
        var (plain, mirrored) = (new float[12], new float[12]);

        PictureFile.ToPlanes(crop, 2, mirror: false, plain);
        PictureFile.ToPlanes(crop, 2, mirror: true, mirrored);

        float[] wanted = [-1, 1, -1, -1, 128 / 127.5f - 1, -1, -1, -1, 1, -1, -1, -1];
        for (var i = 0; i < wanted.Length; i++) Assert.Equal(wanted[i], plain[i], 1e-6f);
        Assert.Equal([1, -1, -1, -1], mirrored[..4]);
    }

    private static IEnumerable<byte> Rgb(string path, int side)
    {
        var crop = new uint[side * side];
        PictureFile.ReadCentre(path, side, crop);
        return MemoryMarshal.AsBytes(crop.AsSpan()).ToArray().Where((_, i) => i % 4 < 3);
    }

    private static void Read(byte[] bytes)
    {
        var path = Path.GetTempFileName();
        File.WriteAllBytes(path, bytes);
        try
        {
            PictureFile.ReadCentre(path, Side, new uint[Side * Side]);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
