using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Notebooks;

/// <summary>Whether a cell could be run as it is.</summary>
/// <param name="Status">complete, incomplete or invalid.</param>
/// <param name="Indent">With which spaces its next line would begin.</param>
internal sealed record Completeness(string Status, string Indent)
{
    public static Completeness Of(string cell)
    {
        if (Directives.Split(cell).LastOrDefault() is not CodePart code) return new("complete", "");
        var tree = SubmissionChain.Parse(code.Code);
        if (!SyntaxFactory.IsCompleteSubmission(tree)) return new("incomplete", new string(' ', 4 * Open(tree.GetRoot())));
        return new(tree.GetDiagnostics().Any(d => d.Severity == DiagnosticSeverity.Error) ? "invalid" : "complete", "");
    }

    private static int Open(SyntaxNode root) => Math.Max(0, root.DescendantTokens().Sum(t => t.IsMissing ? 0 : t.Kind() switch
    {
        SyntaxKind.OpenBraceToken => 1,
        SyntaxKind.CloseBraceToken => -1,
        _ => 0,
    }));
}
