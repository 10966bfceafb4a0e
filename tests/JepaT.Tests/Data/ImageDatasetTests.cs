using JepaT.Lab;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class ImageDatasetTests : IDisposable
{
    private readonly TinyFashion tiny = new(train: 2000);

    public void Dispose() => tiny.Dispose();

    [Fact]
    public void Plain_pictures_are_the_bytes_from_minus_one_to_one()
    {
        using var scope = NewDisposeScope();
        var bytes = Enumerable.Range(0, 20 * 784).Select(i => (byte)(i % 256)).ToArray();
        tiny.Write(TinyFashion.TestImages, bytes, 20, 28, 28);
        using var data = tiny.Open().Dataset(FashionMnist.Plain, "test");

        var images = data.Images(tensor(new[] { 3L, 0L }));

        Assert.Equal([2, 1, 28, 28], images.shape);
        var expected = tensor(bytes.Select(b => b / 127.5f - 1).ToArray()).view(20, 1, 28, 28);
        Assert.True(images[1].allclose(expected[0], atol: 1e-6) && images[0].allclose(expected[3], atol: 1e-6));
        Assert.Equal("a dress", data.Captions[(int)data.CaptionIds[3].item<long>()]);
        Assert.Equal(-1, data.Colours.max().item<long>());
    }

    [Fact]
    public void Tinted_pictures_are_grey_times_the_colour_on_black()
    {
        using var scope = NewDisposeScope();
        var grey = new byte[20 * 784];
        Array.Fill(grey, (byte)255, 392, 392);                                  // picture 0: upper half background, lower half white
        tiny.Write(TinyFashion.TestImages, grey, 20, 28, 28);
        using var data = tiny.Open().Dataset(FashionMnist.Tinted, "test");

        var image = data.Images(tensor(new[] { 0L }))[0];

        var rgb = Vocabulary.Rgb[(int)data.Colours[0].item<long>()];
        for (var channel = 0; channel < 3; channel++)
        {
            Assert.Equal(-1, image[channel, 0, 5].item<float>());
            Assert.Equal(2 * rgb[channel] - 1, image[channel, 20, 5].item<float>(), 1e-5f);
        }
    }

    [Theory]
    [InlineData("train")]
    [InlineData("test")]
    public void No_picture_has_a_pair_held_out_and_captions_agree_with_items_and_colours(string split)
    {
        using var data = tiny.Open().Dataset(FashionMnist.Tinted, split);
        long[] items = data.Items.data<long>().ToArray(), colours = data.Colours.data<long>().ToArray(), ids = data.CaptionIds.data<long>().ToArray();

        Assert.Equal(64, data.Captions.Distinct().Count());
        for (var i = 0; i < data.Count; i++)
        {
            Assert.False(Vocabulary.IsHeldOut((int)items[i], (int)colours[i]));
            Assert.Equal(Vocabulary.Caption((int)items[i], (int)colours[i]), data.Captions[(int)ids[i]]);
        }
    }

    [Fact]
    public void Colours_are_drawn_evenly_and_differ_by_split_and_seed_but_not_by_length()
    {
        var sneakers = Enumerable.Repeat((byte)7, 7000).ToArray();              // 7 colours are allowed

        var colours = Tint.Assign(sneakers, "train", 0);

        Assert.All(Vocabulary.SeenPairs.Where(p => p.Item == 7), p => Assert.InRange(colours.Count(c => c == p.Colour), 900, 1100));
        Assert.Equal(colours, Tint.Assign(sneakers, "train", 0));
        Assert.Equal(colours[..10], Tint.Assign(sneakers.AsSpan(0, 10), "train", 0));
        Assert.InRange(Same(Tint.Assign(sneakers, "test", 0)), 800, 1200);      // one in seven by chance
        Assert.InRange(Same(Tint.Assign(sneakers, "train", 1)), 800, 1200);

        int Same(byte[] others) => colours.Zip(others).Count(p => p.First == p.Second);
    }

    [Fact]
    public void The_digest_changes_with_whatever_changes_the_batches()
    {
        var set = tiny.Open();
        var digest = Digest(set, FashionMnist.Tinted);

        Assert.Matches("^[0-9a-f]{8}$", digest);
        Assert.Equal(digest, Digest(tiny.Open(), FashionMnist.Tinted));
        Assert.NotEqual(digest, Digest(set, FashionMnist.Plain));
        Assert.NotEqual(digest, Digest(set, FashionMnist.Tinted, seed: 1));
        using var other = new TinyFashion(train: 2000, seed: 1);
        Assert.NotEqual(digest, Digest(other.Open(), FashionMnist.Tinted));

        static string Digest(FashionMnist set, string name, ulong seed = 0)
        {
            using var data = set.Dataset(name, "train", CPU, seed);
            return data.Digest;
        }
    }

    [Fact]
    public void The_digest_changes_with_the_pairs_held_out_and_the_palette()
    {
        byte[] images = new byte[784], items = [7], colours = [0];
        var palette = Vocabulary.Colours.Zip(Vocabulary.Rgb).ToList();
        string Digest(List<(string, IReadOnlyList<float>)> palette, params Pair[] heldOut) =>
            ImageDataset.DigestOf("x", "train", images, items, colours, palette, heldOut);

        var digest = Digest(palette, new Pair(1, 2));

        Assert.NotEqual(digest, Digest(palette, new Pair(1, 3)));
        Assert.NotEqual(digest, Digest([.. palette[..7], ("white", [0.9f, 1, 1])], new Pair(1, 2)));
    }

    [Fact]
    public void Rendering_leaves_nothing_behind_but_the_batch()
    {
        using var data = tiny.Open().Dataset(FashionMnist.Tinted, "train");
        using var index = tensor(new[] { 0L, 1L, 2L });
        var statistics = DisposeScopeManager.Statistics;
        data.Images(index).Dispose();
        statistics.Reset();

        for (var i = 0; i < 3; i++) data.Images(index).Dispose();

        Assert.Equal(0, statistics.ThreadTotalLiveCount);
    }
}
