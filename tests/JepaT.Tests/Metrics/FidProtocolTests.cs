using JepaT.Lab;

namespace JepaT.Tests;

public sealed class FidProtocolTests
{
    // 30 pictures, of which 3 share caption 0, and the others have one each.
    private static readonly int[] Captions = [0, 0, 0, .. Enumerable.Range(1, 27)];

    [Theory]
    [InlineData(7)]
    [InlineData(30)]
    [InlineData(95)]
    public void Captions_are_drawn_without_replacement_each_pass_over_all_pictures(int count)
    {
        var drawn = Drawn(count, seed: 4);

        Assert.Equal(count, drawn.Count);
        foreach (var pass in drawn.Chunk(30).Where(p => p.Length == 30)) Assert.Equal(Captions, pass.Order());
        Assert.All(drawn.Chunk(30).SelectMany(pass => pass.GroupBy(c => c)), g => Assert.InRange(g.Count(), 1, g.Key == 0 ? 3 : 1));
        Assert.NotEqual(drawn.Order(), drawn);
    }

    [Fact]
    public void Passes_differ_and_all_follow_from_the_seed()
    {
        var drawn = Drawn(60, seed: 4);

        Assert.NotEqual(drawn[..30], drawn[30..]);
        Assert.Equal(drawn, Drawn(60, seed: 4));
        Assert.Equal(drawn[..7], Drawn(7, seed: 4));
        Assert.NotEqual(drawn, Drawn(60, seed: 5));
    }

    [Fact]
    public void Drawn_captions_say_so()
    {
        Assert.Equal(PromptChoice.Captions, FidProtocol.OfCaptions(Captions, 7, seed: 0).Prompts);
        Assert.Equal(PromptChoice.Classes, new FidProtocol().Prompts);
    }

    private static List<int> Drawn(int count, int seed)
    {
        var protocol = FidProtocol.OfCaptions(Captions, count, seed);
        return [.. Enumerable.Range(0, protocol.Count).Select(protocol.PromptOf)];
    }
}
