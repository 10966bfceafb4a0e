using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console.Cli;

namespace JepaT.Notebooks;

/// <summary><c>./lab notebook bench</c>: how fast notebooks start and run on this machine.</summary>
[Description("Measure how fast notebooks start and how much time a cell costs by itself")]
internal sealed class NotebookBenchCommand : Command<NotebookBenchCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandOption("--cells <N>")]
        [Description("How many small cells to run")]
        [DefaultValue(300)]
        public int Cells { get; init; } = 300;
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.Cells < 1) throw new UserException("--cells: give a number above 0");
        using var process = Process.GetCurrentProcess();
        RunAsync(settings.Cells, process.StartTime, Console.Out).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task RunAsync(int count, DateTime start, TextWriter output)
    {
        var folder = Directory.CreateTempSubdirectory("jepat-bench-").FullName;
        try
        {
            await using var session = new Session(new SessionOptions { Folder = folder });
            var cleaner = OutputCleaner.ForThisMachine(folder, output.WriteLine);
            await RunAsync(session, cleaner, folder, "1 + 1");
            Say("start of the program to the first result", (TimeProvider.System.GetLocalNow() - start).TotalSeconds, "s");

            var (outputs, times) = (new CellOutputs(cleaner), new List<double>());
            foreach (var _ in Enumerable.Range(0, count))
            {
                var began = Stopwatch.GetTimestamp();
                var result = await session.RunAsync("1 + 1", "cell", outputs, CancellationToken.None);
                times.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
                if (result.Error is { } error) throw new InvalidOperationException(error.Message);
            }
            times.Sort();
            Say($"a cell that does nothing much, median of {count}", times[count / 2], "ms");
            Say("the slowest in a hundred of them", times[count * 99 / 100], "ms");

            var whole = Stopwatch.GetTimestamp();
            await RunAsync(session, cleaner, folder, [.. Enumerable.Repeat("1 + 1", 100)]);
            Say("a cell of a notebook of 100, saved after each", Stopwatch.GetElapsedTime(whole).TotalMilliseconds / 100, "ms");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        void Say(string what, double value, string unit) => output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what,-52}{value,8:0.00} {unit}"));
    }

    private static async Task RunAsync(Session session, OutputCleaner cleaner, string folder, params string[] cells)
    {
        var document = NotebookDocument.Parse("""{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}""", "bench.ipynb");
        foreach (var cell in cells) document.Insert(null, NotebookCell.Create("code", cell));
        var outcome = await new NotebookRunner(document, cleaner, Path.Combine(folder, "bench.ipynb")) { Log = TextWriter.Null }.RunAsync(session, CancellationToken.None);
        if (outcome.Error is { } error) throw new InvalidOperationException(error.Message);
    }
}
