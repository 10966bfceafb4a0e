using System.Net;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace JepaT.Notebooks;

/// <summary>C# with its keywords, literals, comments, types and calls marked for colouring. By the syntax alone: half-finished code is fine.</summary>
internal static class CodeHtml
{
    private static readonly CSharpParseOptions Script = new(kind: SourceCodeKind.Script);

    /// <summary>The code as encoded HTML, its parts in spans of class k, s, n, c, d (directive), t (type) and f (call).</summary>
    public static string Of(string code)
    {
        var html = new StringBuilder();
        foreach (var token in CSharpSyntaxTree.ParseText(code, Script).GetRoot().DescendantTokens())
        {
            foreach (var trivia in token.LeadingTrivia) Append(trivia.ToFullString(), Kind(trivia));
            Append(token.Text, Kind(token));
            foreach (var trivia in token.TrailingTrivia) Append(trivia.ToFullString(), Kind(trivia));
        }
        return html.ToString();

        void Append(string text, string? kind)
        {
            if (text.Length == 0) return;
            if (kind is null) html.Append(WebUtility.HtmlEncode(text));
            else html.Append("<span class=\"").Append(kind).Append("\">").Append(WebUtility.HtmlEncode(text)).Append("</span>");
        }
    }

    private static string? Kind(SyntaxTrivia trivia) =>
        trivia.IsDirective ? "d"
        : trivia.Kind() is SyntaxKind.SingleLineCommentTrivia or SyntaxKind.MultiLineCommentTrivia or SyntaxKind.SingleLineDocumentationCommentTrivia
            or SyntaxKind.MultiLineDocumentationCommentTrivia ? "c" : null;

    private static string? Kind(SyntaxToken token) => token.Kind() switch
    {
        SyntaxKind.NumericLiteralToken => "n",
        SyntaxKind.StringLiteralToken or SyntaxKind.CharacterLiteralToken or SyntaxKind.SingleLineRawStringLiteralToken or SyntaxKind.MultiLineRawStringLiteralToken
            or SyntaxKind.InterpolatedStringStartToken or SyntaxKind.InterpolatedVerbatimStringStartToken or SyntaxKind.InterpolatedSingleLineRawStringStartToken
            or SyntaxKind.InterpolatedMultiLineRawStringStartToken or SyntaxKind.InterpolatedStringTextToken or SyntaxKind.InterpolatedStringEndToken
            or SyntaxKind.InterpolatedRawStringEndToken => "s",
        SyntaxKind.IdentifierToken when token.Text == "var" => "k",
        SyntaxKind.IdentifierToken => Name(token),
        _ when SyntaxFacts.IsKeywordKind(token.Kind()) => "k",
        _ => null,
    };

    // A name in the place of a type, or of what is called.
    private static string? Name(SyntaxToken token) => token.Parent switch
    {
        BaseTypeDeclarationSyntax => "t",
        SimpleNameSyntax { Parent: MemberAccessExpressionSyntax { Parent: InvocationExpressionSyntax call } access } name when access.Name == name && call.Expression == access => "f",
        SimpleNameSyntax { Parent: InvocationExpressionSyntax } => "f",
        SimpleNameSyntax { Parent: ObjectCreationExpressionSyntax or VariableDeclarationSyntax or ParameterSyntax or TypeArgumentListSyntax or BaseTypeSyntax or CastExpressionSyntax or ArrayTypeSyntax } => "t",
        _ => null,
    };
}
