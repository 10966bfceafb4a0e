using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class CacheLatentsCommandTests : IDisposable
{
    private readonly PictureFolder set = new(3, "a");

    private string Cache => set.Beside("cache");

    [Theory]
    [InlineData("F", "--output is missing")]
    [InlineData("-o C", "FOLDER is missing")]
    [InlineData("F -o C", "--autoencoder is missing")]
    [InlineData("F -o C --autoencoder A --size 100", "--size 100: give a multiple of 16 from 16 to 4096")]
    [InlineData("F -o C --autoencoder A --batch 0", "--batch 0: give 1 to 4096")]
    [InlineData("F -o C --autoencoder A --batch x", "--batch 'x': give a whole number")]
    [InlineData("F -o C --autoencoder A --threads 0", "--threads 0: give 1 or more")]
    [InlineData("F -o C --autoencoder A --threads 99999", "--threads is 99999, but this machine has")]
    [InlineData("F -o C --autoencoder A --corrupt maybe", "--corrupt 'maybe': give skip or fail")]
    [InlineData("F -o C --autoencoder A --dtype int8", "--dtype 'int8': give float32 or float16")]
    [InlineData("F -o C --autoencoder A --device tpu", "device 'tpu' is unknown")]
    [InlineData("F -o C --autoencoder A --captions none.csv", "none.csv: cannot be read")]
    [InlineData("F/none -o C --autoencoder A", "none: no such folder")]
    [InlineData("F -o C --autoencoder A", "/A: ")]
    [InlineData("-o C --verify", "cache: holds no latents")]
    public void A_mistake_is_one_line(string line, string message)
    {
        var error = new StringWriter();
        var args = line.Split(' ').Select(a => a.StartsWith('F') ? set.Root + a[1..] : a is "C" ? Cache : a is "A" or "none.csv" ? set.Beside(a) : a);

        var code = Cli.Run(["cache-latents", .. args], error);

        Assert.Equal(1, code);
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.Contains(message, error.ToString(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(Cache));
    }

    [Fact]
    public void Verify_tells_sound_caches_from_damaged_ones()
    {
        using var encoder = new Means();
        LatentCacheWriter.Write(set.Open(), encoder, Cache, new() { ImageSize = 16, ShardSize = 2 }, stop: TestContext.Current.CancellationToken);
        var error = new StringWriter();
        var shard = Path.Combine(Cache, "shard-00001.bin");

        var sound = Cli.Run(["cache-latents", "-o", Cache, "--verify"], error);
        File.WriteAllBytes(shard, [.. File.ReadAllBytes(shard).Select(b => (byte)~b)]);
        var damaged = Cli.Run(["cache-latents", "-o", Cache, "--verify"], error);

        Assert.Equal((0, 1), (sound, damaged));
        Assert.Contains("shard-00001.bin: its SHA-256 is not the one in index.json; 1 of 2 shards are bad", error.ToString(), StringComparison.Ordinal);
    }

    public void Dispose() => set.Dispose();

    private sealed class Means : IMomentsEncoder
    {
        public string Hash => "means";

        public Tensor Encode(Tensor images) => images.mean([2, 3], keepdim: true)[.., ..2];

        public void Dispose() { }
    }
}
