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
        Assert.Equal([$"counting-{Fingerprint[..16]}.text"], Directory.GetFiles(folder.Path).Select(f => Path.GetFileName(f)));
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
    [InlineData("one byte of the head")]
    [InlineData("one byte of a record's head")]
    [InlineData("other weights")]
    [InlineData("empty")]
    public void A_damaged_file_is_named_and_rebuilt(string damage)
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var file = folder.File($"counting-{Fingerprint[..16]}.text");
        new CachedText(new Counting(), damage == "other weights" ? Fingerprint + "4" : Fingerprint, folder.Path).Encode(["a coat"]);
        var bytes = File.ReadAllBytes(file);
        if (damage == "one byte") bytes[^5000] ^= 1;
        if (damage == "one byte of the head") bytes[20] ^= 1;
        if (damage == "one byte of a record's head") bytes[50] ^= 1;
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
    public void What_stands_before_the_damage_is_used()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var file = folder.File($"counting-{Fingerprint[..16]}.text");
        new CachedText(new Counting(), Fingerprint, folder.Path).Encode(["a coat", "a bag", "a shoe"]);
        var bytes = File.ReadAllBytes(file);
        bytes[bytes.Length / 2] ^= 1;                                           // in the second
        File.WriteAllBytes(file, bytes);
        var (notes, first, second) = (new List<string>(), new Counting(), new Counting());

        var x = new CachedText(first, Fingerprint, folder.Path, notes.Add).EncodeTokens(["a coat", "a bag", "a shoe"]);
        new CachedText(second, Fingerprint, folder.Path, notes.Add).Encode(["a coat", "a bag", "a shoe"]);

        Same(new HashedText().EncodeTokens(["a coat", "a bag", "a shoe"]), x);
        Assert.Equal(["a bag"], first.Seen);
        Assert.Empty(second.Seen);
        Assert.Single(notes);
    }

    [Fact]
    public void Processes_append_in_turns_and_see_what_others_appended()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var inner = Enumerable.Range(0, 4).Select(_ => new Counting()).ToArray();
        var cached = inner.Select(i => new CachedText(i, Fingerprint, folder.Path, Assert.Fail)).ToArray();
        var own = Enumerable.Range(0, 4).Select(t => Enumerable.Range(0, 50).Select(i => $"bag {t} {i}").ToArray()).ToArray();

        Parallel.For(0, 4, t =>
        {
            foreach (var caption in own[t]) cached[t].Encode([caption]).Dispose();
        });
        var last = new Counting();
        var all = own.SelectMany(o => o).ToArray();
        Same(new HashedText().EncodeTokens(all), new CachedText(last, Fingerprint, folder.Path, Assert.Fail).EncodeTokens(all));
        cached[0].Encode(["bag 3 49"]);

        Assert.Empty(last.Seen);
        Assert.DoesNotContain("bag 3 49", inner[0].Seen);
    }

    [Fact]
    public void A_full_file_takes_no_more_and_is_said_once()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var notes = new List<string>();
        var most = 44 + 4 * (28 + 512 * 4 * 3);                                 // captions of two words

        var cached = new CachedText(new Counting(), Fingerprint, folder.Path, notes.Add, most);
        for (var i = 0; i < 6; i++) cached.EncodeTokens([$"bag {i}"]);
        var again = new Counting();
        var x = new CachedText(again, Fingerprint, folder.Path, notes.Add, most).EncodeTokens([.. Enumerable.Range(0, 6).Select(i => $"bag {i}")]);

        Assert.Equal(["bag 4", "bag 5"], again.Seen);
        Same(new HashedText().EncodeTokens([.. Enumerable.Range(0, 6).Select(i => $"bag {i}")]), x);
        Assert.Equal(2, notes.Count(n => n.Contains("takes no more", StringComparison.Ordinal)));
        Assert.True(new FileInfo(folder.File($"counting-{Fingerprint[..16]}.text")).Length <= most);
    }

    [Fact]
    public void Hundreds_of_thousands_of_captions_take_memory_for_some()
    {
        const int count = 420_000;
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        var captions = Enumerable.Range(0, count).Select(i => $"caption {i}").ToArray();
        var (first, second) = (new SmallText(), new SmallText());

        var cold = new CachedText(first, Fingerprint, folder.Path, Assert.Fail).Encode(captions);
        GC.KeepAlive(captions);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var kept = new CachedText(second, Fingerprint, folder.Path, Assert.Fail);
        var warm = kept.Encode(captions);
        var held = GC.GetTotalMemory(forceFullCollection: true) - before;

        Assert.Equal((count, 0), (first.Count, second.Count));
        Assert.Equal(CachedText.AtOnce, first.Most);
        Assert.True(cold.Equals(warm) && warm.Equals(new SmallText().Encode(captions)));
        Assert.True(new FileInfo(Directory.GetFiles(folder.Path).Single()).Length > count * 200L);
        Assert.InRange(held, 0, 100 * count);                                   // of 232 bytes for each
        GC.KeepAlive(kept);
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

    /// <summary>Width 4, twelve tokens: numbers that follow from the caption's hash.</summary>
    internal sealed class SmallText : ITextEncoder
    {
        public int Count { get; private set; }

        /// <summary>Most captions that were asked for at once.</summary>
        public int Most { get; private set; }

        public string Name => "small";

        public int Dim => 4;

        public Tensor Encode(IReadOnlyList<string> captions) => EncodeTokens(captions).Pooled;

        public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
        {
            (Count, Most) = (Count + captions.Count, Math.Max(Most, captions.Count));
            var numbers = captions.SelectMany(c => Enumerable.Range(0, 4).Select(k => k + (float)(HashedText.Fnv1a(System.Text.Encoding.UTF8.GetBytes(c)) % 100_003))).ToArray();
            var pooled = tensor(numbers, [captions.Count, 4]);
            return new(pooled, pooled.unsqueeze(1).repeat(1, 12, 1), tensor(Enumerable.Repeat(true, captions.Count * 12).ToArray(), [captions.Count, 12]));
        }
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
