using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using Microsoft.CodeAnalysis;

namespace JepaT.Notebooks;

/// <summary>Errors as the writer of a cell wants to read them: cell and line, and no frames but the cell's own.</summary>
internal static class CellErrors
{
    public static CellError Of(Exception exception)
    {
        while (exception is AggregateException { InnerExceptions.Count: 1 } or TargetInvocationException { InnerException: not null }) exception = exception.InnerException!;
        return exception switch
        {
            CompilationFailedException failed => new("CompilationError", failed.Errors[0].GetMessage(CultureInfo.InvariantCulture), [.. failed.Errors.Select(Line)]),
            _ => new(exception.GetType().FullName!, exception.Message, [.. Frames(exception)]),
        };
    }

    private static string Line(Diagnostic error) => $"{Place(error.Location.GetLineSpan().Path, error.Location.GetLineSpan().StartLinePosition.Line + 1)}: {error.Id}: {error.GetMessage(CultureInfo.InvariantCulture)}";

    private static IEnumerable<string> Frames(Exception exception)
    {
        foreach (var frame in new StackTrace(exception, fNeedFileInfo: true).GetFrames())
            if (frame.GetFileName() is { } file && frame.GetMethod()?.Module.Assembly.IsCollectible == true) yield return Place(file, frame.GetFileLineNumber());
    }

    private static string Place(string name, int line) => string.Create(CultureInfo.InvariantCulture, $"{name}, line {line}");
}
