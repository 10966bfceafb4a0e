using System.ComponentModel;
using System.Runtime.CompilerServices;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace JepaT.Notebooks;

/// <summary>
/// Puts a check for an interrupt into every loop and function of a cell, and between its statements, without moving a line. It costs a
/// read of a flag, and ends an endless loop at a place where nothing is half done. In functions it also looks whether there is stack left,
/// so that endless recursion is an exception like any other and not the end of the process. .NET's own way to abort a thread
/// (<c>ControlledExecution</c>) is no alternative: on Linux it ends the whole process as often as not.
/// </summary>
/// <remarks>
/// Left as they are: expression trees, which are data; finalizers, which no interrupt reaches; and the entry of static constructors, whose
/// type would be lost.
/// </remarks>
internal sealed class StopChecks
{
    private const string Calls = "global::JepaT.Notebooks.CellStop.", Check = Calls + "Check();", CheckEntry = Calls + "CheckEntry();", CheckAsyncEntry = Calls + "CheckAsyncEntry();";

    private readonly SemanticModel model;
    private readonly List<(TextChange Change, bool Closes)> changes = [];     // those that close a piece of code: the inner before the outer

    private StopChecks(SemanticModel model) => this.model = model;

    /// <summary>The code with its checks; as it is where it cannot be parsed, for the compiler to say why.</summary>
    public static CSharpCompilation Insert(CSharpCompilation code)
    {
        var tree = code.SyntaxTrees[0];
        if (tree.GetDiagnostics().Any(d => d.Severity == DiagnosticSeverity.Error)) return code;
        var checks = new StopChecks(code.GetSemanticModel(tree));
        checks.Visit((CompilationUnitSyntax)tree.GetRoot());
        var sorted = checks.changes.Select((c, i) => (c.Change, c.Closes, Order: c.Closes ? -i : i)).OrderBy(c => c.Change.Span.Start).ThenByDescending(c => c.Closes).ThenBy(c => c.Order);
        return code.ReplaceSyntaxTree(tree, tree.WithChangedText(tree.GetText().WithChanges(sorted.Select(c => c.Change))));
    }

    private void Visit(CompilationUnitSyntax root)
    {
        foreach (var statement in root.Members.Skip(1).Where(m => m is GlobalStatementSyntax or FieldDeclarationSyntax)) Open(statement.SpanStart, Check);
        foreach (var node in root.DescendantNodes())
            switch (node)
            {
                case WhileStatementSyntax loop: Body(loop.Statement, Check); break;
                case DoStatementSyntax loop: Body(loop.Statement, Check); break;
                case ForStatementSyntax loop: Body(loop.Statement, Check); break;
                case CommonForEachStatementSyntax loop: Body(loop.Statement, Check); break;
                case GotoStatementSyntax jump: Body(jump, Check); break;
                case AnonymousFunctionExpressionSyntax { Block: { } block } function: Body(block, Entry(function)); break;
                case AnonymousFunctionExpressionSyntax { ExpressionBody: { } value } function when !IsData(function): Lambda(function, value); break;
                case DestructorDeclarationSyntax: break;
                case ConstructorDeclarationSyntax maker when maker.Modifiers.Any(SyntaxKind.StaticKeyword): break;
                case BaseMethodDeclarationSyntax method: Function(method, method.Body, method.ExpressionBody, method.SemicolonToken); break;
                case LocalFunctionStatementSyntax method: Function(method, method.Body, method.ExpressionBody, method.SemicolonToken); break;
                case AccessorDeclarationSyntax accessor: Function(accessor, accessor.Body, accessor.ExpressionBody, accessor.SemicolonToken); break;
                case PropertyDeclarationSyntax { ExpressionBody: { } arrow } property: Getter(arrow, property.SemicolonToken); break;
                case IndexerDeclarationSyntax { ExpressionBody: { } arrow } indexer: Getter(arrow, indexer.SemicolonToken); break;
                // What a query calculates for each element is a function that has no place for statements.
                case WhereClauseSyntax clause when !IsData(clause): Pass(clause.Condition); break;
                case LetClauseSyntax clause when !IsData(clause): Pass(clause.Expression); break;
                case SelectClauseSyntax clause when !IsData(clause): Pass(clause.Expression); break;
                case GroupClauseSyntax clause when !IsData(clause): Pass(clause.ByExpression); break;
            }
    }

    private void Open(int position, string text) => changes.Add((new(new(position, 0), text), false));

    private void Close(int position, string text) => changes.Add((new(new(position, 0), text), true));

    private void Body(StatementSyntax statement, string check)
    {
        if (statement is BlockSyntax block)
        {
            Open(block.OpenBraceToken.Span.End, check);
            return;
        }
        Open(statement.SpanStart, "{" + check);
        Close(statement.Span.End, "}");
    }

    private void Function(SyntaxNode function, BlockSyntax? block, ArrowExpressionClauseSyntax? arrow, SyntaxToken semicolon)
    {
        if (block is not null) Body(block, Entry(function));
        else if (arrow is not null) Arrow(arrow, semicolon, "{" + Entry(function) + Return(model.GetDeclaredSymbol(function), arrow.Expression), "}");
    }

    private void Getter(ArrowExpressionClauseSyntax arrow, SyntaxToken semicolon) =>
        Arrow(arrow, semicolon, "{get{" + CheckEntry + (arrow.Expression is ThrowExpressionSyntax ? "" : "return "), "}}");

    private void Arrow(ArrowExpressionClauseSyntax arrow, SyntaxToken semicolon, string before, string after)
    {
        changes.Add((new(arrow.ArrowToken.Span, before), false));
        Close(semicolon.Span.End, after);
    }

    private void Lambda(AnonymousFunctionExpressionSyntax function, ExpressionSyntax value)
    {
        if (model.GetSymbolInfo(function).Symbol is not IMethodSymbol { ReturnType.TypeKind: not TypeKind.Error } symbol) return;       // the compiler will say why
        Open(value.SpanStart, "{" + Entry(function) + Return(symbol, value));
        Close(value.Span.End, ";}");
    }

    private void Pass(ExpressionSyntax value)
    {
        Open(value.SpanStart, Calls + "Pass(");
        Close(value.Span.End, ")");
    }

    private static string Entry(SyntaxNode function) => function switch
    {
        MemberDeclarationSyntax member => member.Modifiers,
        LocalFunctionStatementSyntax local => local.Modifiers,
        AnonymousFunctionExpressionSyntax anonymous => anonymous.Modifiers,
        _ => default,
    } is var modifiers && modifiers.Any(SyntaxKind.AsyncKeyword) ? CheckAsyncEntry : CheckEntry;

    private static string Return(ISymbol? function, ExpressionSyntax value) =>
        value is ThrowExpressionSyntax || function is not IMethodSymbol { ReturnsVoid: false } method || (method.IsAsync && method.ReturnType is INamedTypeSymbol { Arity: 0 }) ? "" : "return ";

    // Whether it is, or is part of, an expression tree: translated by some library, and not run.
    private bool IsData(SyntaxNode node) => node.AncestorsAndSelf().Any(n => n switch
    {
        LambdaExpressionSyntax lambda => model.GetTypeInfo(lambda).ConvertedType?.ContainingNamespace?.ToDisplayString() == "System.Linq.Expressions",
        QueryExpressionSyntax query => model.GetTypeInfo(query.FromClause.Expression).Type is { } source && source.AllInterfaces.Append(source).Any(i => i.Name == nameof(IQueryable)),
        _ => false,
    });
}

/// <summary>What the checks in cells call.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class CellStop
{
    // Each level that an exception leaves on its way out of async calls copies what it has gathered so far: of all that fits on the stack
    // that would take minutes. So much of it they may use.
    private const int MostOfAsyncCalls = 1 << 20;

    [ThreadStatic]
    private static nint Bottom;             // near which this thread's stack begins; it grows downwards

    private static volatile bool Any;       // some cell is to end

    /// <summary>The running cell's token.</summary>
    public static CancellationToken Token => RunningCell.Current?.AskForStop() ?? CancellationToken.None;

    /// <summary>Ends the code that calls it when its cell was interrupted.</summary>
    /// <exception cref="OperationCanceledException">It was.</exception>
    public static void Check()
    {
        if (Any) CheckThisCell();
    }

    /// <summary>The same at the entry of a function, where it also ends recursion that does not end by itself.</summary>
    /// <exception cref="InsufficientExecutionStackException">The stack is nearly used up.</exception>
    public static void CheckEntry()
    {
        Check();
        RuntimeHelpers.EnsureSufficientExecutionStack();
    }

    /// <summary>The same at the entry of an async function.</summary>
    /// <exception cref="InsufficientExecutionStackException">They call each other too deep without ever having to wait.</exception>
    public static unsafe void CheckAsyncEntry()
    {
        CheckEntry();
        byte here;
        var at = (nint)(&here);
        if (at > Bottom) Bottom = at;
        if (Bottom - at > MostOfAsyncCalls) throw new InsufficientExecutionStackException("Async functions call each other too deep without waiting for anything.");
    }

    /// <summary>The same where only an expression can stand.</summary>
    public static T Pass<T>(T value)
    {
        Check();
        return value;
    }

    /// <summary>Whether cells have to look at all; as long as not, a check costs next to nothing.</summary>
    internal static void Look(bool any) => Any = any;

    private static void CheckThisCell()
    {
        if (RunningCell.Current is { MustEnd: true } cell) throw new CellStoppedException(cell.Stopped);
    }
}

/// <summary>Ends the code of a cell that was interrupted; nobody is told of it a second time.</summary>
internal sealed class CellStoppedException(CancellationToken token) : OperationCanceledException("the cell was interrupted", token);
