using JepaT.Lab;

namespace JepaT.Tests;

// Whether the captions are of classes: it decides how prompts are chosen.
public sealed partial class LatentCacheTests
{
    [Fact]
    public void Whether_captions_are_of_classes_is_kept()
    {
        Write();
        LatentCacheWriter.Write(Captioned(i => $"picture {i}"), encoder, set.Beside("free"), Options, stop: Stop);
        using var classes = LatentCache.Open(Cache);
        using var free = LatentCache.Open(set.Beside("free"));

        Assert.Equal((true, false), (classes.HasClasses, free.HasClasses));
    }

    [Fact]
    public void An_older_cache_shows_it_by_its_captions_or_gets_it_when_it_is_written_again()
    {
        void Old(ImageFolder source, string name, bool? expected)
        {
            LatentCacheWriter.Write(source, encoder, set.Beside(name), Options, stop: Stop);
            Forget(set.Beside(name));
            using var cache = LatentCache.Open(set.Beside(name));
            Assert.Equal(expected, cache.HasClasses);
        }
        Old(set.Open(), "classes", true);                                       // class by class
        Old(ImageFolder.Open(set.Root, template: "one text"), "alike", true);   // a file's captions are distinct
        Old(Captioned(i => $"picture {i % 4}"), "mixed", false);                // 0 1 2 3 0 …
        Old(Captioned(i => $"picture {i}"), "each", null);                      // or are these classes of one picture?
        var (encoded, digest) = (encoder.Pictures, LatentCache.Open(set.Beside("each")).Digest);

        LatentCacheWriter.Write(Captioned(i => $"picture {i}"), encoder, set.Beside("each"), Options, stop: Stop);

        using var again = LatentCache.Open(set.Beside("each"));
        Assert.Equal((false, digest), (again.HasClasses, again.Digest));
        Assert.Equal(1, encoder.Pictures - encoded);                            // the size is asked for, no more
    }

    [Fact]
    public void Erratum_4_leaves_captions_that_are_not_of_classes_as_they_are_and_asks_where_it_is_not_known()
    {
        var source = Captioned(i => $"picture {i}");
        LatentCacheWriter.Write(source, encoder, Cache, Options, stop: Stop);
        using (var data = new LatentData(LatentCache.Open(Cache), numbered: true)) Assert.Equal(source.Captions, data.Captions);
        var index = LatentIndex.Read(Cache);
        (index with { HasClasses = null }).Write(Cache);

        Says($"{Cache}: does not say whether its captions are of classes", () => new LatentData(LatentCache.Open(Cache), numbered: true).Dispose());
    }

    /// <summary>Makes an index as it was before it told whether captions are of classes.</summary>
    internal static void Forget(string cache)
    {
        var index = Path.Combine(cache, LatentIndex.FileName);
        var lines = File.ReadAllLines(index);
        File.WriteAllLines(index, lines.Where(l => !l.Contains("has_classes", StringComparison.Ordinal)));
        Assert.Equal(lines.Length - 1, File.ReadAllLines(index).Length);
    }

    private ImageFolder Captioned(Func<int, string> caption) => ImageFolder.Open(set.Root,
        set.WriteBeside("captions.csv", "file,caption\n" + string.Join('\n', set.Open().Files.Select((f, i) => $"{f},{caption(i)}"))));
}
