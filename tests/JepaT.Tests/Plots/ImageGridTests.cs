using JepaT.Lab;
using SkiaSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public class ImageGridTests
{
    [Fact]
    public void Pixels_are_enlarged_without_smoothing_and_lie_where_they_belong()
    {
        var images = full([4, 3, 2, 2], -1f);
        images[1, 0, 0, 1] = 1f;                                            // second image: its upper right pixel is red
        images[2] = zeros(3, 2, 2);                                         // third image: grey

        using var bitmap = SKBitmap.Decode(ImageGrid.Png(images, columns: 2, scale: 5, gap: 3));

        Assert.Equal((23, 23), (bitmap.Width, bitmap.Height));              // 2 images × 2 pixels × 5 + 3
        Assert.Equal(SKColors.Black, bitmap.GetPixel(0, 0));
        Assert.Equal(SKColors.White, bitmap.GetPixel(11, 5));               // gap
        Assert.Equal(SKColors.Black, bitmap.GetPixel(17, 0));
        Assert.Equal(SKColors.Red, bitmap.GetPixel(18, 0));
        Assert.Equal(SKColors.Red, bitmap.GetPixel(22, 4));
        Assert.Equal(SKColors.Black, bitmap.GetPixel(22, 5));
        Assert.Equal(new SKColor(128, 128, 128), bitmap.GetPixel(4, 17));
    }

    [Fact]
    public void Values_outside_are_clipped_and_NaN_is_magenta()
    {
        var images = tensor(new[] { -7f, 7f, float.NaN, 0f }).view(1, 1, 2, 2);

        using var bitmap = SKBitmap.Decode(ImageGrid.Png(images, scale: 1));

        Assert.Equal(SKColors.Black, bitmap.GetPixel(0, 0));
        Assert.Equal(SKColors.White, bitmap.GetPixel(1, 0));
        Assert.Equal(SKColors.Magenta, bitmap.GetPixel(0, 1));
        Assert.Equal(new SKColor(128, 128, 128), bitmap.GetPixel(1, 1));
    }

    [Fact]
    public void Bytes_are_drawn_as_they_are()
    {
        var image = arange(12, dtype: ScalarType.Byte).view(1, 3, 2, 2);

        using var bitmap = SKBitmap.Decode(ImageGrid.Each(image)[0]);

        Assert.Equal((2, 2), (bitmap.Width, bitmap.Height));
        Assert.Equal(new SKColor(1, 5, 9), bitmap.GetPixel(1, 0));
        Assert.Equal(new SKColor(2, 6, 10), bitmap.GetPixel(0, 1));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, 4)]
    [InlineData(9, 9)]
    public void A_grid_is_large_enough_for_MLflow(int count, int columns)
    {
        using var bitmap = SKBitmap.Decode(ImageGrid.Png(zeros(count, 1, 28, 28), columns));

        Assert.InRange(Math.Min(bitmap.Width, bitmap.Height), ImageGrid.LeastSize, 600);
    }

    [Fact]
    public void Captions_are_drawn_beside_the_images_also_without_a_font_on_the_machine()
    {
        var images = ones(2, 3, 28, 28);                                    // white: only captions are dark

        using var plain = SKBitmap.Decode(ImageGrid.Png(images, 2, 3));
        using var captioned = SKBitmap.Decode(ImageGrid.Png(images, 2, 3, 2, ["full"], ["a red sneaker", "ein grünes Hemd"]));

        Assert.All(plain.Pixels, p => Assert.Equal(SKColors.White, p));
        var (left, top) = (captioned.Width - 8 - plain.Width, captioned.Height - 8 - plain.Height);
        var pixels = captioned.Pixels;                                      // copies at each access
        var dark = Enumerable.Range(0, pixels.Length).Where(i => pixels[i].Red < 80)
            .Select(i => (X: i % captioned.Width, Y: i / captioned.Width)).ToList();
        Assert.Contains(dark, p => p.X < left && p.Y > top);                // "full"
        Assert.Contains(dark, p => p.X > left && p.X < left + 84 && p.Y < top);
        Assert.Contains(dark, p => p.X > left + 86 && p.Y < top);
        Assert.DoesNotContain(dark, p => p.X >= left && p.Y >= top);        // none over an image
    }

    [Fact]
    public void Presets_stand_side_by_side_for_one_seed()
    {
        Assert.NotNull(ImageGrid.Compare(Fake.Ablation(pictures: 2), seed: 0));
        Assert.Null(ImageGrid.Compare(Fake.Ablation(pictures: 2), seed: 9));
    }

    [Fact]
    public void Wrong_shapes_are_refused()
    {
        Assert.Throws<ArgumentException>(() => ImageGrid.Png(zeros(1, 2, 28, 28)));
        Assert.Throws<ArgumentException>(() => ImageGrid.Png(zeros(0, 3, 28, 28)));
    }
}
