using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed partial class LatentCacheTests : IDisposable
{
    private const int Size = 16, Shard = 4, Record = 4 * 8 * 8;

    private readonly PictureFolder set = new(5, "a", "b");
    private readonly FakeEncoder encoder = new();

    private string Cache => set.Beside("cache");

    [Fact]
    public void Moments_come_back_for_pictures_and_mirror_images_in_any_order()
    {
        Write();
        using var scope = NewDisposeScope();
        using var cache = LatentCache.Open(Cache);
        using var decoder = new PictureDecoder(set.Open(), Size, CorruptPictures.Fail, 1, 10);
        using var pictures = decoder.Begin([9, 0, 4, 4]);
        var images = pictures.Wait(Stop);
        images[2].copy_(images[2].flip(2));                                     // mirrored
        var wanted = encoder.Encode(images);

        var moments = cache.Moments(tensor(new long[] { 9, 0, 4, 4 }), tensor(new[] { false, false, true, false }));

        Assert.True(moments.allclose(wanted, rtol: 0, atol: 0));
        Assert.Equal((10, "set", set.Open().Digest, "fake", Size), (cache.Count, cache.Source, cache.SourceDigest, cache.Autoencoder, cache.PictureSize));
        Assert.Equal(set.Open().CaptionIds, cache.CaptionIds);
        Assert.Equal(set.Open().Captions, cache.Captions);
        Assert.Equal([4, 8, 8], cache.Shape);
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Moments(tensor(new[] { 10L }), tensor(new[] { false })));
        Assert.Empty(LatentCache.Verify(Cache, stop: Stop));
    }

    [Fact]
    public void Half_precision_loses_a_two_thousandth_at_most()
    {
        Write();
        var half = set.Beside("half");
        LatentCacheWriter.Write(set.Open(), encoder, half, Options with { Dtype = "float16" }, stop: Stop);
        using var scope = NewDisposeScope();
        using var a = LatentCache.Open(Cache);
        using var b = LatentCache.Open(half);
        var (index, mirrored) = (arange(10), zeros(10, ScalarType.Bool));

        var (full, rounded) = (a.Moments(index, mirrored), b.Moments(index, mirrored));

        Assert.Equal(ScalarType.Float32, rounded.dtype);
        Assert.True(((full - rounded).abs() <= full.abs() / 2048 + 1e-7).all().ToBoolean());
        Assert.False((full == rounded).all().ToBoolean());
    }

    [Fact]
    public void A_stopped_cache_goes_on_and_becomes_the_same_files()
    {
        var whole = set.Beside("whole");
        LatentCacheWriter.Write(set.Open(), encoder, whole, Options, stop: Stop);
        using var stop = new CancellationTokenSource();

        Assert.Throws<OperationCanceledException>(() => LatentCacheWriter.Write(set.Open(), encoder, Cache, Options, done =>
        {
            if (done >= 6) stop.Cancel();                                       // in the second shard
        }, stop.Token));
        Assert.Single(LatentIndex.Read(Cache).Shards);
        Assert.Contains("holds 1 of 3 shards", Assert.Throws<UserException>(() => LatentCache.Open(Cache)).Message, StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(Cache, "shard-00001.bin.tmp"), "left by a program that was killed");
        File.WriteAllText(Path.Combine(Cache, "shard-00002.bin"), "written, but not in the index yet");
        var (encoded, asked) = (encoder.Pictures, new List<long>());
        Write(asked.Add);

        Assert.Equal([4L, 6, 8, 10], asked);
        Assert.Equal(1 + 2 * 6, encoder.Pictures - encoded);                    // the size is asked for, then 6 pictures are encoded twice
        foreach (var file in Directory.EnumerateFiles(whole)) Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Path.Combine(Cache, Path.GetFileName(file))));
        Assert.Equal(Directory.EnumerateFiles(whole).Count(), Directory.EnumerateFiles(Cache).Count());
    }

    [Fact]
    public void A_damaged_shard_is_found_and_made_anew()
    {
        Write();
        var path = Path.Combine(Cache, "shard-00001.bin");
        var (sound, encoded) = (File.ReadAllBytes(path), encoder.Pictures);
        var bad = (byte[])sound.Clone();
        bad[100] ^= 1;
        File.WriteAllBytes(path, bad);

        var (shard, fault) = Assert.Single(LatentCache.Verify(Cache, stop: Stop));
        Write();

        Assert.Equal(1, shard);
        Assert.Contains("its SHA-256 is not", fault, StringComparison.Ordinal);
        Assert.Equal(sound, File.ReadAllBytes(path));
        Assert.Equal(1 + 2 * Shard, encoder.Pictures - encoded);
    }

    [Fact]
    public void Corrupt_pictures_are_left_out_by_name_or_end_it()
    {
        set.Damage("a/001.png");
        set.Damage("b/004.png");

        Assert.Contains("001.png: the file is cut off", Assert.Throws<UserException>(() => Write()).Message, StringComparison.Ordinal);
        var index = LatentCacheWriter.Write(set.Open(), encoder, Cache, Options with { Corrupt = CorruptPictures.Skip }, stop: Stop);
        using var cache = LatentCache.Open(Cache);

        Assert.Equal([(0, 3), (1, 4), (2, 1)], index.Shards.Select(s => (s.Number, s.Count)));
        Assert.Equal(["a/001.png", "b/004.png"], index.Shards.SelectMany(s => s.Skipped.Keys));
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], cache.CaptionIds);
        using var last = cache.Moments(tensor(new[] { 7L }), tensor(new[] { true }));
    }

    [Fact]
    public void A_cache_of_other_pictures_or_another_autoencoder_is_not_gone_on_with()
    {
        Write();

        Says("another autoencoder (fake, now other)", () => LatentCacheWriter.Write(set.Open(), new FakeEncoder("other"), Cache, Options, stop: Stop));
        Says("another dtype (float32, now float16)", () => LatentCacheWriter.Write(set.Open(), encoder, Cache, Options with { Dtype = "float16" }, stop: Stop));
        Says("another size of pictures (16, now 32)", () => LatentCacheWriter.Write(set.Open(), encoder, Cache, Options with { ImageSize = 32 }, stop: Stop));
        Says("another pictures or captions", () => LatentCacheWriter.Write(ImageFolder.Open(set.Root, template: "{name}"), encoder, Cache, Options, stop: Stop));
        using (new RunFolder(Cache).Use()) Says("another program is at work", () => Write());
    }

    [Theory]
    [InlineData("index.json", "", "is damaged")]
    [InlineData("index.json", "{}", "is damaged")]
    [InlineData("index.json", "null", "is empty")]
    [InlineData("captions.json", "[]", "is not the file that index.json names")]
    [InlineData("captions.json", null, "captions.json: missing")]
    [InlineData("index.json", null, "holds no latents")]
    [InlineData("shard-00001.bin", null, "shard-00001.bin: missing")]
    [InlineData("shard-00001.bin", "short", "has 5 bytes, not")]
    public void A_damaged_cache_is_told_in_a_line(string file, string? text, string message)
    {
        Write();
        File.Delete(Path.Combine(Cache, file));
        if (text is not null) File.WriteAllText(Path.Combine(Cache, file), text);

        Says(message, () => LatentCache.Open(Cache));
    }

    [Theory]
    [InlineData("\"jepat-latents-2\"", "\"jepat-latents-9\"", "this program reads jepat-latents-1 and jepat-latents-2")]
    [InlineData("\"jepat-latents-2\"", "\"jepat-latents-1\"", "bytes, not")]
    [InlineData("\"source_count\": 10", "\"source_count\": -10", "make no sense")]
    [InlineData("\"float32\"", "\"float8\"", "make no sense")]
    [InlineData("\"count\": 4", "\"count\": 2000000000", "make no sense")]
    [InlineData("\"number\": 1", "\"number\": 0", "make no sense")]
    [InlineData("\"number\": 1", "\"number\": 77", "make no sense")]
    [InlineData("\"float32\"", "\"float16\"", "bytes, not")]
    [InlineData("\"source_digest\"", "\"digest\"", "is damaged")]
    public void An_index_of_hostile_content_is_told_in_a_line(string old, string now, string message)
    {
        Write();
        var path = Path.Combine(Cache, "index.json");
        var text = File.ReadAllText(path);
        Assert.Contains(old, text, StringComparison.Ordinal);
        File.WriteAllText(path, text.Replace(old, now, StringComparison.Ordinal));

        Says(message, () => LatentCache.Open(Cache));
    }

    [Fact]
    public void A_caption_number_out_of_range_is_told_in_a_line()
    {
        Write();
        var path = Path.Combine(Cache, "shard-00000.bin");
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(Shard * (2 * Record * 4 + 4 + 2 * 4), bytes.Length);
        bytes[^(1 + Shard * 2 * 4)] = 0x7F;
        File.WriteAllBytes(path, bytes);

        Says("shard-00000.bin: is damaged", () => LatentCache.Open(Cache));
    }

    [Fact]
    public void Numbers_that_are_none_are_not_cached()
    {
        using var broken = new FakeEncoder(scale: float.NaN);

        Says("NaN or infinity for", () => LatentCacheWriter.Write(set.Open(), broken, Cache, Options, stop: Stop));
        using var large = new FakeEncoder(scale: 1e6f);
        Says("do the numbers fit float16?", () => LatentCacheWriter.Write(set.Open(), large, set.Beside("half"), Options with { Dtype = "float16" }, stop: Stop));
    }

    [Fact]
    public void Training_data_sample_the_posterior_by_the_seed()
    {
        Write();
        using var scope = NewDisposeScope();
        using var data = new LatentData(LatentCache.Open(Cache));
        var index = tensor(new long[] { 3, 8, 0 });

        var (a, ids) = data.Take(index, seed: 7);
        var (b, c) = (data.Take(index, seed: 7).Images, data.Take(index, seed: 8).Images);

        Assert.Equal((10, 2, 8, "set", "train"), (data.Count, data.Channels, data.ImageSize, data.Name, data.Split));
        Assert.Equal([3, 2, 8, 8], a.shape);
        Assert.Equal([0L, 1, 0], ids.data<long>().ToArray());
        Assert.True(a.allclose(b, rtol: 0, atol: 0));
        Assert.False(a.allclose(c));
        using var cache = LatentCache.Open(Cache);
        using var g = new Generator(7);
        var mirrored = rand([3], generator: g) < 0.5f;
        var moments = cache.Moments(index, mirrored);
        var noise = randn([3, 2, 8, 8], generator: g);
        Assert.True(a.allclose((moments[.., ..2] + (moments[.., 2..] / 2).exp() * noise) * 0.2325f, atol: 1e-6));
    }

    [Fact]
    public void Erratum_4_captions_by_number()
    {
        Write();
        using var data = new LatentData(LatentCache.Open(Cache), CPU, numbered: true);
        using var named = new LatentData(LatentCache.Open(Cache));

        Assert.Equal(Enumerable.Range(0, named.Captions.Count).Select(i => $"a photo of class {i}"), data.Captions);
    }

    [Fact]
    public void The_posterior_clamps_the_log_variance_as_the_original_does()
    {
        using var scope = NewDisposeScope();
        var moments = cat([.. new[] { 3f, 1, -99, 2 * MathF.Log(2) }.Select(v => full([1, 1, 200, 200], v))], 1);
        using var g = new Generator(1);

        var latents = Posterior.Sample(moments, g);

        Assert.Equal(3 * 0.2325f, latents[0, 0].mean().ToSingle(), 1e-5f);
        Assert.InRange(latents[0, 0].std().ToSingle(), 0, 1e-6f);               // exp(-15) = 3e-7, below the last digit of 3
        Assert.Equal(0.2325f, latents[0, 1].mean().ToSingle(), 0.01f);
        Assert.Equal(2 * 0.2325f, latents[0, 1].std().ToSingle(), 0.01f);
    }

    public void Dispose()
    {
        encoder.Dispose();
        set.Dispose();
    }

    internal static LatentCacheOptions Options { get; } = new() { ImageSize = Size, Batch = 2, Threads = 2, ShardSize = Shard };

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private void Write(Action<long>? progress = null) => LatentCacheWriter.Write(set.Open(), encoder, Cache, Options, progress, stop: Stop);

    private static void Says(string text, Action open) => Assert.Contains(text, Assert.Throws<UserException>(open).Message, StringComparison.Ordinal);

    /// <summary>Halves pictures to 4 channels of moments; counts what it was given.</summary>
    internal sealed class FakeEncoder(string hash = "fake", float scale = 1) : IMomentsEncoder
    {
        public int Pictures { get; private set; }

        public string Hash => hash;

        public Tensor Encode(Tensor images)
        {
            Pictures += (int)images.shape[0];
            using var scope = NewDisposeScope();
            var small = nn.functional.avg_pool2d(images, 2);
            return (cat([small, small[.., ..1] - 1], 1) * scale + 0.01f).MoveToOuterDisposeScope();
        }

        public void Dispose() { }
    }
}
