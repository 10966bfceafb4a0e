using System.ComponentModel;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace JepaT.Notebooks;

/// <summary>
/// Puts a check for an interrupt into every loop and function of a cell, and between its statements, without moving a line. It costs a
/// read of a flag, and ends an endless loop at a place where nothing is half done. .NET's own way to abort a thread
/// (<c>ControlledExecution</c>) is no alternative: on Linux it ends the whole process as often as not.
/// </summary>
internal static class StopChecks
{
    private const string Check = "global::JepaT.Notebooks.CellStop.Check();";

    /// <summary>The code with its checks; as it is where it cannot be parsed, for the compiler to say why.</summary>
    public static SyntaxTree Insert(SyntaxTree tree)
    {
        if (tree.GetDiagnostics().Any(d => d.Severity == DiagnosticSeverity.Error)) return tree;
        var root = (CompilationUnitSyntax)tree.GetRoot();
        var changes = new List<TextChange>();
        foreach (var statement in root.Members.Skip(1).Where(m => m is GlobalStatementSyntax or FieldDeclarationSyntax)) Before(statement);
        foreach (var node in root.DescendantNodes())
            switch (node)
            {
                case WhileStatementSyntax loop: Body(loop.Statement); break;
                case DoStatementSyntax loop: Body(loop.Statement); break;
                case ForStatementSyntax loop: Body(loop.Statement); break;
                case CommonForEachStatementSyntax loop: Body(loop.Statement); break;
                case GotoStatementSyntax jump: Body(jump); break;
                case AnonymousFunctionExpressionSyntax { Block: { } block }: Body(block); break;
                case MethodDeclarationSyntax method: Function(method.Body, method.ExpressionBody, method.SemicolonToken, method.ReturnType, method.Modifiers); break;
                case LocalFunctionStatementSyntax method: Function(method.Body, method.ExpressionBody, method.SemicolonToken, method.ReturnType, method.Modifiers); break;
            }
        return tree.WithChangedText(tree.GetText().WithChanges(changes.OrderBy(c => c.Span.Start).ThenBy(c => c.Span.End)));

        void Before(SyntaxNode node) => changes.Add(new(new(node.SpanStart, 0), Check));

        void Body(StatementSyntax statement)
        {
            if (statement is BlockSyntax block)
            {
                changes.Add(new(new(block.OpenBraceToken.Span.End, 0), Check));
                return;
            }
            changes.Add(new(new(statement.SpanStart, 0), "{" + Check));
            changes.Add(new(new(statement.Span.End, 0), "}"));
        }

        void Function(BlockSyntax? block, ArrowExpressionClauseSyntax? arrow, SyntaxToken semicolon, TypeSyntax type, SyntaxTokenList modifiers)
        {
            if (block is not null) Body(block);
            if (arrow is null) return;
            var returns = arrow.Expression is not ThrowExpressionSyntax && type is not PredefinedTypeSyntax { Keyword.RawKind: (int)SyntaxKind.VoidKeyword }
                && !(modifiers.Any(SyntaxKind.AsyncKeyword) && type is not GenericNameSyntax and not QualifiedNameSyntax { Right: GenericNameSyntax });
            changes.Add(new(arrow.ArrowToken.Span, "{" + Check + (returns ? "return " : "")));
            changes.Add(new(semicolon.Span, ";}"));
        }
    }
}

/// <summary>What the checks in cells call.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class CellStop
{
    private static volatile bool Any;       // some cell is to end

    /// <summary>The running cell's token.</summary>
    public static CancellationToken Token => RunningCell.Current?.AskForStop() ?? CancellationToken.None;

    /// <summary>Ends the code that calls it when its cell was interrupted.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public static void Check()
    {
        if (Any) CheckThisCell();
    }

    /// <summary>Whether cells have to look at all; as long as not, a check costs next to nothing.</summary>
    internal static void Look(bool any) => Any = any;

    private static void CheckThisCell()
    {
        if (RunningCell.Current is { MustEnd: true } cell) throw new OperationCanceledException("the cell was interrupted", cell.Stopped);
    }
}
