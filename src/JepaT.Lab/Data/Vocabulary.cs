namespace JepaT.Lab;

/// <summary>A colour and a thing, by their numbers in <see cref="Vocabulary"/>.</summary>
public readonly record struct Pair(int Item, int Colour);

/// <summary>
/// The words of the default data set: the ten classes of Fashion-MNIST, eight colours to tint them with, and the 16 of the 80
/// pairs that never occur in a training or test picture, so that asking for them measures generalisation to new combinations.
/// </summary>
public static class Vocabulary
{
    /// <summary>The colour number of a picture that is not tinted.</summary>
    public const int NoColour = -1;

    private const int X = 1;

    /// <summary>Names of the classes 0 to 9 of Fashion-MNIST, as a person would say them.</summary>
    public static IReadOnlyList<string> Items { get; } =
        ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

    /// <summary>Names of the colours.</summary>
    public static IReadOnlyList<string> Colours { get; } = ["red", "orange", "yellow", "green", "cyan", "blue", "purple", "white"];

    /// <summary>
    /// Red, green and blue of each colour in [0, 1]. They differ in hue, not only in brightness: a tinted picture is grey × colour,
    /// so a dark bright-red and a bright dark-red would look alike.
    /// </summary>
    public static IReadOnlyList<IReadOnlyList<float>> Rgb { get; } =
    [
        [1.00f, 0.08f, 0.08f],
        [1.00f, 0.50f, 0.00f],
        [1.00f, 0.95f, 0.10f],
        [0.10f, 0.80f, 0.15f],
        [0.00f, 0.90f, 0.95f],
        [0.15f, 0.30f, 1.00f],
        [0.65f, 0.15f, 0.95f],
        [1.00f, 1.00f, 1.00f],
    ];

    // Each colour is held out for two things, each thing for one or two colours, so every word is well known from other pairs.
    private static readonly int[,] HeldOutTable =
    {
        // red, orange, yellow, green, cyan, blue, purple, white
        { 0, 0, 0, 0, X, 0, X, 0 },     // t-shirt
        { X, 0, 0, X, 0, 0, 0, 0 },     // trouser
        { 0, 0, X, 0, 0, 0, 0, X },     // pullover
        { 0, X, 0, 0, 0, X, 0, 0 },     // dress
        { X, 0, 0, 0, X, 0, 0, 0 },     // coat
        { 0, 0, X, 0, 0, 0, X, 0 },     // sandal
        { 0, X, 0, 0, 0, 0, 0, 0 },     // shirt
        { 0, 0, 0, X, 0, 0, 0, 0 },     // sneaker
        { 0, 0, 0, 0, 0, X, 0, 0 },     // bag
        { 0, 0, 0, 0, 0, 0, 0, X },     // ankle boot
    };

    /// <summary>All 80 pairs, item by item.</summary>
    public static IReadOnlyList<Pair> Pairs { get; } =
        [.. from item in Enumerable.Range(0, 10) from colour in Enumerable.Range(0, 8) select new Pair(item, colour)];

    /// <summary>The 64 pairs that occur in pictures.</summary>
    public static IReadOnlyList<Pair> SeenPairs { get; } = [.. Pairs.Where(p => !IsHeldOut(p.Item, p.Colour))];

    /// <summary>The 16 pairs that exist only as prompts.</summary>
    public static IReadOnlyList<Pair> HeldOutPairs { get; } = [.. Pairs.Where(p => IsHeldOut(p.Item, p.Colour))];

    /// <summary>Whether the pair never occurs in a picture. A picture without colour is never held out.</summary>
    public static bool IsHeldOut(int item, int colour) => colour != NoColour && HeldOutTable[item, colour] == X;

    /// <summary>The caption of a picture: <c>a red sneaker</c>, <c>an orange ankle boot</c>, without colour <c>a sneaker</c>.</summary>
    public static string Caption(int item, int colour = NoColour)
    {
        var words = colour == NoColour ? Items[item] : $"{Colours[colour]} {Items[item]}";
        return "aeiou".Contains(words[0], StringComparison.Ordinal) ? $"an {words}" : $"a {words}";
    }

    /// <summary>
    /// Reads a caption back, with or without article, in any case: <c>a Red sneaker</c> is (7, 0), <c>sneaker</c> is (7, -1).
    /// False where it is anything else.
    /// </summary>
    public static bool TryParse(string caption, out int item, out int colour)
    {
        var words = caption.ToLowerInvariant().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).AsSpan();
        if (words.Length > 0 && words[0] is "a" or "an") words = words[1..];
        colour = words.Length > 1 ? IndexOf(Colours, words[0]) : NoColour;
        if (colour != NoColour) words = words[1..];
        item = IndexOf(Items, string.Join(' ', words.ToArray()));
        if (item >= 0) return true;
        colour = NoColour;
        return false;
    }

    private static int IndexOf(IReadOnlyList<string> names, string name)
    {
        for (var i = 0; i < names.Count; i++)
            if (names[i] == name) return i;
        return -1;
    }
}
