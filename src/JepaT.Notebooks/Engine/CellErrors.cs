using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace JepaT.Notebooks;

/// <summary>
/// Errors as the writer of a cell wants to read them: what, in which cell and line, and no frames but the cell's own. The first line of a
/// traceback is the exception itself, since front ends show nothing else.
/// </summary>
internal static class CellErrors
{
    private static readonly object Place = new();

    /// <summary>Says where in a cell an error belongs that has no frame there, as that of a directive.</summary>
    public static void SetPlace(Exception exception, string name, int line) => exception.Data[Place] ??= At(name, line);

    public static CellError Of(Exception exception)
    {
        while (exception is AggregateException { InnerExceptions.Count: 1 } or TargetInvocationException { InnerException: not null }) exception = exception.InnerException!;
        if (exception is CompilationFailedException failed)
            return new("CompilationError", failed.Message, [$"CompilationError: {failed.Message}", .. failed.Errors.SelectMany(e => new[] { $"   {At(failed.Name, e.Line)}: {e.Id}: {e.Message}", $"      {e.Source}" })]);
        return new(exception.GetType().Name, exception.Message, [.. Lines(exception)]);
    }

    private static IEnumerable<string> Lines(Exception exception)
    {
        for (var (e, lead) = ((Exception?)exception, ""); e is not null; (e, lead) = (e is UserException ? null : e.InnerException, "caused by "))
        {
            yield return $"{lead}{e.GetType().Name}: {e.Message}";
            if (e.Data[Place] is string place) yield return $"   {place}";
            foreach (var frame in new StackTrace(e, fNeedFileInfo: true).GetFrames())
                if (frame.GetFileName() is { } file && frame.GetMethod() is { } method && method.Module.Assembly.IsCollectible) yield return $"   {At(file, frame.GetFileLineNumber())}{Function(method)}";
        }
    }

    // Functions of the cell by their names; the cell's own code, closures and state machines have none that anyone knows.
    private static string Function(MethodBase method)
    {
        var name = method.Name.StartsWith('<') || method.Name == "MoveNext" ? method.DeclaringType!.Name + method.Name : method.Name;
        var start = name.IndexOf('<') is >= 0 and var open && name.IndexOf('>') is >= 0 and var close && close > open + 1 ? name[(open + 1)..close] : name;
        return start.StartsWith('<') || start.Contains("Initialize") ? "" : $", in {start}";
    }

    private static string At(string name, int line) => string.Create(CultureInfo.InvariantCulture, $"{name}, line {line}");
}
