using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class AlignmentTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void Seen_and_held_out_pairs_are_counted_apart()
    {
        //                     both    item    colour  neither | both   item
        long[] items /*  */ = [0, /**/ 1, /**/ 2, /**/ 3, /**/ 4, /**/ 4];
        long[] colours /**/ = [1, /**/ 1, /**/ 1, /**/ 0, /**/ 0, /**/ 0];
        long[] sawItem /**/ = [0, /**/ 1, /**/ 0, /**/ 0, /**/ 4, /**/ 4];
        long[] sawColour /**/ = [1, /**/ 0, /**/ 1, /**/ 1, /**/ 0, /**/ 1];

        var (seen, heldOut) = Alignment.Compute(Logits(sawItem, 5), Logits(sawColour, 2), tensor(items), tensor(colours), (item, _) => item == 4);

        Assert.Equal(new Alignment(4, Item: 0.5, Colour: 0.5, Both: 0.25), seen);
        Assert.Equal(new Alignment(2, Item: 1, Colour: 0.5, Both: 0.5), heldOut);
    }

    [Fact]
    public void A_prompt_without_colour_asks_for_the_item_only()
    {
        var (seen, heldOut) = Alignment.Compute(
            Logits([0, 1], 3), Logits([1, 1], 2), tensor(new long[] { 0, 2 }), tensor(new long[] { -1, -1 }), (_, _) => true);

        Assert.Equal(new Alignment(2, Item: 0.5, Colour: null, Both: 0.5), seen);
        Assert.Null(heldOut);
    }

    [Fact]
    public void Lengths_that_differ_are_refused()
    {
        var error = Assert.Throws<UserException>(() =>
            Alignment.Compute(zeros(3, 2), zeros(3, 2), tensor(new long[] { 0, 1 }), tensor(new long[] { 0, 1, 1 }), (_, _) => false));

        Assert.Contains("2 asked items", error.Message, StringComparison.Ordinal);
    }

    private static Tensor Logits(long[] classes, int count) => nn.functional.one_hot(tensor(classes), count).to(ScalarType.Float32);
}
