using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Completion;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Host.Mef;
using Microsoft.CodeAnalysis.QuickInfo;
using Microsoft.CodeAnalysis.Text;

namespace JepaT.Notebooks;

/// <summary>What could be typed in place of the characters from start to end.</summary>
internal sealed record Completions(int Start, int End, IReadOnlyList<CompletionEntry> Items);

/// <summary>One of them; <paramref name="Kind"/> is method, property, class, keyword, …</summary>
internal sealed record CompletionEntry(string Text, string Kind);

/// <summary>
/// Helps with typing, by Roslyn's services for editors: each submission is a project of a solution that is made anew when cells have run.
/// </summary>
internal sealed class Assistant(SubmissionChain chain, References references)
{
    private readonly AdhocWorkspace workspace = new(MefHostServices.DefaultHost);
    private readonly Lock gate = new();
    private IReadOnlyList<Submission>? known;
    private Solution? solution;

    public async Task<Completions> CompleteAsync(string code, int position)
    {
        var line = code.AsSpan(0, position)[(code.AsSpan(0, position).LastIndexOf('\n') + 1)..].ToString();
        if (line.StartsWith("#!", StringComparison.Ordinal) && !line.Contains(' '))
            return new(position - line.Length, position, [.. Directives.Known.Where(d => d.StartsWith(line, StringComparison.Ordinal)).Select(d => new CompletionEntry(d, "keyword"))]);
        if (!IsCode(code, position))
        {
            const string reference = "#r \"", package = "nuget: ";
            var begun = line.StartsWith(reference, StringComparison.Ordinal) ? line[reference.Length..] : "?";
            return new(position - begun.Length, position, package.StartsWith(begun, StringComparison.Ordinal) ? [new(package, "keyword")] : []);
        }

        var (document, shift) = DocumentOf(code);
        var service = CompletionService.GetService(document)!;
        var list = await service.GetCompletionsAsync(document, position + shift(position));
        var start = list.Span.Start - shift(position);
        var typed = code[start..position];
        // Those with a description are types of namespaces that no using names: thousands, and they would not compile.
        var fitting = list.ItemsList.Where(i => i.InlineDescription.Length == 0 && i.FilterText.Contains(typed, StringComparison.OrdinalIgnoreCase));
        return new(start, start + list.Span.Length, [.. fitting.OrderBy(i => !i.FilterText.StartsWith(typed, StringComparison.OrdinalIgnoreCase)).ThenBy(i => i.SortText, StringComparer.Ordinal)
            .Select(i => new CompletionEntry(i.Properties.GetValueOrDefault("InsertionText") ?? i.DisplayText, i.Tags.FirstOrDefault("").ToLowerInvariant())).DistinctBy(i => i.Text)]);
    }

    private static bool IsCode(string code, int position)
    {
        var start = code.AsSpan(0, position).LastIndexOf('\n') + 1;
        var end = code.IndexOf('\n', position) is >= 0 and var next ? next : code.Length;
        return string.IsNullOrWhiteSpace(code[start..end]) || !string.IsNullOrWhiteSpace(Directives.CodeOf(code)[start..end]);
    }

    public async Task<string?> InspectAsync(string code, int position)
    {
        var (document, shift) = DocumentOf(code);
        position += shift(position);
        var hover = await QuickInfoService.GetService(document)!.GetQuickInfoAsync(document, position);
        if (hover is { Sections.Length: > 0 }) return string.Join("\n", hover.Sections.Select(s => s.Text));
        return Signatures((await document.GetSemanticModelAsync())!, (await document.GetSyntaxRootAsync())!, position);
    }

    // The overloads of the innermost call around a position; Roslyn's own service for them is not public.
    private static string? Signatures(SemanticModel model, SyntaxNode root, int position)
    {
        var call = root.FindToken(Math.Max(0, position - 1)).Parent?.AncestorsAndSelf().OfType<BaseArgumentListSyntax>().FirstOrDefault(a => a.SpanStart < position && (position <= a.Span.End - 1 || a.GetLastToken(includeZeroWidth: true).IsMissing))?.Parent;
        IEnumerable<ISymbol> methods = call switch
        {
            InvocationExpressionSyntax invocation => model.GetMemberGroup(invocation.Expression),
            BaseObjectCreationExpressionSyntax creation when model.GetTypeInfo(creation).Type is INamedTypeSymbol type => type.InstanceConstructors.Where(c => c.DeclaredAccessibility == Accessibility.Public),
            ElementAccessExpressionSyntax access when model.GetTypeInfo(access.Expression).Type is { } type => type.GetMembers().OfType<IPropertySymbol>().Where(p => p.IsIndexer),
            _ => [],
        };
        var lines = methods.Select(m => m.ToMinimalDisplayString(model, position)).ToList();
        return lines.Count == 0 ? null : string.Join("\n", lines);
    }

    // With the usings of earlier cells, which shift what follows them.
    private (Document, Func<int, int> Shift) DocumentOf(string code)
    {
        Solution before;
        lock (gate)
        {
            if (solution is null || !ReferenceEquals(known, chain.Submissions))
            {
                known = chain.Submissions;
                solution = known.Aggregate(workspace.CurrentSolution, (all, submission) => Add(all, submission.Tree.GetText()));
            }
            before = solution;
        }
        var tree = SubmissionChain.Parse(Directives.CodeOf(code));
        var first = tree.GetRoot().GetFirstToken(includeZeroWidth: true).SpanStart;
        var text = chain.WithUsings(tree).Tree.GetText();
        var now = Add(before, text);
        return (now.GetProject(now.ProjectIds[^1])!.Documents.Single(), position => position >= first ? text.Length - code.Length : 0);
    }

    private Solution Add(Solution before, SourceText text)
    {
        var id = ProjectId.CreateNewId();
        var name = $"Cell{before.ProjectIds.Count + 1}";
        var previous = before.ProjectIds.Count > 0 ? new[] { new ProjectReference(before.ProjectIds[^1]) } : [];
        var project = ProjectInfo.Create(id, VersionStamp.Create(), name, name, LanguageNames.CSharp, compilationOptions: SubmissionChain.OptionsFor(name), parseOptions: SubmissionChain.Script,
            projectReferences: previous, metadataReferences: references.All, isSubmission: true);
        return before.AddProject(project).AddDocument(DocumentInfo.Create(DocumentId.CreateNewId(id), name, sourceCodeKind: SourceCodeKind.Script, loader: TextLoader.From(TextAndVersion.Create(text, VersionStamp.Create()))));
    }
}
