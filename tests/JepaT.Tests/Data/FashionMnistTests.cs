using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class FashionMnistTests : IDisposable
{
    private readonly TinyFashion tiny = new();

    public void Dispose() => tiny.Dispose();

    [Fact]
    public void A_small_set_of_the_users_own_is_read_as_it_is()
    {
        var set = tiny.Open();

        Assert.Equal(DataOrigin.Given, set.Origin);
        Assert.False(set.IsOfficial);
        Assert.Equal([40, 40, 20, 20], set.Files.Select(f => f.Count));
    }

    [Theory]
    [InlineData(TinyFashion.TrainImages, 0)]
    [InlineData(TinyFashion.TrainImages, 5)]
    [InlineData(TinyFashion.TrainImages, 1000)]
    [InlineData(TinyFashion.TestImages, -9)]
    [InlineData(TinyFashion.TestLabels, -1)]
    public void A_file_cut_off_anywhere_is_refused_by_name(string name, int keep)
    {
        using (var file = File.OpenWrite(tiny[name])) file.SetLength(keep >= 0 ? keep : file.Length + keep);

        Refused(name, "cut off");
    }

    [Fact]
    public void A_file_with_one_flipped_byte_is_refused_by_name()
    {
        var bytes = File.ReadAllBytes(tiny[TinyFashion.TestImages]);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(tiny[TinyFashion.TestImages], bytes);

        Refused(TinyFashion.TestImages, "damaged");
    }

    [Theory]
    [InlineData(TinyFashion.TrainImages, TinyFashion.TrainLabels, "holds labels where pictures belong")]
    [InlineData(TinyFashion.TrainLabels, TinyFashion.TrainImages, "holds pictures where labels belong")]
    [InlineData(TinyFashion.TrainLabels, TinyFashion.TestLabels, "20 labels")]
    public void Swapped_files_are_refused_by_name(string name, string holds, string why)
    {
        File.Copy(tiny[holds], tiny[name], overwrite: true);

        Refused(name, why);
    }

    [Fact]
    public void Training_pictures_in_the_place_of_the_test_pictures_are_refused()
    {
        File.Copy(tiny[TinyFashion.TrainImages], tiny[TinyFashion.TestImages], overwrite: true);
        File.Copy(tiny[TinyFashion.TrainLabels], tiny[TinyFashion.TestLabels], overwrite: true);

        Refused(TinyFashion.TestImages, "the same pictures");
    }

    [Fact]
    public void Foreign_files_are_refused_by_name()
    {
        File.WriteAllText(tiny[TinyFashion.TrainImages], "<html>not found</html>");
        Refused(TinyFashion.TrainImages, "no gzip file");

        File.WriteAllBytes(tiny[TinyFashion.TrainImages], TinyFashion.Gzip(new byte[5000]));
        Refused(TinyFashion.TrainImages, "not an IDX file");

        tiny.Write(TinyFashion.TrainImages, new byte[40 * 32 * 32], 40, 32, 32);
        Refused(TinyFashion.TrainImages, "28 × 28");

        tiny.Write(TinyFashion.TrainImages, new byte[41 * 28 * 28], 40, 28, 28);
        Refused(TinyFashion.TrainImages, "goes on after its 40");
    }

    [Fact]
    public void Files_of_full_size_with_other_content_are_refused()
    {
        tiny.Write(TinyFashion.TestImages, new byte[10_000 * 28 * 28], 10_000, 28, 28);          // as MNIST's own files would be

        Refused(TinyFashion.TestImages, "not Fashion-MNIST");
    }

    [Fact]
    public void A_label_above_nine_is_refused()
    {
        tiny.Write(TinyFashion.TestLabels, [.. Enumerable.Repeat((byte)9, 19), 10], 20);

        Refused(TinyFashion.TestLabels, "label 10 at place 19");
    }

    [Fact]
    public void A_missing_folder_or_file_is_named()
    {
        Assert.Contains("/no/such", Assert.Throws<UserException>(() => FashionMnist.Open("/no/such")).Message, StringComparison.Ordinal);

        File.Delete(tiny[TinyFashion.TestLabels]);

        Refused(TinyFashion.TestLabels, "missing");
    }

    [Fact]
    public void An_unknown_name_or_split_is_refused_with_the_known_ones()
    {
        var set = tiny.Open();

        Assert.Contains("fashion-mnist-tinted", Assert.Throws<UserException>(() => set.Dataset("mnist", "train")).Message, StringComparison.Ordinal);
        Assert.Contains("train and test", Assert.Throws<UserException>(() => set.Dataset(FashionMnist.Plain, "val")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_published_files_are_known_and_swapping_them_is_noticed()
    {
        const string debian = "/usr/share/datasets/fashion-mnist";
        if (!Directory.Exists(debian)) Assert.Skip($"{debian} is not there: install dataset-fashion-mnist");

        Assert.True(FashionMnist.Open(debian).IsOfficial);

        File.Copy(Path.Combine(debian, TinyFashion.TestLabels), tiny[TinyFashion.TrainLabels], overwrite: true);
        Refused(TinyFashion.TrainLabels, "swapped, it holds the test labels");
    }

    private void Refused(string name, string why)
    {
        var error = Assert.Throws<UserException>(() => tiny.Open()).Message;

        Assert.Contains(tiny[name], error, StringComparison.Ordinal);
        Assert.Contains(why, error, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error);
    }
}
