using Microsoft.CodeAnalysis;

namespace JepaT.Notebooks;

/// <summary>Code that does not compile.</summary>
internal sealed class CompilationFailedException(IEnumerable<Diagnostic> diagnostics) : Exception("the code does not compile")
{
    public IReadOnlyList<Diagnostic> Errors { get; } = [.. diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).OrderBy(d => d.Location.SourceSpan.Start)];
}
