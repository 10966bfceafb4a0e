using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>What a piece of a filter is.</summary>
internal enum FilterTokenKind { Name, DoubleQuoted, SingleQuoted, Number, Dot, Comparator, Order, Word, Open, Close, Comma, Other }

/// <summary>A piece of a filter, from <paramref name="Start"/> to before <paramref name="End"/>.</summary>
internal readonly record struct FilterToken(FilterTokenKind Kind, int Start, int End);

/// <summary>
/// Cuts filters and orders into pieces where MLflow's server does: its rules (those of sqlparse, a reader of SQL) in their order, as far
/// as they decide what a filter means. Hence, for example, <c>params.in</c> must be quoted, and <c>1e+3</c> is no number.
/// </summary>
internal static partial class FilterLexer
{
    /// <summary>The pieces without the spaces between them.</summary>
    public static List<FilterToken> Cut(string text)
    {
        var tokens = new List<FilterToken>();
        for (var at = 0; at < text.Length;)
        {
            var match = Token().Match(text, at);
            if (!match.Groups["Space"].Success) tokens.Add(new(KindOf(match), at, at + match.Length));
            at += match.Length;
        }
        return tokens;
    }

    /// <summary>Where a name that begins at a token ends: it, and what follows it after dots (or ::), without spaces. The same place where none begins.</summary>
    public static int NameAt(List<FilterToken> tokens, int at)
    {
        if (at >= tokens.Count || tokens[at].Kind is not (FilterTokenKind.Name or FilterTokenKind.DoubleQuoted)) return at;
        for (at++; at + 1 < tokens.Count && tokens[at].Kind == FilterTokenKind.Dot && tokens[at].Start == tokens[at - 1].End; at += 2)
            if (tokens[at + 1].Start != tokens[at].End || tokens[at + 1].Kind is not
                (FilterTokenKind.Name or FilterTokenKind.DoubleQuoted or FilterTokenKind.SingleQuoted)) break;
        return at;
    }

    private static FilterTokenKind KindOf(Match match)
    {
        foreach (var kind in Enum.GetValues<FilterTokenKind>())
            if (match.Groups[kind.ToString()].Success) return kind;
        return FilterTokenKind.Other;
    }

    // A word character is a letter or a number of any script, or _.
    private const string W = @"[\p{L}\p{N}_]", End = $"(?!{W})", Digits = "[0-9]";

    [GeneratedRegex(
        @"\G(?:"
        + @"(?<Space>\s+)"
        + "|(?<Name>`(?:``|[^`])*`)"
        + $"|(?<Word>(?:CASE|IN|VALUES|USING|FROM|AS){End})"
        + $"|(?<Name>[A-ZÀ-Ü]{W}*(?=\\s*\\.(?!{Digits})))"
        + $"|(?<Name>(?<=\\.)[A-ZÀ-Ü]{W}*)"
        + $"|(?<Word>-?0x[0-9A-F]+)"
        + $"|(?<Number>-?{Digits}+(?:\\.{Digits}+)?E-?{Digits}+)"
        + $"|(?<Number>-?(?:{Digits}+\\.{Digits}*|\\.{Digits}+|{Digits}+)(?![_A-ZÀ-Ü]))"
        + @"|(?<SingleQuoted>'(?:''|\\'|[^'])*')"
        + """|(?<DoubleQuoted>"(?:""|\\"|[^"])*")"""
        + $"|(?<Word>NOT\\s+NULL{End})"
        + $"|(?<Order>(?:ASC|DESC){End})"
        + $"|(?<Comparator>(?:NOT\\s+)?(?:LIKE|ILIKE|RLIKE|REGEXP){End})"
        + $"|(?<Word>(?:AND|OR|NOT|IS|NULL|BETWEEN){End}(?![$#]))"
        + $"|(?<Name>{W}[$#\\p{{L}}\\p{{N}}_]*)"
        + @"|(?<Comparator>[<>=~!]+)"
        + @"|(?<Dot>\.|::)|(?<Open>\()|(?<Close>\))|(?<Comma>,)"
        + @"|(?<Other>.))",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline)]
    private static partial Regex Token();
}
