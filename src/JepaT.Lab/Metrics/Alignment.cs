namespace JepaT.Lab;

/// <summary>
/// Prompt alignment of a group of pictures: the shares that show what was asked for, as the feature network's two heads see it.
/// A prompt without a colour ("a sneaker") asks for the item only: it does not count in <see cref="Colour"/>, and its item alone
/// decides in <see cref="Both"/>.
/// </summary>
/// <param name="Count">Pictures in the group.</param>
/// <param name="Item">Share whose item is as asked.</param>
/// <param name="Colour">Share of the pictures with a colour asked whose colour is as asked; null where none was asked.</param>
/// <param name="Both">Share where all that was asked is right.</param>
public sealed record Alignment(long Count, double Item, double? Colour, double Both)
{
    /// <summary>Alignment on pairs of item and colour that occur in training and on those that do not; null for a group without pictures.</summary>
    /// <param name="itemLogits">(N, items).</param>
    /// <param name="colourLogits">(N, colours).</param>
    /// <param name="items">(N) int64, asked items.</param>
    /// <param name="colours">(N) int64, asked colours, −1 where none was asked.</param>
    /// <param name="heldOut">Whether a pair (item, colour) never occurs in training; asked only with colours ≥ 0.</param>
    /// <exception cref="UserException">The lengths differ, or logits are not finite.</exception>
    public static (Alignment? Seen, Alignment? HeldOut) Compute(
        Tensor itemLogits, Tensor colourLogits, Tensor items, Tensor colours, Func<int, int, bool> heldOut)
    {
        Features.Require(itemLogits, "item logits", atLeast: 1);
        Features.Require(colourLogits, "colour logits", atLeast: 1);
        var n = itemLogits.shape[0];
        if (colourLogits.shape[0] != n || items.numel() != n || colours.numel() != n)
            throw new UserException($"alignment: {n} item posteriors, {colourLogits.shape[0]} colour posteriors, {items.numel()} asked items and {colours.numel()} asked colours do not belong together");
        using var scope = NewDisposeScope();
        var (askedItem, askedColour) = (Numbers(items), Numbers(colours));
        var (seenItem, seenColour) = (Numbers(itemLogits.argmax(1)), Numbers(colourLogits.argmax(1)));
        var pictures = Enumerable.Range(0, (int)n).Select(i => new Picture(
            askedColour[i] >= 0 && heldOut((int)askedItem[i], (int)askedColour[i]),
            askedItem[i] == seenItem[i],
            askedColour[i] >= 0 ? askedColour[i] == seenColour[i] : null)).ToLookup(p => p.HeldOut);
        return (Shares([.. pictures[false]]), Shares([.. pictures[true]]));
    }

    private static Alignment? Shares(List<Picture> pictures)
    {
        if (pictures.Count == 0) return null;
        var coloured = pictures.Where(p => p.Colour is not null).ToList();
        return new(
            pictures.Count,
            Share(pictures, p => p.Item),
            coloured.Count > 0 ? Share(coloured, p => p.Colour == true) : null,
            Share(pictures, p => p.Item && p.Colour != false));
    }

    private static double Share(List<Picture> pictures, Func<Picture, bool> right) => pictures.Count(right) / (double)pictures.Count;

    private static long[] Numbers(Tensor t) => t.detach().cpu().to(ScalarType.Int64).contiguous().data<long>().ToArray();

    /// <summary>Whether the pair is held out, and what came out right; no colour where none was asked.</summary>
    private readonly record struct Picture(bool HeldOut, bool Item, bool? Colour);
}
