using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace JepaT.Notebooks;

/// <summary>
/// A cell can hold no namespace, a file can. Imported, its types stand where those of cells stand, in no namespace, and what refers to one
/// that was taken away does so no more.
/// </summary>
internal sealed class Namespaces
{
    private readonly HashSet<string> gone = [];

    /// <summary>The file's text without its namespaces; no line moves.</summary>
    public string Unwrap(string text)
    {
        // As a script: that is what it will be, with directives and statements.
        var tree = SubmissionChain.Parse(text);
        var root = tree.GetRoot();
        var spans = new List<TextSpan>();
        foreach (var one in root.DescendantNodes().OfType<BaseNamespaceDeclarationSyntax>())
        {
            var outer = one.Ancestors().OfType<BaseNamespaceDeclarationSyntax>().Select(n => n.Name.ToString()).Reverse();
            gone.Add(string.Join('.', outer.Append(one.Name.ToString())));
            if (one is NamespaceDeclarationSyntax block) spans.AddRange([TextSpan.FromBounds(one.NamespaceKeyword.SpanStart, block.OpenBraceToken.Span.End), block.CloseBraceToken.Span, block.SemicolonToken.Span]);
            else if (one is FileScopedNamespaceDeclarationSyntax whole) spans.Add(TextSpan.FromBounds(one.NamespaceKeyword.SpanStart, whole.SemicolonToken.Span.End));
        }
        spans.AddRange(root.DescendantNodes().OfType<UsingDirectiveSyntax>().Where(u => u.Alias is null && u.StaticKeyword.IsKind(SyntaxKind.None) && gone.Contains(u.Name?.ToString() ?? "")).Select(u => u.Span));
        return spans.Aggregate(text, (code, span) => Directives.Blank(code, span.Start, span.End));
    }
}
