using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace JepaT.Notebooks;

/// <summary>A part of a cell, run in order: code, a directive, or text in another language. Lines count from 1.</summary>
internal abstract record CellPart(int Line);

/// <summary>Code at the place where it is in the cell: all else is blank.</summary>
internal sealed record CodePart(string Code, int Line) : CellPart(Line);

/// <summary>A line such as <c>#!time</c> or <c>#r "nuget: Name, 1.0"</c>.</summary>
/// <param name="Name">Its first word.</param>
/// <param name="Argument">The rest of the line.</param>
/// <param name="Line">Its line.</param>
/// <param name="Conditional">Between <c>#if</c> and <c>#endif</c>, where it cannot be done: it would cut the code between them.</param>
internal sealed record DirectivePart(string Name, string Argument, int Line, bool Conditional = false) : CellPart(Line);

/// <summary>Text that is shown.</summary>
internal sealed record TextPart(string Mime, string Text, int Line) : CellPart(Line);

/// <summary>Finds the directives of a cell, by C#'s own rules: none in a string, a comment or code that is switched off.</summary>
internal static class Directives
{
    private static readonly Dictionary<string, string> Languages = new() { ["#!markdown"] = "text/markdown", ["#!html"] = "text/html" };

    private static readonly HashSet<string> Hoisted = ["#r", "#i", "#load"], CSharp = ["#!csharp", "#!c#"];

    /// <summary>All that a cell may contain.</summary>
    public static IReadOnlyList<string> Known { get; } =
        ["#!csharp", "#!html", "#!import", "#!markdown", "#!set", "#!share", "#!time", "#!who", "#!whos", "#i", "#load", "#r"];

    public static IEnumerable<CellPart> Split(string cell)
    {
        var at = 0;                             // what is before it has been handed out
        while (true)
        {
            var next = Find(cell, at);
            var code = next.FirstOrDefault(d => !d.Stays) is { Name: not null } end ? cell[..end.Start] : cell;
            foreach (var directive in next.TakeWhile(d => d.Start < code.Length))
            {
                if (!CSharp.Contains(directive.Name)) yield return new DirectivePart(directive.Name, directive.Argument, LineOf(cell, directive.Start), directive.Inside && !Hoisted.Contains(directive.Name));
                code = Blank(code, directive.Start, directive.End);
            }
            code = Blank(code, 0, at);
            if (!string.IsNullOrWhiteSpace(code)) yield return new CodePart(code, LineOf(cell, at));
            if (code.Length == cell.Length) yield break;

            var (name, argument, start, stop, _) = next.First(d => d.Start == code.Length);
            at = stop;
            if (Languages.TryGetValue(name, out var mime))
            {
                at = EndOfText(cell, stop);
                yield return new TextPart(mime, cell[stop..at].Trim('\r', '\n'), LineOf(cell, start));
            }
            else
            {
                yield return new DirectivePart(name, argument, LineOf(cell, start));
            }
        }
    }

    /// <summary>The cell with blanks in place of what is no code.</summary>
    public static string CodeOf(string cell)
    {
        var code = Blank(cell, 0, cell.Length).ToCharArray();
        foreach (var part in Split(cell).OfType<CodePart>())
            for (var i = 0; i < part.Code.Length; i++)
                if (part.Code[i] != ' ') code[i] = part.Code[i];
        return new(code);
    }

    private static List<Found> Find(string cell, int from)
    {
        var (found, depth) = (new List<Found>(), 0);
        foreach (var trivia in SubmissionChain.Parse(Blank(cell, 0, from)).GetRoot().DescendantTrivia())
        {
            if (trivia.GetStructure() is not DirectiveTriviaSyntax directive) continue;
            depth += directive switch { IfDirectiveTriviaSyntax => 1, EndIfDirectiveTriviaSyntax => -1, _ => 0 };
            if (!directive.IsActive) continue;
            var end = cell.AsSpan(trivia.SpanStart).IndexOfAny('\r', '\n') is >= 0 and var length ? trivia.SpanStart + length : cell.Length;
            var line = cell[trivia.SpanStart..end].Trim();
            var space = line.AsSpan().IndexOfAny(' ', '\t', '"');
            var name = space < 0 ? line : line[..space];
            if (name.StartsWith("#!", StringComparison.Ordinal) || Hoisted.Contains(name)) found.Add(new(name, space < 0 ? "" : line[space..].Trim(), trivia.SpanStart, end, depth > 0));
        }
        return [.. found.OrderBy(d => d.Start)];
    }

    // Other languages have other strings and comments: their text goes to the next line that names a language.
    private static int EndOfText(string cell, int from)
    {
        for (var at = from; at < cell.Length;)
        {
            var end = cell.IndexOf('\n', at) is >= 0 and var newline ? newline + 1 : cell.Length;
            var word = cell[at..end].Split((char[]?)null, 2, StringSplitOptions.RemoveEmptyEntries).FirstOrDefault("");
            if (at > from && (CSharp.Contains(word) || Languages.ContainsKey(word))) return at;
            at = end;
        }
        return cell.Length;
    }

    /// <summary>The text with blanks from one position to another; lines stay.</summary>
    internal static string Blank(string text, int from, int to) =>
        string.Create(text.Length, (text, from, to), static (span, all) =>
        {
            all.text.CopyTo(span);
            foreach (ref var c in span[all.from..Math.Min(all.to, span.Length)])
                if (c is not ('\r' or '\n')) c = ' ';
        });

    private static int LineOf(string text, int position) => text.AsSpan(0, position).Count('\n') + 1;

    private readonly record struct Found(string Name, string Argument, int Start, int End, bool Inside)
    {
        /// <summary>Whether the code around it stays one piece.</summary>
        public bool Stays => Inside || Hoisted.Contains(Name) || CSharp.Contains(Name);
    }
}
