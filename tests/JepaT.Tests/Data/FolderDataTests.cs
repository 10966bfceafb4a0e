using System.Diagnostics;
using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class FolderDataTests
{
    private const int Side = 16;

    [Fact]
    public void Batches_are_the_same_with_any_number_of_threads_and_with_or_without_preparation()
    {
        using var set = new PictureFolder(12, "a", "b");
        using var scope = NewDisposeScope();
        using var one = Data(set, threads: 1);
        using var four = Data(set, threads: 4);
        var index = tensor(new long[] { 23, 0, 7, 7, 12, 3 });

        for (var step = 0; step < 4; step++)
        {
            var (images, ids) = one.Take(index, step);
            var ahead = four.Take(index, step);
            four.Prepare(index, step + 1);

            Assert.True(images.allclose(ahead.Images, rtol: 0, atol: 0));
            Assert.Equal([1L, 0, 0, 0, 1, 0], ids.data<long>().ToArray());
            Assert.Equal([6, 3, Side, Side], images.shape);
        }
        four.Prepare(index.flip(0), 9);                                         // something else is then asked for
        Assert.True(one.Take(index, 2).Images.allclose(four.Take(index, 2).Images, rtol: 0, atol: 0));
    }

    [Fact]
    public void The_seed_mirrors_about_half_of_the_pictures()
    {
        using var set = new PictureFolder(1, "a");
        using var data = Data(set);
        using var scope = NewDisposeScope();
        var crop = new uint[Side * Side];
        PictureFile.ReadCentre(set["a/000.png"], Side, crop);
        var plain = new float[3 * Side * Side];
        PictureFile.ToPlanes(crop, Side, mirror: false, plain);
        var picture = tensor(plain).view(1, 3, Side, Side);

        var images = data.Take(zeros(400, ScalarType.Int64), seed: 5).Images;

        var kept = (images == picture).flatten(1).all(1);
        var mirrored = (images == picture.flip(3)).flatten(1).all(1);
        Assert.True((kept ^ mirrored).all().ToBoolean());
        Assert.InRange(mirrored.sum().ToInt32(), 160, 240);
    }

    [Fact]
    public void A_corrupt_picture_gives_its_place_and_caption_to_the_next_one()
    {
        using var set = new PictureFolder(2, "a", "b");
        set.Damage("a/001.png");
        var told = new List<string>();
        using var scope = NewDisposeScope();
        using var data = Data(set, CorruptPictures.Skip);

        var (images, ids) = data.Take(tensor(new long[] { 0, 1, 2, 1 }), seed: 0);
        using var decoder = new PictureDecoder(set.Open(), Side, CorruptPictures.Skip, 2, 8, told.Add);
        using var bare = decoder.Begin([0, 1, 2]);
        bare.Wait(TestContext.Current.CancellationToken);

        Assert.Equal([0L, 1, 1, 1], ids.data<long>().ToArray());
        Assert.True((images[1] == images[2]).all().ToBoolean() || (images[1] == images[2].flip(2)).all().ToBoolean());
        Assert.Equal(1, data.SkippedCount);
        Assert.Equal([0, DecodedPictures.Skipped, 2], bare.Index);
        Assert.Matches(@"^skipped: .*001\.png: .*cut off.*\(1 so far\)$", Assert.Single(told));
    }

    [Fact]
    public void Skipped_pictures_are_counted_one_by_one()
    {
        const int count = 200;
        using var set = new PictureFolder(count, "a");
        for (var i = 0; i < count; i++) set.Write($"a/{i:000}.png", [1]);
        var told = new System.Collections.Concurrent.ConcurrentQueue<string>();
        using var decoder = new PictureDecoder(set.Open(), Side, CorruptPictures.Skip, threads: 8, ahead: count, told.Enqueue);

        using var batch = decoder.Begin([.. Enumerable.Range(0, count).Select(i => (long)i)]);
        batch.Wait(TestContext.Current.CancellationToken);

        Assert.Equal(Enumerable.Range(1, count).Select(i => $"({i} so far)"), told.Select(t => t[t.LastIndexOf('(')..]));
    }

    [Fact]
    public void A_corrupt_picture_can_end_the_program_by_name()
    {
        using var set = new PictureFolder(2, "a");
        set.Damage("a/001.png");
        using var data = Data(set);
        using var all = new PictureFolder(2, "a");
        all.Damage("a/000.png");
        all.Damage("a/001.png");
        using var none = Data(all, CorruptPictures.Skip);

        Assert.Contains("001.png: the file is cut off", Assert.Throws<UserException>(() => data.Take(tensor(new long[] { 0, 1 }), 0)).Message, StringComparison.Ordinal);
        Assert.Contains("none of its 2 pictures", Assert.Throws<UserException>(() => none.Take(tensor(new long[] { 0 }), 0)).Message, StringComparison.Ordinal);
        using var after = data.Take(tensor(new long[] { 0 }), 0).Images;        // it goes on after that
        Assert.Equal(1, after.shape[0]);
    }

    [Fact]
    public void Memory_stays_flat()
    {
        using var set = new PictureFolder(4, "a");
        File.Copy(Path.Combine(PictureFileTests.Folder, "photo.jpg"), set["a/photo.jpg"]);
        set.Damage("a/001.png");
        using var data = Data(set, CorruptPictures.Skip);
        using var index = arange(5).repeat(20);
        Run(20);
        var (live, memory) = (DisposeScopeManager.Statistics.ThreadTotalLiveCount, Process.GetCurrentProcess().WorkingSet64);

        Run(60);

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.InRange(Process.GetCurrentProcess().WorkingSet64 - memory, long.MinValue, 30 << 20);             // 6,000 pictures later

        void Run(int batches)
        {
            for (var i = 0; i < batches; i++)
            {
                var (images, ids) = data.Take(index, i);
                data.Prepare(index, i + 1);
                images.Dispose();
                ids.Dispose();
            }
        }
    }

    [Fact]
    public void A_run_that_goes_on_sees_the_batches_of_one_that_was_not_interrupted()
    {
        using var set = new PictureFolder(6, "a", "b");
        using var whole = Data(set, threads: 2);
        using var later = Data(set, threads: 1);
        var config = new TrainingConfig { BatchSize = 4 };
        var text = new HashedText();
        using var a = new Batches(whole, text, config, seed: 3);
        using var b = new Batches(later, text, config, seed: 3);
        using var scope = NewDisposeScope();
        for (var step = 0; step < 7; step++) a.Next(step);

        Batch wanted = a.Next(7), found = b.Next(7);

        Assert.True(wanted.Images.allclose(found.Images, rtol: 0, atol: 0));
        Assert.True(wanted.Text.Pooled.allclose(found.Text.Pooled, rtol: 0, atol: 0));
    }

    private static FolderData Data(PictureFolder set, CorruptPictures corrupt = CorruptPictures.Fail, int threads = 2) => new(set.Open(), Side, CPU, corrupt, threads);
}
