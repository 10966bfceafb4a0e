using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class BenchTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Our_own_training_step_and_sampling_are_timed()
    {
        var size = new BenchSize("small", ModelConfig.Tiny with { Dim = 16, Heads = 2, EncoderDepth = 1, PredictorDepth = 1, HeadWidth = 16, HeadDepth = 1 }, 3, 2);
        using var work = new BenchWork(size);

        var train = work.Measure("train", repeats: 4);
        var sample = work.Measure("sample", repeats: 4);

        Assert.Equal((3, 4), (train.Batch, train.Times.Count));
        Assert.Equal((2, 3), (sample.Batch, sample.Times.Count));
        Assert.All(train.Times.Concat(sample.Times), t => Assert.True(t > 0));
        Assert.Equal(work.Parameters, train.Parameters);
        Assert.True(train.PeakMib > 10, $"{train.PeakMib}");
    }

    [Fact]
    public void A_result_comes_back_from_its_line_among_others()
    {
        var given = new BenchResult("train", "ours", 64, [0.5, 0.25], 123.5, 42, 1.5, "TorchSharp 1");

        var back = Assert.Single(BenchResult.Parse(["a warning", given.ToJson(), "{\"what\": \"text-encode\", \"times_s\": [1]}"], "train"));

        Assert.Equal(given.Times, back.Times);
        Assert.Equal(given with { Times = back.Times }, back);
    }

    [Theory]
    [InlineData(6, 0)]                                  // all the work there was is ours
    [InlineData(2, 0.4)]                                // 4 of 5 s × 2 processors went elsewhere
    [InlineData(7, 0)]                                  // rounding of the system's counters
    public void What_others_took_is_the_work_done_less_our_own(double own, double expected)
    {
        var (before, after) = (new ProcessorLoad(100, 10, 2), new ProcessorLoad(106, 15, 2));

        Assert.Equal(expected, ProcessorLoad.Others(before, after, own), 1e-12);
    }

    [Fact]
    public void Rounds_are_pooled_and_compared_by_their_medians()
    {
        BenchResult[] results =
        [
            Result("ours", 1, 2), Result("reference", 4), Result("ours", 0.5, 4), Result("reference", 8, 2),
        ];

        var rows = BenchRow.Of(results);

        Assert.Equal(["ours", "reference"], rows.Select(r => r.Flavour));
        Assert.Equal((6, 2, 16, 4), (rows[0].Median, rows[0].Min, rows[0].Max, rows[0].Repetitions));        // 8, 4, 16, 2 images/s
        Assert.Equal(2, rows[1].Median);
        Assert.Equal("3.00 ×", rows[0].Ratio(rows[1]));
    }

    [Fact]
    public void A_python_without_torch_and_a_missing_one_are_told_with_the_reason()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");

        var (peer, reason) = BenchPeer.Find(Script("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1"));
        var (none, missing) = BenchPeer.Find("no-such-python-anywhere");

        Assert.Null(peer);
        Assert.Contains("No module named 'torch'", reason, StringComparison.Ordinal);
        Assert.Null(none);
        Assert.Contains("no-such-python-anywhere", missing, StringComparison.Ordinal);
    }

    [Fact]
    public void A_wrapper_gets_the_scripts_arguments_and_threads_in_the_scripts_folder()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        // Answers like bench.py, with what it was given as its flavour.
        var wrapper = Script("""
            [ "$2" = -c ] && { echo 9.9; exit; }
            [ -e bench.py ] || exit 3
            printf '{"what": "sample", "flavour": "%s, %s threads", "batch": 2, "times_s": [0.5], "torch": "9.9"}\n' "$*" "$OMP_NUM_THREADS"
            """);

        var (peer, _) = BenchPeer.Find(wrapper + " deep");
        var result = peer!.Measure("tiny", "reference", "sample", repeats: 7, threads: 1);

        Assert.Equal("9.9", peer.Version);
        Assert.Equal("deep bench.py --size tiny --flavours reference --what sample --repeats 7 --threads 1, 1 threads", result.Flavour);
        Assert.Null(result.PeakMib);
    }

    [Fact]
    public void A_peer_that_fails_is_one_clear_line()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the stand-in is a shell script");
        var (peer, _) = BenchPeer.Find(Script("[ \"$1\" = -c ] && { echo 9.9; exit; }; echo Traceback >&2; echo 'MemoryError' >&2; exit 1"));

        var error = Assert.Throws<UserException>(() => peer!.Measure("tiny", "original", "train", 1, 1));

        Assert.Equal("bench.py (tiny, original, train) ended with code 1 and no result: MemoryError", error.Message);
    }

    private static BenchResult Result(string flavour, params double[] times) => new("train", flavour, 8, times, null, 1, 0, "");

    private string Script(string body)
    {
        var path = Path.Combine(folder.FullName, "python");
        File.WriteAllText(path, "#!/bin/sh\n" + body);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
