using JepaT.Lab;

namespace JepaT.Tests;

public sealed class VocabularyTests
{
    [Fact]
    public void Sixteen_pairs_are_held_out_two_a_colour_and_one_or_two_an_item()
    {
        Assert.Equal(80, Vocabulary.Pairs.Count);
        Assert.Equal(16, Vocabulary.HeldOutPairs.Count);
        Assert.Equal(64, Vocabulary.SeenPairs.Count);
        Assert.Empty(Vocabulary.SeenPairs.Intersect(Vocabulary.HeldOutPairs));
        Assert.All(Enumerable.Range(0, 8), c => Assert.Equal(2, Vocabulary.HeldOutPairs.Count(p => p.Colour == c)));
        Assert.All(Enumerable.Range(0, 10), i => Assert.InRange(Vocabulary.HeldOutPairs.Count(p => p.Item == i), 1, 2));
    }

    [Theory]
    [InlineData(7, 0, "a red sneaker")]
    [InlineData(9, 1, "an orange ankle boot")]
    [InlineData(9, 5, "a blue ankle boot")]
    [InlineData(9, -1, "an ankle boot")]
    [InlineData(0, -1, "a t-shirt")]
    public void Captions_have_the_right_article(int item, int colour, string caption) =>
        Assert.Equal(caption, Vocabulary.Caption(item, colour));

    [Fact]
    public void Every_caption_is_read_back_to_its_pair()
    {
        foreach (var (item, colour) in Vocabulary.Pairs.Concat(Enumerable.Range(0, 10).Select(i => new Pair(i, Vocabulary.NoColour))))
        {
            Assert.True(Vocabulary.TryParse(Vocabulary.Caption(item, colour).ToUpperInvariant(), out var i, out var c));
            Assert.Equal((item, colour), (i, c));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("a red")]
    [InlineData("a red hat")]
    [InlineData("a red blue sneaker")]
    [InlineData("sneaker red")]
    public void Other_prompts_are_no_captions(string prompt)
    {
        Assert.False(Vocabulary.TryParse(prompt, out var item, out var colour));
        Assert.Equal((-1, -1), (item, colour));
    }
}
