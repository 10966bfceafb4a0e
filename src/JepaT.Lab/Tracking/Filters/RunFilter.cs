using System.Globalization;

namespace JepaT.Lab;

/// <summary>One comparison of a filter. Its value is text, texts (IN), a double, a long (a time) or null (IS NULL).</summary>
internal sealed record FilterClause(FilterField Field, string Comparator, object? Value);

/// <summary>
/// MLflow's filter language, as its server 3.17.2 reads it: comparisons joined by AND. What the server takes but can never find anything
/// (a key it would never store, a clause swallowed for want of an AND) is refused too.
/// </summary>
internal sealed class RunFilter
{
    private readonly string text;
    private readonly List<FilterToken> tokens;
    private readonly List<FilterClause> clauses = [];
    private int at, clauseStart;

    private RunFilter(string text) => (this.text, tokens) = (text, FilterLexer.Cut(text));

    /// <summary>The comparisons, of which all must hold.</summary>
    /// <exception cref="UserException">It is none: the message names the clause and what is allowed.</exception>
    public static IReadOnlyList<FilterClause> Parse(string? filter)
    {
        if (string.IsNullOrWhiteSpace(filter)) return [];
        var parser = new RunFilter(filter);
        while (parser.at < parser.tokens.Count)
            if (parser.Is("AND")) parser.at++;
            else parser.clauses.Add(parser.Clause());
        return parser.clauses;
    }

    private FilterClause Clause()
    {
        clauseStart = at;
        if (FilterLexer.NameAt(tokens, at) == at)
            throw Refuse($"'{Here}' cannot stand here: a filter is clauses such as metrics.loss < 0.5, params.k = 'text' or tags.k LIKE 'a%', "
                + "joined by AND, without OR, NOT, parentheses, BETWEEN, semicolons and comments");
        var field = FilterField.Parse(Name(), why => Refuse(why, at - 1));
        if (Kind == FilterTokenKind.Comparator)
        {
            var comparator = Here.ToUpperInvariant();
            CheckComparator(field, comparator);
            at++;
            return new(field, comparator, Value(field));
        }
        // Without AND the server would take the whole clause before this one for a part of the key.
        if (clauseStart > 0 && !WordAt(clauseStart - 1, "AND") && clauses[^1].Comparator != "IS NULL" && clauses[^1].Comparator != "IS NOT NULL")
            throw Refuse("AND is missing before it");
        if (Is("IS") && at + 1 < tokens.Count && (WordAt(at + 1, "NULL") || WordAt(at + 1, "NOT NULL"))) return NullTest(field);
        var isNot = Is("NOT");
        if (isNot) at++;
        if (Is("IN")) return List(field, isNot ? "NOT IN" : "IN");
        throw Refuse($"a comparison must follow the name: {Comparators(field)}");
    }

    private FilterClause NullTest(FilterField field)
    {
        var comparator = "IS " + Text(tokens[at + 1]).ToUpperInvariant();
        at += 2;
        return field.Entity is FilterEntity.Param or FilterEntity.Tag ? new(field, comparator, null)
            : throw Refuse("IS NULL and IS NOT NULL are for params and tags only");
    }

    private FilterClause List(FilterField field, string comparator)
    {
        if (field.Entity != FilterEntity.Dataset && field is not { Entity: FilterEntity.Attribute, Key: "run_id" })
            throw Refuse($"IN is for run_id and datasets.name|digest|context only; allowed here: {Comparators(field)}");
        at++;
        var values = new List<string>();
        for (var separator = FilterTokenKind.Open; Kind == separator; separator = FilterTokenKind.Comma)
        {
            at++;
            if (Kind is not (FilterTokenKind.SingleQuoted or FilterTokenKind.DoubleQuoted)) break;
            // Read by the server as Python reads it, where two strings side by side are one, and a backslash means something.
            var value = "";
            for (; Kind is FilterTokenKind.SingleQuoted or FilterTokenKind.DoubleQuoted; at++)
                value += Here[1..^1].Replace(new string(Here[0], 2), "", StringComparison.Ordinal);
            if (value.AsSpan().IndexOfAny('\\', '\n', '\r') >= 0) throw Refuse("a list may hold no backslash and no line break");
            values.Add(value);
        }
        if (values.Count == 0 || Kind != FilterTokenKind.Close) throw Refuse("IN wants a list of quoted texts: ('a', 'b')");
        at++;
        return new(field, comparator, values.ToArray());
    }

    private void CheckComparator(FilterField field, string comparator)
    {
        if (field.IsNumber ? comparator is not ("=" or "!=" or "<" or "<=" or ">" or ">=") : comparator is not ("=" or "!=" or "LIKE" or "ILIKE"))
            throw Refuse($"{comparator} is not allowed here: {Comparators(field)}");
    }

    private object Value(FilterField field)
    {
        if (at == tokens.Count) throw Refuse($"a value must follow: {Values(field)}");
        if (field.IsNumber)
        {
            if (Kind != FilterTokenKind.Number) throw Refuse($"{Here} is not allowed here: {Values(field)}");
            var number = Text(tokens[at++]);
            if (!field.IsTime || number.AsSpan().IndexOfAny(".eE") >= 0) return double.Parse(number, CultureInfo.InvariantCulture);
            return long.TryParse(number, CultureInfo.InvariantCulture, out var time) ? time : throw Refuse($"{number} is beyond 64 bits");
        }
        var value = Kind == FilterTokenKind.SingleQuoted ? Text(tokens[at++]) : Kind == FilterTokenKind.DoubleQuoted ? Name() : null;
        var bare = value is null ? null : FilterField.Bare(value, "'\"");
        return bare == value ? throw Refuse($"{value ?? Here} is not allowed here: {Values(field)}") : bare!;
    }

    private string Name()
    {
        var start = tokens[at].Start;
        at = FilterLexer.NameAt(tokens, at);
        return text[start..tokens[at - 1].End];
    }

    private static string Comparators(FilterField field) => field switch
    {
        { IsNumber: true } => "= != < <= > >= with a bare number",
        { Entity: FilterEntity.Param or FilterEntity.Tag } => "= != LIKE ILIKE with a quoted text, IS NULL, IS NOT NULL",
        { Entity: FilterEntity.Dataset } or { Key: "run_id" } => "= != LIKE ILIKE with a quoted text, IN and NOT IN with a list of them",
        _ => "= != LIKE ILIKE with a quoted text",
    };

    private static string Values(FilterField field) => field.IsNumber ? "a bare number such as 0.5, -1 or 1e-3 is" : "a quoted text such as 'late' is";

    private FilterTokenKind? Kind => at < tokens.Count ? tokens[at].Kind : null;

    private string Here => Text(tokens[at]);

    private string Text(FilterToken token) => text[token.Start..token.End];

    private bool Is(string word) => at < tokens.Count && WordAt(at, word);

    private bool WordAt(int index, string word) =>
        tokens[index].Kind == FilterTokenKind.Word && Text(tokens[index]).Equals(word, StringComparison.OrdinalIgnoreCase);

    private UserException Refuse(string why) => Refuse(why, Math.Min(at, tokens.Count - 1));

    private UserException Refuse(string why, int last)
    {
        var end = tokens[last].End;
        return new($"filter clause \"{MlflowRules.OneLine(text[tokens[clauseStart].Start..end])}\": {MlflowRules.OneLine(why)}");
    }
}
