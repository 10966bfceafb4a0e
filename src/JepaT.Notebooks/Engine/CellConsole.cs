using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Text;

namespace JepaT.Notebooks;

/// <summary>
/// Console.Out, Error and In for the whole process, and the lab's display with them: what code of a cell writes, on whatever thread it has
/// started, goes to its session; all else goes where it went before. An exception that such a thread, or a timer, does not catch goes there
/// too, instead of ending the process.
/// </summary>
internal static class CellConsole
{
    private static readonly Lock Gate = new();
    private static (TextWriter Out, TextWriter Error, TextReader In, INotebookHost Host)? Before;
    private static int Sessions;

    static CellConsole() => ExceptionHandling.SetUnhandledExceptionHandler(Report);

    /// <summary>Where the outputs of the code that asks go, if it belongs to a cell.</summary>
    public static Outlet? Outlet => RunningCell.Current?.Session.Outlet;

    /// <summary>Called by each session at its start.</summary>
    public static void Install()
    {
        lock (Gate)
        {
            if (Sessions++ > 0) return;
            Before = (Console.Out, Console.Error, Console.In, Notebook.Host);
            Notebook.Host = new EngineHost(Notebook.Host);
            Console.SetOut(new Writer(Console.Out, "stdout"));
            Console.SetError(new Writer(Console.Error, "stderr"));
            Console.SetIn(new Reader(Console.In));
        }
    }

    /// <summary>Called by each session at its end.</summary>
    public static void Remove()
    {
        lock (Gate)
        {
            if (--Sessions > 0) return;
            Console.SetOut(Before!.Value.Out);
            Console.SetError(Before.Value.Error);
            Console.SetIn(Before.Value.In);
            Notebook.Host = Before.Value.Host;
        }
    }

    // What timers and the pool call has lost its context when its exception arrives here, but not its frames.
    private static bool Report(Exception exception)
    {
        var session = RunningCell.Current?.Session ?? (IsOurs(exception) ? null : Session.Latest);
        if (session is null) return false;
        if (exception is not CellStoppedException) session.Outlet.Write("stderr", string.Join("\n", CellErrors.Of(exception).Traceback) + "\n");
        return true;
    }

    // A mistake of the engine's own threads, which must be seen, since nothing works any more: no frame of a cell is in it.
    private static bool IsOurs(Exception exception)
    {
        var frames = new StackTrace(exception).GetFrames().Select(f => f.GetMethod()?.Module.Assembly).ToList();
        return !frames.Any(a => a is { IsCollectible: true }) && frames.Any(a => a == typeof(CellConsole).Assembly);
    }

    private sealed class Writer(TextWriter otherwise, string stream) : TextWriter
    {
        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value) => Write([value]);

        public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

        public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

        public override void Write(string? value)
        {
            if (Outlet is { } outlet) outlet.Write(stream, value ?? "");
            else otherwise.Write(value);
        }

        public override void WriteLine(string? value) => Write(value + "\n");

        public override void Flush()
        {
            if (Outlet is null) otherwise.Flush();
        }
    }

    private sealed class Reader(TextReader otherwise) : TextReader
    {
        private string? line;       // what Read has not taken yet of the last one
        private int at;

        public override string? ReadLine()
        {
            if (Outlet is not { } outlet) return otherwise.ReadLine();
            if (line is null) return outlet.ReadLine("", false);
            var rest = line[at..].TrimEnd('\n');
            line = null;
            return rest;
        }

        public override int Peek() => Outlet is null ? otherwise.Peek() : Next(0);

        public override int Read() => Outlet is null ? otherwise.Read() : Next(1);

        private int Next(int step)
        {
            if (line is null || at == line.Length) (line, at) = (Outlet!.ReadLine("", false) is { } typed ? typed + "\n" : null, 0);
            if (line is null) return -1;
            var next = line[at];
            at += step;
            return next;
        }
    }
}
