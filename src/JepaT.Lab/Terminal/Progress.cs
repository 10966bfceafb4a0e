using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// One line of progress with rate and time left on standard error. On a terminal the line is redrawn in place; elsewhere a
/// plain line is printed every few seconds, so that log files stay readable.
/// </summary>
public sealed class Progress : IDisposable
{
    private static readonly TimeSpan TerminalInterval = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(10);

    private readonly string title;
    private readonly long total;
    private readonly string unit;
    private readonly TextWriter output;
    private readonly bool terminal;
    private readonly TimeProvider clock;
    private readonly long start;
    private long first = -1, lastDrawn, done;
    private string note = "";

    /// <summary>Where progress goes by default.</summary>
    internal static Func<TextWriter> Standard { get; set; } = () => Console.Error;

    /// <param name="title">What is going on, e.g. <c>training full, seed 0</c>.</param>
    /// <param name="total">How many units there are in all.</param>
    /// <param name="unit">Plural name of a unit, e.g. <c>images</c>.</param>
    /// <param name="output">Where to write; standard error by default.</param>
    /// <param name="terminal">Whether the line may be redrawn; found out by default.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    public Progress(string title, long total, string unit, TextWriter? output = null, bool? terminal = null, TimeProvider? clock = null)
    {
        (this.title, this.total, this.unit) = (title, total, unit);
        this.output = output ?? Standard();
        this.terminal = terminal ?? (!Console.IsErrorRedirected && Environment.GetEnvironmentVariable("TERM") != "dumb");
        this.clock = clock ?? TimeProvider.System;
        start = lastDrawn = this.clock.GetTimestamp();
    }

    /// <summary>Says how many units are done; redraws at most ten times a second (plain: every ten seconds).</summary>
    public void Report(long done, string note = "")
    {
        if (first < 0) first = done;                    // a resumed run does not count what it found
        (this.done, this.note) = (done, note);
        // The end is written once, by Dispose: something may still follow the last unit.
        if (done >= total || clock.GetElapsedTime(lastDrawn) < (terminal ? TerminalInterval : PlainInterval)) return;
        lastDrawn = clock.GetTimestamp();
        Draw();
    }

    /// <summary>Writes the last state as a line of its own.</summary>
    public void Dispose()
    {
        if (first < 0) return;
        Draw();
        if (terminal) output.WriteLine();
    }

    private void Draw()
    {
        var elapsed = clock.GetElapsedTime(start);
        var rate = elapsed.TotalSeconds > 0 ? Math.Max(done - first, 0) / elapsed.TotalSeconds : 0;
        var end = done >= total ? $"took {Duration(elapsed)}" : rate > 0 ? $"{Duration(TimeSpan.FromSeconds((total - done) / rate))} left" : "…";
        var speed = rate.ToString(rate >= 10 ? "0" : "0.0", CultureInfo.InvariantCulture);
        var line = $"{title}: {done}/{total} {unit}, {speed}/s, {end}" + (note.Length > 0 ? $"  {note}" : "");
        if (terminal) output.Write($"\r\x1b[2K{line}");
        else output.WriteLine(line);
    }

    /// <summary>A duration as people say it: <c>8 s</c>, <c>3 min 20 s</c>, <c>1 h 05 min</c>.</summary>
    public static string Duration(TimeSpan t) =>
        t.TotalSeconds < 60 ? $"{Math.Ceiling(t.TotalSeconds)} s"
        : t.TotalMinutes < 60 ? $"{(int)t.TotalMinutes} min {t.Seconds:00} s"
        : $"{(int)t.TotalHours} h {t.Minutes:00} min";
}
