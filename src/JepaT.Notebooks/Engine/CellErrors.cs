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

    private static IEnumerable<string> Lines(Exception exception, string lead = "", int depth = 0)
    {
        yield return $"{lead}{exception.GetType().Name}: {exception.Message}";
        if (exception.Data[Place] is string place) yield return $"   {place}";
        foreach (var line in Folded(Frames(exception))) yield return line;

        const int Deepest = 20, Most = 10;              // causes of causes; causes beside each other
        if (exception is UserException || depth == Deepest) yield break;
        Exception[] causes = exception is AggregateException all ? [.. all.InnerExceptions] : exception.InnerException is { } one ? [one] : [];
        foreach (var line in causes.Take(Most).SelectMany(cause => Lines(cause, "caused by ", depth + 1))) yield return line;
        if (causes.Length > Most) yield return string.Create(CultureInfo.InvariantCulture, $"… and {causes.Length - Most} causes more");
    }

    private static IEnumerable<string> Frames(Exception e) =>
        from frame in new StackTrace(e, fNeedFileInfo: true).GetFrames()
        where frame.GetFileName() is not null && frame.GetMethod() is { Module.Assembly.IsCollectible: true }
        select $"   {At(frame.GetFileName()!, frame.GetFileLineNumber())}{Function(frame.GetMethod()!)}";

    // Of deep recursion the innermost and the outermost calls.
    private static List<string> Folded(IEnumerable<string> frames)
    {
        const int Head = 10, Tail = 5;
        var all = frames.ToList();
        if (all.Count <= Head + Tail + 1) return all;
        return [.. all.Take(Head), string.Create(CultureInfo.InvariantCulture, $"   … {all.Count - Head - Tail} calls more …"), .. all.TakeLast(Tail)];
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
