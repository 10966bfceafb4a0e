using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>The hash of a folder's pictures, and when it is believed without reading them.</summary>
public sealed class FolderContentsTests : IDisposable
{
    private readonly PictureFolder set = new();
    private int seconds;

    public FolderContentsTests()
    {
        Put("a/a.png", 1, 2);
        Put("b/b.png", 3, 4);
    }

    public void Dispose() => set.Dispose();

    [Fact]
    public void The_hash_is_of_paths_and_contents_and_of_nothing_else()
    {
        var first = Hash();
        using var copy = new PictureFolder();
        foreach (var file in set.Open().Files) copy.Write(file, File.ReadAllBytes(set[file]));
        Assert.Equal(first, FolderContents.Hash(copy.Open(), Cache, Stop));
        List<string> hashes = [first];

        Put("b/b.png", 3, 5);
        hashes.Add(Hash());
        File.Move(set["b/b.png"], set["b/c.png"]);
        hashes.Add(Hash());
        Put("a/a.png", 1);
        hashes.Add(Hash());
        Put("a/a.png", 1, 3);                                                   // a byte goes from one file to the next
        Put("b/c.png", 5);
        hashes.Add(Hash());

        Assert.Equal(5, hashes.Distinct().Count());
        Assert.All(hashes, h => Assert.Matches("^[0-9a-f]{64}$", h));
    }

    [Fact]
    public void Pictures_are_read_again_only_after_a_size_or_time_has_changed()
    {
        var first = Hash();
        File.WriteAllBytes(set["a/a.png"], [7, 7]);                             // in place, with the old time: nobody can see that
        File.SetLastWriteTimeUtc(set["a/a.png"], Old);
        Assert.Equal(first, Hash());

        File.SetLastWriteTimeUtc(set["a/a.png"], Old.AddMilliseconds(1));
        var second = Hash();

        Assert.NotEqual(first, second);
        Assert.Equal(second, Hash());
        Assert.Single(Directory.GetFiles(Cache));
    }

    [Fact]
    public void A_file_just_written_is_read_again_since_its_time_may_not_change_with_the_next_write()
    {
        File.SetLastWriteTimeUtc(set["a/a.png"], TimeProvider.System.GetUtcNow().UtcDateTime);

        Hash();

        Assert.False(Directory.Exists(Cache));
    }

    [Fact]
    public void Behind_a_link_the_time_of_its_target_counts()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links need rights there");
        File.Move(set["a/a.png"], set.Beside("target"));
        File.CreateSymbolicLink(set["a/a.png"], set.Beside("target"));
        var first = Hash();

        File.WriteAllBytes(set.Beside("target"), [9, 9]);
        File.SetLastWriteTimeUtc(set.Beside("target"), Old.AddSeconds(1));

        Assert.NotEqual(first, Hash());
    }

    [Fact]
    public void A_damaged_note_of_a_hash_is_not_believed()
    {
        var first = Hash();
        File.WriteAllText(Directory.GetFiles(Cache).Single(), "nonsense");

        Assert.Equal(first, Hash());
    }

    private static readonly DateTime Old = TimeProvider.System.GetUtcNow().UtcDateTime.AddDays(-1);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    private string Cache => set.Beside("hashes");

    private string Hash() => FolderContents.Hash(set.Open(), Cache, Stop);

    private void Put(string name, params byte[] bytes)
    {
        set.Write(name, bytes);
        File.SetLastWriteTimeUtc(set[name], Old.AddSeconds(seconds++));
    }
}
