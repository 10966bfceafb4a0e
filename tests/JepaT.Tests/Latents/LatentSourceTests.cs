using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Latents are of the pictures that are there, not of others that once had their names and sizes.</summary>
public sealed class LatentSourceTests : IDisposable
{
    private readonly PictureFolder set = new(5, "a", "b");
    private readonly LatentCacheTests.FakeEncoder encoder = new();

    public void Dispose()
    {
        encoder.Dispose();
        set.Dispose();
    }

    [Fact]
    public void Pictures_replaced_by_others_of_their_size_are_refused_with_the_mend()
    {
        Write();

        Swap();

        Refused("the pictures have changed since it was made");
        Swap();
        Write();
    }

    [Fact]
    public void A_cache_without_a_finished_shard_takes_the_pictures_as_they_are_now()
    {
        set.Damage("a/000.png");
        Assert.Throws<UserException>(Write);
        var size = new FileInfo(set["a/000.png"]).Length;
        File.Copy(set["a/001.png"], set["a/000.png"], overwrite: true);
        using (var file = File.OpenWrite(set["a/000.png"])) file.SetLength(size);
        Assert.Throws<UserException>(Write);                                    // other contents, damaged again
        Assert.Empty(LatentIndex.Read(Cache).Shards);

        LatentCacheWriter.Write(set.Open(), encoder, Cache, LatentCacheTests.Options with { Corrupt = CorruptPictures.Skip }, stop: TestContext.Current.CancellationToken);

        Assert.Equal(FolderContents.Hash(set.Open(), stop: TestContext.Current.CancellationToken), LatentIndex.Read(Cache).SourceContents);
    }

    [Fact]
    public void Times_alone_change_nothing()
    {
        Write();
        var encoded = encoder.Pictures;

        foreach (var file in set.Open().Files) File.SetLastWriteTimeUtc(set[file], TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));
        Write();

        Assert.Equal(1, encoder.Pictures - encoded);                            // the size is asked for, no more
    }

    [Fact]
    public void An_older_cache_knows_no_contents_but_is_not_older_than_its_pictures()
    {
        Write();
        var written = LatentIndex.Read(Cache);
        (written with { SourceContents = null }).Write(Cache);
        File.SetLastWriteTimeUtc(set["a/003.png"], TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(1));

        Refused("a/003.png is newer than its latents in shard-00000.bin");
        using (LatentCache.Open(Cache)) { }
        File.SetLastWriteTimeUtc(set["a/003.png"], TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        Write();

        Assert.Equal(written.SourceContents, LatentIndex.Read(Cache).SourceContents);
        Swap();
        Refused("the pictures have changed since it was made");
    }

    private string Cache => set.Beside("cache");

    private void Write() => LatentCacheWriter.Write(set.Open(), encoder, Cache, LatentCacheTests.Options, stop: TestContext.Current.CancellationToken);

    private void Refused(string why)
    {
        var error = Assert.Throws<UserException>(Write).Message;
        Assert.StartsWith($"{Cache}: {why}", error, StringComparison.Ordinal);
        Assert.Contains("name another folder, or delete it", error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    /// <summary>Turns a bit of each picture's last byte, after its end: another file of the same size.</summary>
    private void Swap()
    {
        foreach (var file in set.Open().Files)
        {
            var bytes = File.ReadAllBytes(set[file]);
            bytes[^1] ^= 1;
            File.WriteAllBytes(set[file], bytes);
        }
    }
}
