using System.Globalization;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// Text features without weights or downloads: words and their character trigrams, hashed into 512 signed features
/// (Weinberger et al. 2009). Captions that share words share features, words never seen share trigrams with words that were.
/// </summary>
/// <remarks>
/// A word is a run of letters, marks and digits, with hyphens and apostrophes inside; a symbol (an emoji) is a word; case does
/// not count. There is no Unicode normalisation: .NET has it only where ICU is installed, and features must not depend on that.
/// The word <c>red</c> has the features <c>w:red</c>, <c>t:#re</c>, <c>t:red</c>, <c>t:ed#</c>. A feature's FNV-1a hash h (64
/// bits, of its UTF-8) says where it goes, h mod 512, and its sign, + where bit 63 is 0. The word itself weighs 1 and its k
/// trigrams 1/√k each, so that a short colour counts as much as a long name. The order of words is not seen.
/// The vector is scaled to length √512, i.e. entries of mean square 1, as LayerNorm and the usual Linear initialisation assume:
/// with only some thirty of 512 entries set, AdamW's equal steps on every weight then move a Linear's output about as much as
/// with a dense CLIP vector (length about 10). At length 1 the Linear would hear little but its own bias at first.
/// </remarks>
public sealed class HashedText : ITextEncoder
{
    /// <summary>The longest caption in characters.</summary>
    public const int MaxLength = 1000;

    /// <inheritdoc/>
    public string Name => "hashed";

    /// <inheritdoc/>
    public int Dim => 512;

    /// <inheritdoc/>
    public void Check(IReadOnlyList<string> captions)
    {
        foreach (var caption in captions) WordsOf(caption);
    }

    /// <inheritdoc/>
    public Tensor Encode(IReadOnlyList<string> captions)
    {
        var rows = new float[captions.Count * Dim];
        for (var i = 0; i < captions.Count; i++) Encode(captions[i], rows.AsSpan(i * Dim, Dim));
        return tensor(rows, [captions.Count, Dim]);
    }

    /// <inheritdoc/>
    /// <remarks>A token is a word, with the features of a caption of that word alone.</remarks>
    public TextFeatures EncodeTokens(IReadOnlyList<string> captions)
    {
        var pooled = Encode(captions);
        var tokens = new List<float[]>();
        foreach (var caption in captions)
        {
            var words = Words(caption);
            var rows = new float[words.Count * Dim];
            for (var i = 0; i < words.Count; i++) Encode([words[i]], rows.AsSpan(i * Dim, Dim));
            tokens.Add(rows);
        }
        return TextPadding.Pad(pooled, tokens);
    }

    /// <summary>Refuses what no encoder takes.</summary>
    internal static void Require(string caption)
    {
        if (string.IsNullOrWhiteSpace(caption)) throw new UserException("the prompt is empty: say what to draw, e.g. \"a red sneaker\"");
        if (caption.Length > MaxLength)
            throw new UserException($"the prompt has {caption.Length} characters: shorten it to {MaxLength} at most");
    }

    private static void Encode(string caption, Span<float> row)
    {
        if (!Encode(WordsOf(caption), row)) throw new UserException($"the features of the prompt '{caption.Trim()}' cancel out: add a word");
    }

    private static List<Rune[]> WordsOf(string caption)
    {
        Require(caption);
        return Words(caption) is { Count: > 0 } words ? words : throw new UserException($"the prompt '{caption.Trim()}' has no word: say what to draw, e.g. \"a red sneaker\"");
    }

    /// <summary>False, and all zeros, where the features cancel out, as those of a rare single letter may.</summary>
    private static bool Encode(List<Rune[]> words, Span<float> row)
    {
        foreach (var word in words)
        {
            Add(row, "w:" + string.Concat(word), 1);
            Rune[] marked = [new('#'), .. word, new('#')];
            var count = marked.Length - 2;
            for (var i = 0; i < count; i++) Add(row, "t:" + string.Concat(marked.Skip(i).Take(3)), 1 / MathF.Sqrt(count));
        }
        double square = 0;
        foreach (var x in row) square += x * x;
        if (square == 0) return false;
        var scale = (float)Math.Sqrt(row.Length / square);
        foreach (ref var x in row) x *= scale;
        return true;
    }

    private static void Add(Span<float> row, string feature, float weight)
    {
        var h = Fnv1a(Encoding.UTF8.GetBytes(feature));
        row[(int)(h % (ulong)row.Length)] += h >> 63 == 0 ? weight : -weight;
    }

    /// <summary>The words of a caption in lower case; trigrams count whole characters, so a word is a list of runes.</summary>
    internal static List<Rune[]> Words(string caption)
    {
        List<Rune[]> words = [];
        List<Rune> word = [];
        void End()
        {
            while (word.Count > 0 && IsJoiner(word[^1])) word.RemoveAt(word.Count - 1);
            if (word.Count > 0) words.Add([.. word]);
            word.Clear();
        }
        foreach (var rune in caption.EnumerateRunes())
        {
            if (Rune.IsLetterOrDigit(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark)
                word.Add(Rune.ToLowerInvariant(rune));
            else if (IsJoiner(rune) && word.Count > 0)
                word.Add(rune);
            else
            {
                End();
                if (Rune.IsSymbol(rune)) words.Add([rune]);
            }
        }
        End();
        return words;
    }

    private static bool IsJoiner(Rune rune) => rune.Value is '-' or '\'';

    /// <summary>FNV-1a, 64 bits: the same on every machine and version, unlike <c>GetHashCode</c>.</summary>
    internal static ulong Fnv1a(ReadOnlySpan<byte> bytes)
    {
        var hash = 0xCBF29CE484222325;
        foreach (var b in bytes) hash = (hash ^ b) * 0x100000001B3;
        return hash;
    }
}
