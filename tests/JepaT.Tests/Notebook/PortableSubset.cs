using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace JepaT.Tests;

/// <summary>A cell of a notebook: its kind, text and tags.</summary>
internal sealed record BookCell(string Id, string Kind, string Source, IReadOnlyList<string> Tags);

/// <summary>
/// The rules that a notebook must keep to run unchanged in our engine, .NET Interactive, ClrKernel and Verso, checked on the syntax tree of
/// each cell. What each host would make of a breach is said where the rule is.
/// </summary>
internal static partial class PortableSubset
{
    /// <summary>The first cell of all our notebooks; TorchSharp first, or some hosts load it twice.</summary>
    public const string FirstCell = """
        #r "nuget: TorchSharp-cpu, 0.107.0"
        #r "nuget: JepaT.Lab, 0.1.0"
        using System; using System.IO; using System.Linq; using System.Collections.Generic;
        using JepaT.Lab;
        Notebook.Start();
        """;

    /// <summary>C# 12 is the newest that all hosts compile (Verso).</summary>
    public static CSharpParseOptions Parse { get; } = new(LanguageVersion.CSharp12, kind: SourceCodeKind.Script);

    // Not in all hosts, or not with one meaning.
    private static readonly string[] Forbidden = ["display", "HTML", "Javascript", "CSS", "Display", "GetVariable", "SetVariable", "DisplayAs"];

    public static IReadOnlyList<BookCell> Read(string json) =>
        [.. JsonNode.Parse(json)!["cells"]!.AsArray().Select(c => new BookCell(
            (string?)c!["id"] ?? "", (string)c["cell_type"]!, string.Concat(c["source"]!.AsArray().Select(l => (string)l!)),
            c["metadata"]?["tags"] is JsonArray tags ? [.. tags.Select(t => (string)t!)] : []))];

    /// <summary>Everything that is not portable, as <c>cell: what</c>.</summary>
    public static IEnumerable<string> Breaches(IReadOnlyList<BookCell> cells)
    {
        foreach (var cell in cells.Where(c => c.Kind is not ("code" or "markdown"))) yield return $"{cell.Id}: a cell of kind '{cell.Kind}'";
        var code = cells.Where(c => c.Kind == "code").ToList();
        if (code.Count == 0 || code[0].Source != FirstCell) yield return "the first cell is not the common one";
        foreach (var breach in Parameters(code)) yield return breach;

        var names = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (var cell in code)
            foreach (var breach in Cell(cell, cell == code[0], names))
                yield return $"{cell.Id}: {breach}";
    }

    // Verso reads no tags and ClrKernel no comments, so a parameters cell has both, and takes each value from the environment.
    private static IEnumerable<string> Parameters(List<BookCell> code)
    {
        var tagged = code.Where(c => c.Tags.Contains("parameters")).ToList();
        if (tagged.Count != 1) yield return $"{tagged.Count} cells have the tag 'parameters'";
        foreach (var cell in tagged)
        {
            if (!cell.Source.StartsWith("// parameters\n", StringComparison.Ordinal)) yield return $"{cell.Id}: its first line is not '// parameters'";
            foreach (var line in cell.Source.Split('\n').Skip(1))
                if (Parameter().Match(line) is not { Success: true } match || match.Groups["variable"].Value != match.Groups["name"].Value)
                    yield return $"{cell.Id}: '{line}' is not var NAME = Notebook.Param(\"NAME\", DEFAULT);";
        }
    }

    private static IEnumerable<string> Cell(BookCell cell, bool first, Dictionary<string, string> names)
    {
        // An unknown magic is an error in one host, silently ignored in another, and a comment in none.
        foreach (var line in cell.Source.Split('\n').Where(l => l.TrimStart().StartsWith('#')))
            if (!first || !NuGetLine().IsMatch(line)) yield return $"the directive '{line.Trim()}'";
        var source = string.Join('\n', cell.Source.Split('\n').Select(l => l.TrimStart().StartsWith('#') ? "" : l));
        var tree = CSharpSyntaxTree.ParseText(source, Parse);
        foreach (var error in tree.GetDiagnostics().Where(d => d.Severity == DiagnosticSeverity.Error)) yield return $"is not C# 12: {error.GetMessage(null)}";
        foreach (var node in tree.GetRoot().DescendantNodes())
        {
            var breach = node switch
            {
                InvocationExpressionSyntax { Expression: IdentifierNameSyntax { Identifier.Text: var name } } when Forbidden.Contains(name) => $"{name}()",
                MemberAccessExpressionSyntax { Name.Identifier.Text: "Display" or "DisplayAs" } => "x.Display(), which returns a handle in some hosts only",
                AwaitExpressionSyntax => "an await: ClrKernel starts the next cell beside it",
                BaseNamespaceDeclarationSyntax => "a namespace",
                ParameterSyntax parameter when parameter.Modifiers.Any(SyntaxKind.ThisKeyword) => "an extension method",
                LocalDeclarationStatementSyntax declaration when declaration.UsingKeyword != default && declaration.Parent is GlobalStatementSyntax => "a top-level 'using var'",
                WhileStatementSyntax { Condition: LiteralExpressionSyntax } => "an endless loop: no host but ours can end it",
                LiteralExpressionSyntax literal when literal.Token.ValueText.StartsWith("@input", StringComparison.Ordinal) => "@input",
                _ => null,
            };
            if (breach is not null) yield return breach;
        }
        // A 'using' of a resource at the top level parses as a field of the script with a stray word, in some versions.
        if (TopLevelUsing().IsMatch(source)) yield return "a top-level 'using var'";
        foreach (var variable in tree.GetRoot().DescendantNodes().OfType<VariableDeclaratorSyntax>().Where(v => v.Parent?.Parent is FieldDeclarationSyntax or LocalDeclarationStatementSyntax { Parent: GlobalStatementSyntax }))
        {
            var name = variable.Identifier.Text;
            if (names.TryGetValue(name, out var other) && other != name) yield return $"'{name}' differs from '{other}' in case only";
            names.TryAdd(name, name);
        }
    }

    [GeneratedRegex(@"^var (?<variable>\w+) = Notebook\.Param\(""(?<name>\w+)"", (""[^""]*""|[0-9.]+|true|false)\);( *//.*)?$")]
    private static partial Regex Parameter();

    [GeneratedRegex(@"^#r ""nuget: [\w.-]+, [0-9.]+""$")]
    private static partial Regex NuGetLine();

    [GeneratedRegex(@"^using\s+(var|[\w.<>]+)\s+\w+\s*=", RegexOptions.Multiline)]
    private static partial Regex TopLevelUsing();
}
