using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class ReferenceStatisticsTests : IDisposable
{
    private static readonly ReferenceKey Key = new("fashion/tinted", "train", "1a2b3c4d", "fashion", "0123456789abcdef");

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly List<string> notes = [];
    private readonly Tensor real;
    private int computed;

    public ReferenceStatisticsTests()
    {
        using var generator = new Generator(2);
        real = randn([1300, 5], generator: generator);
    }

    public void Dispose()
    {
        scope.Dispose();
        folder.Delete(recursive: true);
    }

    private string CacheFile => Path.Combine(folder.FullName, "fashion_tinted-train-1a2b3c4d-fashion-0123456789ab.safetensors");

    [Fact]
    public void A_missing_npz_is_told_with_where_such_files_come_from()
    {
        var path = Path.Combine(folder.FullName, "stats.npz");

        var error = Assert.Throws<UserException>(() => ReferenceStatistics.FromNpz(path, network: null!, folder.FullName)).Message;

        Assert.StartsWith($"{path}: missing", error, StringComparison.Ordinal);
        foreach (var mend in new[] { "evaluation.reference", "VIRTUAL_imagenet256_labeled.npz of https://github.com/openai/guided-diffusion", "name a folder of the real pictures" })
            Assert.Contains(mend, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void Statistics_cover_every_picture_once_and_the_sample_is_shuffled()
    {
        using var reference = Get();
        using var expected = FeatureStatistics.From(real);

        Assert.Equal(1300, reference.Statistics.Count);
        Assert.True(allclose(expected.Covariance, reference.Statistics.Covariance, rtol: 1e-12));
        Assert.Equal(new long[] { 1300, 5 }, reference.Sample.shape);
        Assert.True(reference.Sample.sum(1).sort().Values.Equals(real.sum(1).sort().Values));
        Assert.False(reference.Sample.Equals(real));
    }

    [Fact]
    public void The_second_time_nothing_is_computed_and_everything_is_equal()
    {
        using var first = Get();
        var calls = computed;
        using var second = Get();

        Assert.True(File.Exists(CacheFile));
        Assert.True(calls > 0 && computed == calls);
        Assert.True(first.Statistics.Mean.Equals(second.Statistics.Mean) && first.Statistics.Covariance.Equals(second.Statistics.Covariance));
        Assert.True(first.Sample.Equals(second.Sample));
        Assert.Empty(notes);
        Assert.Single(folder.GetFiles());
    }

    [Fact]
    public void Other_weights_or_data_have_a_file_of_their_own()
    {
        string[] names = [.. new[] { Key, Key with { NetworkHash = "ffff" }, Key with { Digest = "00000000" }, Key with { Split = "test" } }.Select(k => k.FileName)];

        Assert.Equal(4, names.Distinct().Count());
    }

    [Fact]
    public void A_cut_cache_file_is_computed_again_with_a_note_that_names_it()
    {
        using (Get()) { }
        using (var file = File.OpenWrite(CacheFile)) file.SetLength(file.Length / 2);

        using var reference = Get();

        Assert.Equal(1300, reference.Statistics.Count);
        Assert.Contains(CacheFile, Assert.Single(notes), StringComparison.Ordinal);
        notes.Clear();
        using var again = Get();
        Assert.Empty(notes);
    }

    [Fact]
    public void A_cache_file_of_other_weights_with_the_same_first_digits_is_not_believed()
    {
        using (Get()) { }
        var calls = computed;

        using var reference = Get(Key with { NetworkHash = "0123456789abcdee" });

        Assert.True(computed > calls);
        Assert.Contains("something else", Assert.Single(notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_that_cannot_be_written_costs_a_note_only()
    {
        var file = Path.Combine(folder.FullName, "a file");
        File.WriteAllText(file, "");

        using var reference = Get(cache: Path.Combine(file, "below it"));

        Assert.Equal(1300, reference.Statistics.Count);
        Assert.Contains("cannot be written", Assert.Single(notes), StringComparison.Ordinal);
    }

    private ReferenceStatistics Get(ReferenceKey? key = null, string? cache = null) =>
        ReferenceStatistics.Get(key ?? Key, real.shape[0], index =>
        {
            computed++;
            return real.index_select(0, index);
        }, cache ?? folder.FullName, notes.Add);
}
