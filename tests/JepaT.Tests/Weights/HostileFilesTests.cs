using System.Diagnostics;
using System.Text;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>
/// Files that someone damaged or made to do harm. Each must be read or refused in one line, quickly and without memory beyond the file's own
/// size. Seeded, so a failure names the file to look at.
/// </summary>
public sealed class HostileFilesTests : IDisposable
{
    private const int MostManaged = 256 << 20;
    private static readonly TimeSpan MostTime = TimeSpan.FromSeconds(30);        // milliseconds, on a machine that is not busy

    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("types.safetensors", 400)]
    [InlineData("parts.safetensors.index.json", 200)]
    [InlineData("types.pth", 400)]
    [InlineData("training.pth", 200)]
    [InlineData("types-protocol4.pt", 200)]
    [InlineData("script.pt", 200)]
    [InlineData("types-legacy.pth", 400)]
    [InlineData("training-legacy.ckpt", 300)]
    public void Damaged_files_are_read_or_refused_in_one_line(string name, int count)
    {
        var original = Original(name);
        var path = folder.File("in" + Path.GetExtension(name));
        var (refused, different) = (0, new HashSet<string>());

        for (var seed = 0; seed < count; seed++)
        {
            File.WriteAllBytes(path, Mutation.Of(original, new Random(seed)));
            if (Try(path, $"{name}, seed {seed}") is not { } message) continue;
            refused++;
            different.Add(string.Concat(message.Where(c => !char.IsDigit(c))));
        }

        // The damage is of many kinds and is mostly noticed, else this test shows nothing.
        Assert.InRange(refused, count / 4, count);
        Assert.True(different.Count >= 8, string.Join("\n", different));
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        foreach (var name in new[] { "types.safetensors", "types.pth", "types-legacy.pth" })
        {
            var original = Original(name);
            for (var length = 0; length < original.Length; length += 37)
            {
                var path = folder.File("cut");
                File.WriteAllBytes(path, original[..length]);
                Assert.True(Try(path, $"{name} cut to {length}") is not null, $"{name} cut to {length} was read");
            }
        }
    }

    [Theory]
    [InlineData("types.safetensors")]
    [InlineData("types.pth")]
    [InlineData("types-legacy.pth")]
    public void The_first_bytes_alone_are_refused(string name)
    {
        var (original, path) = (Original(name), folder.File("start"));
        for (var length = 0; length <= 20; length++)
        {
            File.WriteAllBytes(path, original[..length]);
            Assert.StartsWith(path + ": ", Try(path, $"{name} cut to {length}") ?? "(was read)", StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_pipe_is_refused_and_not_waited_for()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no pipes among its files");
        var path = folder.File("pipe.pth");
        using (var mkfifo = Process.Start("mkfifo", [path])) await mkfifo.WaitForExitAsync(TestContext.Current.CancellationToken);
        File.CreateSymbolicLink(folder.File("link.pth"), path);

        foreach (var name in new[] { path, folder.File("link.pth"), "/dev/zero" })
        {
            var open = Task.Run(() => Assert.Throws<UserException>(() => WeightFile.Open(name)).Message, TestContext.Current.CancellationToken);
            Assert.StartsWith($"{name}: is empty, or a pipe or device", await open.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_legacy_file_of_an_old_pickle_protocol_is_told()
    {
        var path = folder.File("in.pth");
        File.WriteAllText(path, "L119547037146038801333356L\n.I1001\n.");

        Assert.Contains("was pickled with protocol 0 or 1", Try(path, "protocol 1") ?? "(was read)", StringComparison.Ordinal);
    }

    public static TheoryData<string, string> Pickles => new()
    {
        { "nested lists", "deeper than 32 levels" },
        { "nested dictionaries", "deeper than 32 levels" },
        { "a dictionary in itself", "deeper than 32 levels" },
        { "one dictionary in 2^30 places", "holds more than 300000 values" },
        { "a shape of 2^124", "impossible shape" },
        { "a shape of 2^62 and 0", "impossible shape" },
        { "a negative shape", "impossible shape" },
        { "more numbers than the storage has", "in a storage of 4 numbers" },
        { "one number a million million times", "tensor a of shape (1000000, 1000000) is an expanded view" },
        { "strides beyond the storage", "reaches beyond its storage" },
        { "strides that overflow", "reaches beyond its storage" },
        { "a negative stride", "impossible strides" },
        { "an offset beyond the storage", "reaches beyond its storage" },
        { "a huge storage", "does not hold the 1152921504606846976 numbers announced" },
        { "a view beyond its storage", "views a storage beyond its end" },
        { "ten thousand names of one storage", "many times as large as the file" },
        { "a text of 2^62 letters", "longer than the file" },
        { "a number of 2^31 bytes", "a number of more than 1024 bytes" },
        { "a call of eval", "calls builtins.eval, which is refused" },
        { "a call by attribute", "calls builtins.getattr, which is refused" },
        { "a call of what a call made", "calls what is no class or function" },
        { "six million operations", "more than 5000000 operations" },
        { "a long class name, often", "names no class by a text" },
        { "nothing on the stack", "takes from an empty stack" },
        { "a recall of nothing", "recalls what it did not store" },
        { "a storage that is none", "something other than a storage" },
        { "a negation not yet done", "after .resolve_neg()" },
        { "a key twice", "tensor a is there twice" },
    };

    [Theory]
    [MemberData(nameof(Pickles))]
    public void A_harmful_pickle_is_refused(string kind, string message)
    {
        var path = folder.File("in.pth");
        File.WriteAllBytes(path, HostilePickle.Legacy(kind));

        Assert.Contains(message, Try(path, kind) ?? "(was read)", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nothing wrong")]
    [InlineData("plain bytes")]
    [InlineData("marks that say nothing")]
    public void What_the_harmful_pickles_are_made_of_is_read_when_it_is_right(string kind)
    {
        var path = folder.File("in.pth");
        foreach (var protocol in new byte[] { 2, 4, 5 })
        {
            File.WriteAllBytes(path, HostilePickle.Legacy(kind, protocol));

            using var file = WeightFile.Open(path);

            WeightSamples.AssertEqual(new Dictionary<string, Tensor> { ["a"] = tensor(new[] { 1f, 2f, 3f, 4f }).reshape(2, 2) }, file);
        }
    }

    [Theory]
    [InlineData("../../evil")]
    [InlineData("/etc/evil")]
    [InlineData("archive/../evil")]
    public void Paths_in_a_zip_lead_nowhere(string name)
    {
        var path = folder.File("in.pth");
        using (var x = ones(2))
        {
            using var stream = File.Create(path);
            TorchWriter.Save(stream, [new WeightToWrite("x", x)]);
            stream.Position = 0;
            using var zip = new System.IO.Compression.ZipArchive(stream, System.IO.Compression.ZipArchiveMode.Update);
            using var entry = zip.CreateEntry(name, System.IO.Compression.CompressionLevel.NoCompression).Open();
            entry.Write("evil"u8);
        }

        Assert.Null(Try(path, name));
        Assert.Equal([path], Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_zip_bomb_is_not_unpacked()
    {
        var path = folder.File("in.pth");
        using (var stream = File.Create(path))
        {
            using var zip = new System.IO.Compression.ZipArchive(stream, System.IO.Compression.ZipArchiveMode.Create);
            using var entry = zip.CreateEntry("archive/data.pkl", System.IO.Compression.CompressionLevel.SmallestSize).Open();
            for (var i = 0; i < 20; i++) entry.Write(new byte[1 << 20]);
        }

        Assert.Contains("archive/data.pkl is compressed", Try(path, "bomb"), StringComparison.Ordinal);
    }

    /// <summary>Opens every section and reads all of it; the message if it is refused.</summary>
    private static string? Try(string path, string what)
    {
        var clock = Stopwatch.StartNew();
        var managed = GC.GetAllocatedBytesForCurrentThread();
        string? refused = null;
        try
        {
            using var first = WeightFile.Open(path);
            foreach (var section in first.Sections)
            {
                using var file = WeightFile.Open(path, section);
                var size = 0L;
                foreach (var (name, tensor) in file.ReadAll())
                {
                    Assert.True(tensor.numel() * tensor.element_size() <= file.Length, $"{what}: {name} is larger than the file");
                    size += tensor.numel() * tensor.element_size();
                    tensor.Dispose();
                }
                Assert.True(size <= 8 * file.Length, what);
            }
        }
        catch (UserException e)
        {
            refused = e.Message;
            Assert.True(e.Message.Length < 1500 && !e.Message.Any(char.IsControl), $"{what}: {e.Message}");
        }
        catch (Exception e) when (e is not Xunit.Sdk.IAssertionException)
        {
            Assert.Fail($"{what}: {e}");
        }
        managed = GC.GetAllocatedBytesForCurrentThread() - managed;
        // A pickle's operations cost an object each at most, whatever they say.
        Assert.True(managed < MostManaged + 200 * new FileInfo(path).Length, $"{what}: {managed} bytes of managed memory");
        Assert.True(clock.Elapsed < MostTime, $"{what}: took {clock.Elapsed}");
        return refused;
    }

    private byte[] Original(string name)
    {
        if (!name.Contains("safetensors", StringComparison.Ordinal)) return File.ReadAllBytes(WeightSamples.File(name));
        if (name.EndsWith(".json", StringComparison.Ordinal))
        {
            Safetensors.Save(folder.File("part-0.safetensors"), [new("a", ones(3)), new("b", ones(2, 2))]);
            Safetensors.Save(folder.File("part-1.safetensors"), [new("c", ones(4))]);
            return Encoding.UTF8.GetBytes("""{"metadata": {"total_size": 44}, "weight_map": {"a": "part-0.safetensors", "b": "part-0.safetensors", "c": "part-1.safetensors"}}""");
        }
        var path = folder.File(name);
        Safetensors.Save(path, WeightSamples.Types(), new Dictionary<string, string> { ["made by"] = "a test" });
        return File.ReadAllBytes(path);
    }
}
