using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Notebooks;

/// <summary><c>./lab notebook run</c>: runs a notebook from top to bottom and saves it with its outputs.</summary>
[Description("Run a C# notebook from top to bottom and save it with its outputs")]
internal sealed class RunCommand : Command<RunCommand.Settings>
{
    private const string Extension = ".ipynb";

    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "<NOTEBOOK>")]
        [Description("The .ipynb to run; it is not changed unless -o names it")]
        public required string Notebook { get; init; }

        [CommandOption("-o|--output <FILE>")]
        [Description("Where the executed notebook goes, saved after each cell; NAME.out.ipynb in this folder by default")]
        public string? Output { get; init; }

        [CommandOption("-p|--param <NAME=VALUE>")]
        [Description("A parameter's value, checked against its default in the cell tagged 'parameters'; may be repeated")]
        public string[] Parameters { get; init; } = [];

        [CommandOption("--to <FORMAT>")]
        [Description("html: also a page that shows all without a kernel or a network, beside the executed notebook")]
        public string? To { get; init; }

        [CommandOption("--timeout <TIME>")]
        [Description("A cell that runs longer (90s, 10m, 2h) is interrupted, and the run fails")]
        public string? Timeout { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        if (settings.To is not (null or "html")) throw new UserException($"--to {settings.To}: only html can be made");
        var limit = StopFile.ParseBudget(settings.Timeout, "--timeout");
        var output = settings.Output ?? Path.GetFileNameWithoutExtension(settings.Notebook) + ".out" + Extension;
        if (!output.EndsWith(Extension, StringComparison.Ordinal)) throw new UserException($"-o {output}: the executed notebook needs a name that ends in {Extension}");
        if (Directory.Exists(output)) throw new UserException($"-o {output}: is a folder; name the {Extension} file to write");

        var document = NotebookDocument.Load(settings.Notebook);
        Parameters.Inject(document, settings.Parameters);
        using var stop = new StopSignal("saving the notebook");
        return RunAsync(document, settings, output, limit, stop.Token).GetAwaiter().GetResult();
    }

    private static async Task<int> RunAsync(NotebookDocument document, Settings settings, string output, TimeSpan? limit, CancellationToken stop)
    {
        var (messages, opened) = (Console.Error, OpenedRuns.All().Count);           // the console as it is before cells are given theirs
        var folder = Path.GetDirectoryName(Path.GetFullPath(settings.Notebook))!;
        var cleaner = OutputCleaner.ForThisMachine(folder, line => messages.WriteLine($"\nwarning: {line}"));
        var runner = new NotebookRunner(document, cleaner, output) { Limit = limit, Log = messages };

        var session = new Session(new SessionOptions { Folder = folder });
        var outcome = await runner.RunAsync(session, stop);
        if (!outcome.Stuck) await session.DisposeAsync();

        foreach (var line in NotebookArtifacts.Log(output, Path.GetFileName(settings.Notebook), OpenedRuns.All().Skip(opened))) messages.WriteLine(line);
        Console.WriteLine(output);
        if (settings.To == "html")
        {
            var page = Path.ChangeExtension(output, ".html");
            AtomicFile.Write(page, NotebookPage.Html(document, folder));
            Console.WriteLine(page);
        }
        if (outcome.Error is { } error) Tell(error, $"error: {settings.Notebook}: cell {outcome.Cell}: ", messages);
        var code = outcome.End switch { RunEnd.Finished => 0, RunEnd.Stopped => 130, _ => 1 };
        if (outcome.Stuck) Environment.Exit(code);
        return code;
    }

    // What happened in one line, where in those after it. A user's mistake is told as such, without the name of a class.
    private static void Tell(CellError error, string lead, TextWriter messages)
    {
        var what = $"{error.Name}: {error.Message}";
        var first = error.Name == nameof(UserException) ? error.Message : what;
        foreach (var line in error.Traceback.Where(l => l != what).Prepend(lead + first.ReplaceLineEndings(" "))) messages.WriteLine(OutputCleaner.WithoutColours(line));
    }
}
