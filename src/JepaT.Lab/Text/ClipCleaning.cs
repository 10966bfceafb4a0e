using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using AngleSharp.Html;

namespace JepaT.Lab;

/// <summary>
/// What CLIP does to a text before it is cut into words, character for character as Python does it: HTML unescaping, lower case.
/// </summary>
/// <remarks>
/// .NET's own functions differ: <c>WebUtility.HtmlDecode</c> knows the 253 names of HTML 4, Python the 2,231 of HTML 5 (those of
/// AngleSharp) with and without semicolon; <c>ToLowerInvariant</c> knows neither İ nor the sigma that ends a word.
/// The original first mends mojibake with the Python package ftfy. Of that, only typographic quotes are made straight here; it
/// changes nothing else in ordinary captions.
/// </remarks>
internal static partial class ClipCleaning
{
    /// <summary>Windows-1252, 0x80 to 0x9F: what a numeric reference to a control character there means.</summary>
    private const string Windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008DŽ\u008F\u0090‘’“”•–—˜™š›œ\u009DžŸ";

    /// <summary>The text ready to be cut into words. White space is not collapsed: no word has any.</summary>
    public static string Clean(string text, bool straightQuotes)
    {
        if (straightQuotes) text = text.Replace('\u2018', '\'').Replace('\u2019', '\'').Replace('\u201C', '"').Replace('\u201D', '"');
        return Lower(Strip(Unescape(Unescape(text))));
    }

    /// <summary>Python's <c>html.unescape</c>.</summary>
    internal static string Unescape(string text) => text.Contains('&', StringComparison.Ordinal) ? Reference().Replace(text, Unescape) : text;

    private static string Unescape(Match match)
    {
        var s = match.Groups[1].Value;
        if (s[0] == '#') return Number(s);
        if (HtmlEntityProvider.Resolver.GetSymbol(s) is { } whole) return whole;
        for (var n = s.Length - 1; n > 1; n--)                                  // the longest name that needs no semicolon
            if (HtmlEntityProvider.Resolver.GetSymbol(s[..n]) is { } start)
                return start + s[n..];
        return match.Value;
    }

    private static string Number(string s)
    {
        var hex = s[1] is 'x' or 'X';
        var digits = s[(hex ? 2 : 1)..].TrimEnd(';').TrimStart('0');
        var n = digits.Length == 0 ? 0 : digits.Length > 7 ? int.MaxValue
            : int.Parse(digits, hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture);
        return n switch
        {
            13 => "\r",
            >= 0x80 and <= 0x9F => Windows1252[n - 0x80].ToString(),
            0 or >= 0xD800 and <= 0xDFFF or > 0x10FFFF => "\uFFFD",
            < 9 or 0xB or > 0xD and < 0x20 or 0x7F or >= 0xFDD0 and <= 0xFDEF => "",
            _ when (n & 0xFFFE) == 0xFFFE => "",
            _ => char.ConvertFromUtf32(n),
        };
    }

    /// <summary>Python's <c>str.strip</c>, to which four more control characters are white space.</summary>
    private static string Strip(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsSpace(text[start])) start++;
        while (end > start && IsSpace(text[end - 1])) end--;
        return text[start..end];

        static bool IsSpace(char c) => char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F';
    }

    /// <summary>Python's <c>str.lower</c>: full case mapping, which has one letter that becomes two and one that looks around.</summary>
    internal static string Lower(string text)
    {
        Rune[] runes = [.. text.EnumerateRunes()];
        var lower = new StringBuilder(text.Length);
        for (var i = 0; i < runes.Length; i++)
            lower.Append(runes[i].Value switch
            {
                'İ' => "i\u0307",
                'Σ' when EndsWord(runes, i) => "ς",
                _ => Rune.ToLowerInvariant(runes[i]).ToString(),
            });
        return lower.ToString();
    }

    /// <summary>A cased letter before and none after, whatever case-ignorable characters lie between (Unicode, Final_Sigma).</summary>
    private static bool EndsWord(Rune[] text, int at)
    {
        int before = at - 1, after = at + 1;
        while (before >= 0 && IsCaseIgnorable(text[before])) before--;
        while (after < text.Length && IsCaseIgnorable(text[after])) after++;
        return before >= 0 && IsCased(text[before]) && !(after < text.Length && IsCased(text[after]));
    }

    private static bool IsCased(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
        || rune.Value is 0xAA or 0xBA or >= 0x2160 and <= 0x217F or >= 0x24B6 and <= 0x24E9
            or >= 0x1F130 and <= 0x1F149 or >= 0x1F150 and <= 0x1F169 or >= 0x1F170 and <= 0x1F189;

    private static bool IsCaseIgnorable(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.ModifierLetter or UnicodeCategory.ModifierSymbol
        || rune.Value is '\'' or '.' or ':' or 0xB7 or 0x387 or 0x55F or 0x5F4 or 0x2018 or 0x2019 or 0x2024 or 0x2027
            or 0xFE13 or 0xFE52 or 0xFE55 or 0xFF07 or 0xFF0E or 0xFF1A;

    [GeneratedRegex(@"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)", RegexOptions.CultureInvariant)]
    private static partial Regex Reference();
}
