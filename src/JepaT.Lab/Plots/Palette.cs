namespace JepaT.Lab;

/// <summary>How a preset is drawn: its colour, and for those who do not tell colours apart also a dash and a marker.</summary>
public sealed record PresetStyle(string Colour, string Dash, string Symbol);

/// <summary>
/// One style for each preset, the same in every chart and every report. The colours are those of Okabe and Ito (2008), which stay
/// distinct for colour-blind readers.
/// </summary>
public static class Palette
{
    private static readonly Dictionary<string, PresetStyle> Known = new()
    {
        ["none"] = new("#666666", "dot", "circle"),
        ["late"] = new("#E69F00", "dash", "square"),
        ["cross-attention"] = new("#0072B2", "dashdot", "diamond"),
        ["raw-text"] = new("#009E73", "longdash", "triangle-up"),
        ["full"] = new("#D55E00", "solid", "circle"),
        ["paper"] = new("#CC79A7", "longdashdot", "cross"),
    };

    private static readonly PresetStyle[] Spare =
    [
        new("#56B4E9", "solid", "star"), new("#000000", "dash", "x"), new("#B8A900", "dot", "hexagon"), new("#7B4EA3", "dashdot", "pentagon"),
        .. Known.Values,
    ];

    /// <summary>A style for each of the presets; those that the project does not define get the spare ones in order.</summary>
    public static IReadOnlyDictionary<string, PresetStyle> Of(IEnumerable<string> presets)
    {
        var spare = 0;
        return presets.ToDictionary(p => p, p => Known.TryGetValue(p, out var style) ? style : Spare[spare++ % Spare.Length]);
    }
}
