using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class CachedTextTests
{
    private const string Fingerprint = "0123456789abcdef0123";

    [Fact]
    public void A_caption_is_encoded_once_for_all_processes()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string[] captions = ["a red sneaker", "a coat", "a red sneaker"];
        var expected = new HashedText().EncodeTokens(captions);
        var first = new Counting();
        var second = new Counting();

        var cold = new CachedText(first, Fingerprint, folder.Path);
        Same(expected, cold.EncodeTokens(captions));
        Assert.True(expected.Pooled.Equals(cold.Encode(captions)));
        var warm = new CachedText(second, Fingerprint, folder.Path);
        Same(expected, warm.EncodeTokens(captions));

        Assert.Equal(["a red sneaker", "a coat"], first.Seen);
        Assert.Empty(second.Seen);
        warm.Encode(["a coat", "a bag"]);
        Assert.Equal(["a bag"], second.Seen);
        Assert.Equal([$"counting-{Fingerprint[..16]}.safetensors"], Directory.GetFiles(folder.Path).Select(f => Path.GetFileName(f)));
    }

    [Fact]
    public void Other_weights_have_another_file()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        new CachedText(new Counting(), Fingerprint, folder.Path).Encode(["a coat"]);
        var other = new Counting();

        new CachedText(other, "fedcba9876543210", folder.Path).Encode(["a coat"]);

        Assert.Equal(["a coat"], other.Seen);
    }

    [Theory]
    [InlineData("cut")]
    [InlineData("one byte")]
    [InlineData("one byte of the captions")]
    [InlineData("other weights")]
    [InlineData("empty")]
    public void A_damaged_file_is_named_and_rebuilt(string damage)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var file = folder.File($"counting-{Fingerprint[..16]}.safetensors");
        new CachedText(new Counting(), damage == "other weights" ? Fingerprint + "4" : Fingerprint, folder.Path).Encode(["a coat"]);
        var bytes = File.ReadAllBytes(file);
        if (damage == "one byte") bytes[^5000] ^= 1;
        if (damage == "one byte of the captions") bytes[bytes.AsSpan().IndexOf("a coat"u8) + 2] = (byte)'b';
        File.WriteAllBytes(file, damage switch { "cut" => bytes[..^100], "empty" => [], _ => bytes });
        var notes = new List<string>();
        var inner = new Counting();

        var cached = new CachedText(inner, Fingerprint, folder.Path, notes.Add);
        var x = cached.Encode(["a coat"]);

        Assert.True(x.Equals(new HashedText().Encode(["a coat"])));
        Assert.Equal(["a coat"], inner.Seen);
        Assert.StartsWith($"{file}: the text cache is damaged and will be rebuilt (", Assert.Single(notes), StringComparison.Ordinal);
        Assert.True(x.Equals(new CachedText(new Counting(), Fingerprint, folder.Path, notes.Add).Encode(["a coat"])));
        Assert.Single(notes);
    }

    [Fact]
    public void A_cache_that_cannot_be_written_does_not_stop_the_work()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "");
        var notes = new List<string>();

        var x = new CachedText(new Counting(), Fingerprint, folder.File("file"), notes.Add).Encode(["a coat"]);

        Assert.True(x.Equals(new HashedText().Encode(["a coat"])));
        Assert.Contains("is not saved", Assert.Single(notes), StringComparison.Ordinal);
    }

    private static void Same(TextFeatures a, TextFeatures b)
    {
        Assert.True(a.Pooled.Equals(b.Pooled));
        Assert.True(a.Tokens!.Equals(b.Tokens!));
        Assert.True(a.Mask!.Equals(b.Mask!));
    }

    private sealed class Counting : ITextEncoder
    {
        private readonly HashedText hashed = new();

        public List<string> Seen { get; } = [];

        public string Name => "counting";

        public int Dim => hashed.Dim;

        public Tensor Encode(IReadOnlyList<string> captions) => EncodeTokens(captions).Pooled;

        public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
        {
            Seen.AddRange(captions);
            return hashed.EncodeTokens(captions);
        }
    }
}
