using System.Globalization;
using System.Text;
using Microsoft.ML.Tokenizers;

namespace JepaT.Lab;

/// <summary>The byte-level BPE tokenizer of CLIP (Radford et al. 2021): equal to the original's for every text.</summary>
/// <remarks>
/// The merging is Microsoft.ML.Tokenizers'. Cleaning and cutting into words are ours: the original's regular expression cannot be
/// handed to .NET, whose <c>\p{L}</c> sees half of a character beyond U+FFFF.
/// </remarks>
public sealed class ClipTokenizer
{
    /// <summary>Python's regular expressions, told to ignore case, take the long s for an s.</summary>
    private static readonly string[] Specials =
        [ClipVocabulary.Start, "<|ſtartoftext|>", ClipVocabulary.End, "'s", "'ſ", "'t", "'re", "'ve", "'m", "'ll", "'d"];

    /// <summary>The one mark that is a letter in capitals (Ι below): told to ignore case, the expression finds it nowhere.</summary>
    private const int LostMark = 0x345;

    private readonly BpeTokenizer bpe;
    private readonly bool straightQuotes;

    /// <param name="vocabulary">
    /// A folder with vocab.json and merges.txt, or the original's bpe_simple_vocab_16e6.txt.gz; null or empty for the one that comes
    /// with JepaT, which is the same.
    /// </param>
    /// <param name="straightQuotes">Makes typographic quotes straight first, as the original does.</param>
    /// <exception cref="UserException">The vocabulary is missing or none.</exception>
    public ClipTokenizer(string? vocabulary = null, bool straightQuotes = true)
    {
        var v = string.IsNullOrEmpty(vocabulary) ? ClipVocabulary.Embedded() : ClipVocabulary.Load(vocabulary);
        this.straightQuotes = straightQuotes;
        Fingerprint = $"{v.Hash()} {(straightQuotes ? "straight" : "curly")}";
        (StartId, EndId, Size) = (v.Ids[ClipVocabulary.Start], v.Ids[ClipVocabulary.End], v.Ids.Count);
        bpe = BpeTokenizer.Create(new BpeOptions(v.Ids) { Merges = v.Merges, ByteLevel = true, EndOfWordSuffix = "</w>" });
    }

    /// <summary>The id that begins a text.</summary>
    public int StartId { get; }

    /// <summary>The id that ends a text, whose place the pooled vector is read at.</summary>
    public int EndId { get; }

    /// <summary>How many ids there are.</summary>
    public int Size { get; }

    /// <summary>Tells two tokenizers apart.</summary>
    internal string Fingerprint { get; }

    /// <summary>The ids of a text without the markers around it.</summary>
    public IReadOnlyList<int> Encode(string text)
    {
        List<int> ids = [];
        foreach (var word in Words(ClipCleaning.Clean(text, straightQuotes)))
            if (word == ClipVocabulary.Start) ids.Add(StartId);
            else if (word == ClipVocabulary.End) ids.Add(EndId);
            else ids.AddRange(bpe.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false));
        return ids;
    }

    /// <summary>As the network takes it: start, ids, end; one too long for the context is cut and keeps its end, or is refused.</summary>
    /// <exception cref="UserException">It is too long, and such are to be refused.</exception>
    public int[] Tokenize(string text, int context = 77, bool refuseLong = false)
    {
        var ids = Encode(text);
        if (refuseLong && ids.Count > context - 2)
            throw new UserException($"the prompt '{(text.Length > 40 ? text[..40] + "…" : text)}' has {ids.Count + 2} tokens, CLIP takes {context}: shorten it, or set errata.long_prompts_fail to false");
        return [StartId, .. ids.Take(context - 2), EndId];
    }

    /// <summary>
    /// The original's <c>&lt;\|startoftext\|>|&lt;\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+</c> on a
    /// text in lower case.
    /// </summary>
    internal static IEnumerable<string> Words(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var (kind, length) = At(text, i);
            if (kind == Kind.Other && Special(text.AsSpan(i)) is > 0 and var special) length = special;
            else if (kind is Kind.Letter or Kind.Other)
                while (i + length < text.Length && At(text, i + length) is var next && next.Kind == kind)
                    length += next.Length;
            if (kind != Kind.Space) yield return text.Substring(i, length);
            i += length;
        }
    }

    private enum Kind { Letter, Number, Space, Other }

    private static (Kind Kind, int Length) At(string text, int i)
    {
        var rune = Rune.GetRuneAt(text, i);
        var kind = Rune.GetUnicodeCategory(rune) switch
        {
            <= UnicodeCategory.OtherLetter => Kind.Letter,
            UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber => Kind.Number,
            _ => Rune.IsWhiteSpace(rune) || rune.Value == LostMark ? Kind.Space : Kind.Other,
        };
        return (kind, rune.Utf16SequenceLength);
    }

    /// <summary>The length of the marker or contraction at the start, 0 for none.</summary>
    private static int Special(ReadOnlySpan<char> text)
    {
        if (text[0] is not ('<' or '\'')) return 0;
        foreach (var special in Specials)
            if (text.StartsWith(special, StringComparison.Ordinal))
                return special.Length;
        return 0;
    }
}
