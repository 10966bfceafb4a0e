using System.IO.Compression;
using System.Text.Json;
using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class ClipTokenizerTests
{
    // Two for all tests: making one takes half a second.
    private static readonly ClipTokenizer Straight = new(), Curly = new(straightQuotes: false);

    [Fact]
    [Trait("Category", "Golden")]
    public void Every_golden_text_has_the_golden_ids()
    {
        using var golden = new Golden("tokenizer");
        var context = golden.Json.GetProperty("context").GetInt32();
        var texts = golden.Json.GetProperty("texts").EnumerateArray().Select(t => t.GetString()!).ToList();
        var untruncated = golden.Json.GetProperty("untruncated").EnumerateArray().Select(n => n.GetInt32());

        Assert.Equal(golden.Json.GetProperty("sot").GetInt32(), Curly.StartId);
        Assert.Equal(golden.Json.GetProperty("eot").GetInt32(), Curly.EndId);
        Assert.Equal(Rows(golden["ids"]), texts.Select(t => Padded(Curly, t, context)));
        Assert.Equal(Rows(golden["ids_uncurled"]), texts.Select(t => Padded(Straight, t, context)));
        Assert.Equal(untruncated, texts.Select(t => Curly.Encode(t).Count + 2));
    }

    /// <summary>
    /// 300 texts of random words, contractions, HTML references, white space, symbols and letters of all planes, with the ids that the
    /// Python reference gives them (regex 2022.10.31, Unicode 14, no ftfy).
    /// </summary>
    [Fact]
    public void Strange_texts_have_the_ids_of_the_Python_reference()
    {
        using var file = JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Text", "clip-texts.json")));
        var wrong = new List<string>();

        foreach (var row in file.RootElement.EnumerateArray())
        {
            var text = row.GetProperty("text").GetString()!;
            if (!row.GetProperty("ids").EnumerateArray().Select(i => i.GetInt32()).SequenceEqual(Curly.Encode(text))) wrong.Add(JsonSerializer.Serialize(text));
        }

        Assert.Equal(300, file.RootElement.GetArrayLength());
        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("&amp;&lt &notit; &notin; &NotEqualTilde; &hearts;", "&< ¬it; ∉ \u2242\u0338 ♥")]
    [InlineData("&#39;&#x27;&#X27&#128;&#0;&#xD800;&#1114112;&#99999999999;", "'''€\uFFFD\uFFFD\uFFFD\uFFFD")]
    [InlineData("&#1;&#13;&#xFFFE;&#xFDD0;&#x1F600;&#;&#x;&;& &unknown;", "\r😀&#;&#x;&;& &unknown;")]
    public void References_are_resolved_as_by_Python(string html, string text) => Assert.Equal(text, ClipCleaning.Unescape(html));

    [Theory]
    [InlineData("İSTANBUL Kelvin K ẞ", "i\u0307stanbul kelvin k ß")]
    [InlineData("ΟΔΥΣΣΕΥΣ ΣΑΣ. Σ ΑΣ\u0301 ΑΣ\u0301Α Α'Σ", "οδυσσευς σας. σ ας\u0301 ασ\u0301α α'ς")]
    [InlineData("𐐀 Ⅷ Ǆ", "𐐨 ⅷ ǆ")]
    public void Lower_case_is_that_of_Python(string text, string lower) => Assert.Equal(lower, ClipCleaning.Lower(text));

    [Fact]
    public void A_mark_that_the_original_loses_is_lost() => Assert.Equal(Curly.Encode("a b"), Curly.Encode("a\u0345b"));

    [Fact]
    public void Half_a_surrogate_pair_is_the_replacement_character() => Assert.Equal(Straight.Encode("\uFFFD cat"), Straight.Encode("\uD83D cat"));

    [Fact]
    public void The_vocabulary_of_the_user_gives_the_same_ids()
    {
        using var folder = new TemporaryFolder();
        var v = ClipVocabulary.Embedded();
        var lines = "header\n" + string.Join('\n', v.Merges) + "\n";
        File.WriteAllText(folder.File("merges.txt"), lines);
        File.WriteAllText(folder.File("vocab.json"), JsonSerializer.Serialize(v.Ids));
        using (var gz = new GZipStream(File.Create(folder.File("bpe_simple_vocab_16e6.txt.gz")), CompressionLevel.Fastest))
            gz.Write(System.Text.Encoding.UTF8.GetBytes(lines + "not used\nby anyone\n"));

        foreach (var path in new[] { folder.Path, folder.File("merges.txt"), folder.File("bpe_simple_vocab_16e6.txt.gz") })
            Assert.Equal(v.Hash(), ClipVocabulary.Load(path).Hash());
    }

    [Theory]
    [InlineData("absent.txt", null, "missing")]
    [InlineData("few.txt", "header\na b\nc d\n", "it has 2 merges, wanted 48,894")]
    [InlineData("line.txt", "header\na b\nabc\nc d\n", "line 3 is not a pair")]
    [InlineData("plain.gz", "header\na b\n", "it is not gzip")]
    public void A_file_that_is_no_vocabulary_is_named_in_one_line(string name, string? content, string why)
    {
        using var folder = new TemporaryFolder();
        if (content is not null) File.WriteAllText(folder.File(name), content);

        var e = Assert.Throws<UserException>(() => new ClipTokenizer(folder.File(name)));

        Assert.StartsWith(folder.File(name) + ": ", e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.Contains("https://github.com/openai/CLIP", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_vocab_json_that_does_not_fit_its_merges_is_refused()
    {
        using var folder = new TemporaryFolder();
        var v = ClipVocabulary.Embedded();
        File.WriteAllText(folder.File("merges.txt"), "header\n" + string.Join('\n', v.Merges));
        File.WriteAllText(folder.File("vocab.json"), """{"a": 0}""");

        var e = Assert.Throws<UserException>(() => new ClipTokenizer(folder.Path));

        Assert.Contains("vocab.json: not a vocabulary of CLIP: it lacks '!'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_vocab_json_with_an_id_twice_is_refused()
    {
        using var folder = new TemporaryFolder();
        var v = ClipVocabulary.Embedded();
        File.WriteAllText(folder.File("merges.txt"), "header\n" + string.Join('\n', v.Merges));
        File.WriteAllText(folder.File("vocab.json"), JsonSerializer.Serialize(new Dictionary<string, int>(v.Ids) { ["photo</w>"] = 5 }));

        var e = Assert.Throws<UserException>(() => new ClipTokenizer(folder.Path));

        Assert.StartsWith($"{folder.File("vocab.json")}: not a vocabulary of CLIP: '{v.Ids.First(x => x.Value == 5).Key}' and 'photo</w>' have the same id 5", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    private static int[] Padded(ClipTokenizer tokenizer, string text, int context)
    {
        var ids = tokenizer.Tokenize(text, context);
        return [.. ids, .. Enumerable.Repeat(0, context - ids.Length)];
    }

    private static IEnumerable<int[]> Rows(Tensor ids)
    {
        var all = ids.data<long>().Select(i => (int)i).ToArray();
        return all.Chunk((int)ids.shape[1]);
    }
}
