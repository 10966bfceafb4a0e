using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class HashedTextTests
{
    private readonly HashedText encoder = new();

    [Theory]
    [InlineData("", 0xCBF29CE484222325)]
    [InlineData("a", 0xAF63DC4C8601EC8C)]
    [InlineData("foobar", 0x85944171F73967E8)]
    public void The_hash_is_Fnv_1a(string text, ulong hash) =>
        Assert.Equal(hash, HashedText.Fnv1a(System.Text.Encoding.UTF8.GetBytes(text)));     // values of the draft by its authors

    [Fact]
    public void A_caption_is_a_vector_of_512_numbers_of_mean_square_one()
    {
        using var scope = NewDisposeScope();

        var x = encoder.Encode(["a red sneaker", "ein völlig unbekanntes Wort", "赤い靴", "👟"]);

        Assert.Equal([4, 512], x.shape);
        Assert.Equal(ScalarType.Float32, x.dtype);
        Assert.True(x.square().mean([1L]).allclose(ones(4), atol: 1e-5));
    }

    [Fact]
    public void The_same_words_give_the_same_vector_whatever_the_case_spaces_and_company()
    {
        using var scope = NewDisposeScope();

        var alone = encoder.Encode(["a red sneaker"])[0];
        var x = encoder.Encode(["zebra", "  A Red\tSNEAKER. "]);

        Assert.True(alone.Equals(x[1]));
    }

    [Fact]
    public void A_token_is_a_word_with_the_features_it_has_alone()
    {
        using var scope = NewDisposeScope();

        var x = encoder.EncodeTokens(["A red sneaker.", "coat"]);

        Assert.True(x.Pooled.Equals(encoder.Encode(["a red sneaker", "coat"])));
        Assert.Equal([2, 3, 512], x.Tokens!.shape);
        Assert.Equal([true, true, true, true, false, false], x.Mask!.data<bool>());
        Assert.True(x.Tokens[0].Equals(encoder.Encode(["a", "red", "sneaker"])));
        Assert.True(x.Tokens[1, 0].Equals(encoder.Encode(["coat"])[0]));
        Assert.True(x.Tokens[1, 1..].Equals(zeros(2, 512)));
    }

    [Fact]
    public void A_bad_caption_is_named_in_both_forms()
    {
        foreach (var form in Enum.GetValues<TextForm>())
            Assert.Contains("has no word", Assert.Throws<UserException>(() => encoder.Encode(["coat", "..."], form)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Captions_that_share_words_share_features()
    {
        var both = Cosine("a red sneaker", "a red sneaker");
        var item = Cosine("a red sneaker", "a blue sneaker");
        var colour = Cosine("a red sneaker", "a red coat");
        var none = Cosine("red sneaker", "blue coat");

        Assert.Equal(1, both, 1e-5);
        Assert.InRange(item, 0.5, 0.85);
        Assert.InRange(colour, 0.5, 0.85);
        Assert.InRange(none, -0.25, 0.25);
    }

    [Fact]
    public void A_word_never_seen_is_near_its_relatives_only()
    {
        Assert.True(Cosine("sneakers", "sneaker") > 0.35);
        Assert.True(Cosine("sneakers", "trouser") < 0.2);
    }

    [Fact]
    public void No_two_captions_of_the_data_set_are_confused()
    {
        using var scope = NewDisposeScope();

        var x = Unit(Vocabulary.Pairs);

        Assert.True((x.mm(x.t()) - eye(80)).max().item<float>() < 0.9);
    }

    [Fact]
    public void A_linear_map_fitted_to_the_seen_pairs_reads_item_and_colour_off_the_pairs_held_out()
    {
        using var scope = NewDisposeScope();
        var seen = zeros(64, 18);
        foreach (var (pair, row) in Vocabulary.SeenPairs.Select((p, i) => (p, i)))
        {
            seen[row, pair.Item] = 1;
            seen[row, 10 + pair.Colour] = 1;
        }

        var read = Unit(Vocabulary.HeldOutPairs).mm(linalg.pinv(Unit(Vocabulary.SeenPairs), 1e-4)).mm(seen);        // (16, 18)

        Assert.Equal(Vocabulary.HeldOutPairs.Select(p => (long)p.Item), read[.., ..10].argmax(1).data<long>().ToArray());
        Assert.Equal(Vocabulary.HeldOutPairs.Select(p => (long)p.Colour), read[.., 10..].argmax(1).data<long>().ToArray());
    }

    [Fact]
    public void Case_does_not_count_in_any_alphabet() => Assert.Equal(1, Cosine("КРАСНЫЙ Σάκος", "красный σάκος"), 1e-5);

    [Theory]
    [InlineData("", "empty")]
    [InlineData(" \t\n", "empty")]
    [InlineData("?! …", "no word")]
    public void A_prompt_without_words_is_refused(string prompt, string why) =>
        Assert.Contains(why, Assert.Throws<UserException>(() => encoder.Encode(["a red bag", prompt])).Message, StringComparison.Ordinal);

    [Fact]
    public void A_prompt_above_a_thousand_characters_is_refused()
    {
        encoder.Encode([new string('x', 1000)]).Dispose();

        var error = Assert.Throws<UserException>(() => encoder.Encode([new string('x', 1001)])).Message;

        Assert.Contains("1001", error, StringComparison.Ordinal);
        Assert.Contains("1000", error, StringComparison.Ordinal);
    }

    private Tensor Unit(IReadOnlyList<Pair> pairs) =>
        encoder.Encode([.. pairs.Select(p => Vocabulary.Caption(p.Item, p.Colour))]) / MathF.Sqrt(512);

    [Fact]
    public void A_token_is_a_word_with_the_features_of_that_word_alone()
    {
        using var scope = NewDisposeScope();
        string[] captions = ["A red sneaker.", "coat"];

        var x = encoder.EncodeTokens(captions);

        Assert.True(x.Pooled.Equals(encoder.Encode(captions)));
        Assert.Equal([2, 3, 512], x.Tokens!.shape);
        Assert.True(x.Tokens[0].Equals(encoder.Encode(["a", "red", "sneaker"])));
        Assert.True(x.Tokens[1][0].Equals(encoder.Encode(["coat"])[0]));
        Assert.Equal(0, x.Tokens[1].narrow(0, 1, 2).abs().sum().item<float>());
        Assert.Equal([true, true, true, true, false, false], x.Mask!.data<bool>().ToArray());
    }

    [Fact]
    public void No_caption_has_no_tokens()
    {
        using var scope = NewDisposeScope();

        Assert.Equal([0, 512], encoder.EncodeTokens([]).Pooled.shape);
    }

    private double Cosine(string a, string b)
    {
        using var scope = NewDisposeScope();
        var x = encoder.Encode([a, b]);
        return nn.functional.cosine_similarity(x[0], x[1], 0).item<float>();
    }
}
