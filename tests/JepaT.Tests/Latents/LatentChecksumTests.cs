using System.Security.Cryptography;
using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Damage of a latent cache that shows when a picture is read.</summary>
public sealed class LatentChecksumTests : IDisposable
{
    private const int Shard = 4, Record = 4 * 8 * 8;

    private readonly PictureFolder set = new(5, "a", "b");
    private readonly LatentCacheTests.FakeEncoder encoder = new();

    private string Cache => set.Beside("cache");

    [Theory]
    [InlineData(4, false)]
    [InlineData(5, true)]
    public void A_flipped_bit_is_noticed_when_its_picture_is_read(int number, bool mirrored)
    {
        Write(Cache);
        var path = Path.Combine(Cache, "shard-00001.bin");
        var bytes = File.ReadAllBytes(path);
        bytes[(2 * (number - Shard) + (mirrored ? 1 : 0)) * Record * 4 + 77] ^= 8;
        File.WriteAllBytes(path, bytes);
        using var scope = NewDisposeScope();
        using var cache = LatentCache.Open(Cache);

        Says("shard-00001.bin: is damaged (the checksum of a picture does not fit); the same ./lab cache-latents command makes the file anew", () => cache.Moments(tensor(new[] { 0L, number }), tensor(new[] { false, mirrored })));

        foreach (var i in Enumerable.Range(0, 10))
            foreach (var m in new[] { false, true })
                if ((i, m) != (number, mirrored)) cache.Moments(tensor(new[] { (long)i }), tensor(new[] { m }));
    }

    [Fact]
    public void A_cache_without_checksums_is_read_and_gone_on_with_as_it_was()
    {
        Write(Cache);
        using var scope = NewDisposeScope();
        using var now = LatentCache.Open(Cache);
        var old = set.Beside("old");
        Directory.CreateDirectory(old);
        File.Copy(Path.Combine(Cache, "captions.json"), Path.Combine(old, "captions.json"));
        var index = LatentIndex.Read(Cache);
        var shards = index.Shards.Select(s =>
        {
            var name = LatentShard.NameOf(s.Number);
            var bytes = File.ReadAllBytes(Path.Combine(Cache, name))[..^(s.Count * 2 * 4)];
            File.WriteAllBytes(Path.Combine(old, name), bytes);
            return s with { Sha256 = Convert.ToHexStringLower(SHA256.HashData(bytes)) };
        }).ToList();
        (index with { Format = LatentIndex.OldFormat, Shards = shards }).Write(old);
        var whole = File.ReadAllBytes(Path.Combine(old, "shard-00002.bin"));
        File.Delete(Path.Combine(old, "shard-00002.bin"));

        Write(old);
        using var cache = LatentCache.Open(old);

        Assert.Equal((false, true), (cache.HasChecksums, now.HasChecksums));
        Assert.Equal(whole, File.ReadAllBytes(Path.Combine(old, "shard-00002.bin")));
        Assert.True(cache.Moments(arange(10), zeros(10, ScalarType.Bool)).Equals(now.Moments(arange(10), zeros(10, ScalarType.Bool))));
        Assert.Empty(LatentCache.Verify(old, stop: Stop));
    }

    public void Dispose()
    {
        encoder.Dispose();
        set.Dispose();
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private void Write(string folder) => LatentCacheWriter.Write(set.Open(), encoder, folder, LatentCacheTests.Options, stop: Stop);

    private static void Says(string text, Action open) => Assert.Contains(text, Assert.Throws<UserException>(open).Message, StringComparison.Ordinal);
}
