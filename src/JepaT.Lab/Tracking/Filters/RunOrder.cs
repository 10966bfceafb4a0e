namespace JepaT.Lab;

/// <summary>One order of a search, e.g. <c>metrics.`eval/fid` DESC</c>, as MLflow's server 3.17.2 reads it.</summary>
internal sealed record RunOrder(FilterField Field, bool Ascending)
{
    /// <summary>Reads orders, the first being the strongest.</summary>
    /// <exception cref="UserException">One is none: the message names it and what is allowed.</exception>
    public static IReadOnlyList<RunOrder> Parse(IReadOnlyList<string> orders)
    {
        var seen = new HashSet<FilterField>();
        return [.. orders.Select(order => Parse(order) is var parsed && seen.Add(parsed.Field) ? parsed : throw Refused(order, "an earlier order names the same"))];
    }

    private static RunOrder Parse(string order)
    {
        var tokens = FilterLexer.Cut(order);
        var named = FilterLexer.NameAt(tokens, 0);
        // Before ASC or DESC the server takes `metrics.1` for a name; elsewhere .1 is a number.
        if (named == 1 && tokens.Count == 3 && tokens[1] is { Kind: FilterTokenKind.Number } key && key.Start == tokens[0].End && order[key.Start] == '.') named = 2;
        var ordered = named < tokens.Count && tokens[named].Kind == FilterTokenKind.Order;
        if (named == 0 || named == 2 && !ordered || named + (ordered ? 1 : 0) < tokens.Count || tokens[0].Start > 0 || tokens[^1].End < order.Length)
            throw Refused(order, "allowed is one name, with ASC or DESC behind it or nothing, and no spaces around: metrics.`eval/fid` DESC");
        var parts = tokens[..named].Select(token => order[token.Start..token.End]).ToList();
        if (parts.Any(part => FilterField.Bare(part, "`'\"").AsSpan().IndexOfAny("`'\"") >= 0)) throw Refused(order, "no key holds quotes");
        // With ASC or DESC the server drops all quotes, also those around entity and key together.
        var name = ordered ? string.Concat(parts.Select(part => FilterField.Bare(part, "`'\""))) : string.Concat(parts);
        var descending = ordered && order[tokens[named].Start..].Equals("DESC", StringComparison.OrdinalIgnoreCase);
        return new(FilterField.Parse(name, why => Refused(order, why), ordering: true), !descending);
    }

    private static UserException Refused(string order, string why) => new($"order by \"{MlflowRules.OneLine(order)}\": {MlflowRules.OneLine(why)}");
}
