using System.Globalization;
using Microsoft.CodeAnalysis;

namespace JepaT.Notebooks;

/// <summary>An error in the code of a cell, with the line that it is in.</summary>
internal sealed record CodeError(int Line, string Id, string Message, string Source);

/// <summary>Code that does not compile.</summary>
internal sealed class CompilationFailedException(string name, IReadOnlyList<CodeError> errors) : Exception(errors[0].Message)
{
    /// <summary>The cell's.</summary>
    public string Name => name;

    public IReadOnlyList<CodeError> Errors => errors;

    /// <param name="name">The cell's.</param>
    /// <param name="code">As the user wrote it.</param>
    /// <param name="diagnostics">What the compiler says.</param>
    public static CompilationFailedException Of(string name, string code, IEnumerable<Diagnostic> diagnostics)
    {
        var lines = code.Split('\n');
        return new(name, [.. diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error).OrderBy(d => d.Location.SourceSpan.Start).Select(d =>
        {
            var line = d.Location.GetLineSpan().StartLinePosition.Line;
            return new CodeError(line + 1, d.Id, d.GetMessage(CultureInfo.InvariantCulture), line < lines.Length ? lines[line].Trim() : "");
        })]);
    }
}
