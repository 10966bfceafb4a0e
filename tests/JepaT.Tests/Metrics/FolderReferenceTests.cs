using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Statistics of a folder of real pictures: kept, but never those of other pictures.</summary>
public sealed class FolderReferenceTests : IDisposable
{
    private const int Side = 16;

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly List<string> notes = [];

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Folders_of_equal_names_and_sizes_have_statistics_of_their_own()
    {
        using var a = Measure(Real("a", red: 10));
        using var b = Measure(Real("b", red: 200));

        Assert.NotEqual(a.Key.Digest, b.Key.Digest);
        Assert.False(a.Statistics.Mean.Equals(b.Statistics.Mean));
        Assert.Matches("^[0-9a-f]{64}$", a.Key.Digest);
    }

    [Fact]
    public void Pictures_replaced_by_others_of_their_size_are_measured_anew_and_equal_ones_are_not()
    {
        var real = Real("a", red: 10);
        using var first = Measure(real);
        Real("a", red: 200);
        using var second = Measure(real);
        using var copy = Measure(Real("b", red: 10));

        Assert.False(first.Statistics.Mean.Equals(second.Statistics.Mean));
        Assert.Equal(first.Key, copy.Key);
        Assert.Equal(2, Directory.GetFiles(Cache).Length);
    }

    [Fact]
    public void Statistics_without_skipped_pictures_are_not_taken_where_such_end_the_program()
    {
        var real = Real("a", red: 10);
        var whole = Path.Combine(real, "1.png");
        File.WriteAllBytes(whole, File.ReadAllBytes(whole)[..40]);
        using (var skipped = Measure(real, CorruptPictures.Skip)) Assert.Equal(3, skipped.Statistics.Count);

        var error = Assert.Throws<UserException>(() => Measure(real)).Message;

        Assert.StartsWith($"{whole}: ", error, StringComparison.Ordinal);
        Assert.Contains("3 pictures, not 4", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Statistics_of_all_pictures_serve_both_ways()
    {
        var real = Real("a", red: 10);
        using var all = Measure(real);
        File.SetLastWriteTimeUtc(Directory.GetFiles(Cache).Single(), DateTime.UnixEpoch);

        using var again = Measure(real, CorruptPictures.Skip);

        Assert.True(all.Statistics.Mean.Equals(again.Statistics.Mean));
        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(Directory.GetFiles(Cache).Single()));
        Assert.Empty(notes);
    }

    private string Cache => Path.Combine(folder.FullName, "cache");

    private ReferenceStatistics Measure(string real, CorruptPictures corrupt = CorruptPictures.Fail) =>
        ReferenceStatistics.FromFolder(real, new Colours(), Side, corrupt, threads: 1, Cache, notes.Add);

    /// <summary>Four pictures, whose files have one size whatever their colour.</summary>
    private string Real(string parent, byte red)
    {
        var real = Directory.CreateDirectory(Path.Combine(folder.FullName, parent, "real")).FullName;
        for (byte i = 0; i < 4; i++)
        {
            var (path, colour) = (Path.Combine(real, $"{i}.png"), new[] { red, i, (byte)0 });
            RawPng.Write(path, Side, Side, depth: 8, colour: 2, _ => [.. Enumerable.Repeat(colour, Side).SelectMany(c => c)]);
            using var file = File.OpenWrite(path);
            file.SetLength(500);                                                // what follows a picture's end is not read
        }
        return real;
    }

    /// <summary>Mean colour as features.</summary>
    private sealed class Colours : IFeatureNetwork
    {
        public string Name => "colours";

        public string Hash { get; } = new('c', 64);

        public int Dim => 3;

        public Judgement Extract(Tensor pictures)
        {
            var features = pictures.to(ScalarType.Float32).mean([2, 3]);
            return new(features, features.clone());
        }
    }
}
