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
        RunAsync(settings.Cells, Console.Out).GetAwaiter().GetResult();
        return 0;
    }

    private static async Task RunAsync(int count, TextWriter output)
    {
        var folder = Directory.CreateTempSubdirectory("jepat-bench-").FullName;
        try
        {
            var starts = Enumerable.Range(0, 3).Select(_ => WholeRun(folder)).Order().ToList();
            Say("from start to end of a run of one cell, median of 3", starts[1].TotalSeconds, "s");

            await using var session = new Session(new SessionOptions { Folder = folder });
            var cleaner = OutputCleaner.ForThisMachine(folder, output.WriteLine);
            await RunAsync(session, cleaner, folder, "1 + 1");
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

    // A process of its own: the program is loaded, the engine started, the cell run, the notebook saved.
    private static TimeSpan WholeRun(string folder)
    {
        File.WriteAllText(Path.Combine(folder, "one.ipynb"), Notebook("1 + 1").ToText());
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(NotebookBenchCommand).Assembly.Location, "notebook", "run", "one.ipynb"])
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var began = Stopwatch.GetTimestamp();
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? Stopwatch.GetElapsedTime(began) : throw new UserException($"a run of one cell failed: {errors.ReplaceLineEndings(" ")}{output.GetAwaiter().GetResult()}");
    }

    private static NotebookDocument Notebook(params string[] cells)
    {
        var document = NotebookDocument.Parse("""{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}""", "bench.ipynb");
        foreach (var cell in cells) document.Insert(null, NotebookCell.Create("code", cell));
        return document;
    }

    private static async Task RunAsync(Session session, OutputCleaner cleaner, string folder, params string[] cells)
    {
        var outcome = await new NotebookRunner(Notebook(cells), cleaner, Path.Combine(folder, "bench.ipynb")) { Log = TextWriter.Null }.RunAsync(session, CancellationToken.None);
        if (outcome.Error is { } error) throw new InvalidOperationException(error.Message);
    }
}
