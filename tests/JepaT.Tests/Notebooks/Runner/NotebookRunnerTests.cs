using System.Diagnostics;
using System.Text.Json.Nodes;
using JepaT.Lab;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookRunnerTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-run-").FullName;
    private readonly StringWriter log = new();

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private string Output => Path.Combine(folder, "out.ipynb");

    [Fact]
    public async Task A_notebook_runs_with_its_parameters_and_only_outputs_and_counts_change()
    {
        var document = NotebookFile.Document("# tag: parameters\nvar steps = 10;", "var twice = 2 * steps;\ntwice", "", "# tag: skip-execution\nthrow new Exception();", "$\"<b>{twice}</b>\"");
        Parameters.Inject(document, ["steps=21"]);
        var before = Without(document.ToText());

        var outcome = await RunAsync(document);

        Assert.Equal(new RunOutcome(RunEnd.Finished), outcome);
        Assert.Equal(before, Without(File.ReadAllText(Output)));
        var cells = NotebookDocument.Load(Output).Cells;
        Assert.Equal([1, 2, 3, null, null, 4], cells.Select(c => c.ExecutionCount));
        Assert.Equal("42", Value(cells[2]));
        Assert.Contains("<b>42</b>", Value(cells[5]), StringComparison.Ordinal);
        Assert.Contains("4/4 cells", log.ToString(), StringComparison.Ordinal);
        NotebookFile.RequireValid(Output);
    }

    [Fact]
    public async Task After_each_cell_its_outputs_are_in_the_file()
    {
        var document = NotebookFile.Document("\"first\" + 1", $"System.IO.File.ReadAllText(@\"{Output}\").Contains(\"first\" + 1)", $"System.IO.File.ReadAllText(@\"{Output}\").Contains(\"Tr\" + \"ue\")");

        await RunAsync(document);

        Assert.Equal(["True", "True"], NotebookDocument.Load(Output).Cells.Skip(1).Select(Value));
    }

    [Fact]
    public async Task A_failure_is_shown_at_the_top_and_later_cells_keep_what_they_had()
    {
        var document = NotebookFile.Document("1", "var x = 1;\nthrow new InvalidOperationException(\"no `code` here, </b>\\nnor there\");", "2");
        document.Cells[1].Outputs = [Old("old of the failing")];
        document.Cells[2].Outputs = [Old("old of the last")];
        document.Cells[2].ExecutionCount = 9;
        var last = document.Cells[2].Json.ToJsonString();

        var outcome = await RunAsync(document);

        Assert.Equal((RunEnd.Failed, 2, "InvalidOperationException"), (outcome.End, outcome.Cell, outcome.Error?.Name));
        var cells = NotebookDocument.Load(Output).Cells;
        Assert.Equal(["markdown", "code", "markdown", "code", "code"], cells.Select(c => c.Type));
        Assert.StartsWith("**This run failed in [cell 2](#failed-cell).** The cells after it did not run.\n\n    InvalidOperationException: no `code` here, </b>\n    nor there\n", cells[0].Source + "\n", StringComparison.Ordinal);
        Assert.Contains("id=\"failed-cell\"", cells[2].Source, StringComparison.Ordinal);
        Assert.Equal("InvalidOperationException", Assert.Single(cells[3].Outputs)!["ename"]!.GetValue<string>());
        Assert.Equal(JsonNode.Parse(last)!["outputs"]!.ToJsonString(), cells[4].Outputs.ToJsonString());
        Assert.Equal(9, cells[4].ExecutionCount);
        NotebookFile.RequireValid(Output);
    }

    [Fact]
    public async Task The_next_run_takes_the_error_s_cells_out()
    {
        await RunAsync(NotebookFile.Document("1", "throw new Exception();"));

        var again = NotebookDocument.Load(Output);
        again.Cells[3].Json["source"] = "2";
        var outcome = await RunAsync(again);

        Assert.Equal(RunEnd.Finished, outcome.End);
        Assert.Equal(["1", "2"], NotebookDocument.Load(Output).Cells.Select(c => c.Source));
    }

    [Fact]
    public async Task A_compile_error_fails_the_run_and_a_cell_that_may_fail_does_not()
    {
        var document = NotebookFile.Document("# tag: raises-exception\nthrow new Exception(\"wanted\");", "int x = \"a\";");

        var outcome = await RunAsync(document);

        Assert.Equal((RunEnd.Failed, 2), (outcome.End, outcome.Cell));
        Assert.Contains("CS0029", outcome.Error!.Message + string.Join('\n', outcome.Error.Traceback), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("await Task.Delay(-1);")]
    [InlineData("while (true) { }")]
    [InlineData("while (true) Console.WriteLine(new string('x', 100));")]
    [InlineData("while (true) display(\"x\");")]
    [InlineData("await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => Task.Run(() => { while (true) System.Threading.Thread.Sleep(10); })));")]
    public async Task The_time_limit_holds(string cell)
    {
        await using var session = new Session(new SessionOptions { Folder = folder });
        await RunAsync(NotebookFile.Document("var kept = 1;", "kept"), session);       // the first cells load the compiler
        var clock = Stopwatch.StartNew();

        var outcome = await RunAsync(NotebookFile.Document("kept", cell, "kept"), session, limit: TimeSpan.FromSeconds(3));

        Assert.Equal((RunEnd.Failed, 2, "Timeout", "the cell ran longer than its limit of 3 s", false), (outcome.End, outcome.Cell, outcome.Error?.Name, outcome.Error?.Message, outcome.Stuck));
        Assert.InRange(clock.Elapsed.TotalSeconds, 3, 10);
        Assert.StartsWith("**This run failed in [cell 2]", NotebookDocument.Load(Output).Cells[0].Source, StringComparison.Ordinal);
        Assert.Equal(RunEnd.Finished, (await RunAsync(NotebookFile.Document("kept + 1"), session)).End);
    }

    [Fact]
    public async Task Stopping_keeps_what_the_running_cell_had_shown()
    {
        using var stop = new CancellationTokenSource();
        var document = NotebookFile.Document("Console.WriteLine(\"begun\");\nawait Task.Delay(-1);", "2");
        var run = RunAsync(document, stop: stop);
        await Task.Delay(TimeSpan.FromSeconds(4), TestContext.Current.CancellationToken);
        await stop.CancelAsync();

        var outcome = await run;

        Assert.Equal((RunEnd.Stopped, 1), (outcome.End, outcome.Cell));
        var cells = NotebookDocument.Load(Output).Cells;
        Assert.StartsWith("**This run was stopped in [cell 1]", cells[0].Source, StringComparison.Ordinal);
        Assert.Equal(["stream", "error"], cells[2].Outputs.Select(o => o!["output_type"]!.GetValue<string>()));
        NotebookFile.RequireValid(Output);
    }

    [Fact]
    public async Task Outputs_name_no_folder_of_this_machine()
    {
        var document = NotebookFile.Document($"Console.WriteLine(@\"{folder}\" + \"/data\");", $"@\"{folder}\"", $"throw new Exception(@\"{Path.Combine(folder, "x.bin")} is missing\");");

        var outcome = await RunAsync(document);

        Assert.Equal("./x.bin is missing", outcome.Error!.Message.Replace('\\', '/'));
        foreach (var cell in NotebookDocument.Load(Output).Cells.Where(c => c.IsCode)) Assert.DoesNotContain(folder, cell.Outputs.ToJsonString(), StringComparison.Ordinal);
        Assert.DoesNotContain(folder, NotebookDocument.Load(Output).Cells[0].Source, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_notebook_is_logged_to_the_runs_it_made_finished_or_not()
    {
        using var tracking = new TrackingFolder();
        var (before, runs) = (OpenedRuns.All().Count, new List<RunLogger>());
        var document = NotebookFile.Document($"""
            using JepaT.Lab;
            using (var store = SqliteStore.Open("{tracking.Uri.Replace('\\', '/')}"))
            using (var parent = RunLogger.Start(store, "test", "parent"))
            using (var child = RunLogger.Start(store, "test", "child", parent.RunId))
            using (var other = RunLogger.Start(store, "test", "other"))
                other.Finish();
            """);

        Assert.Equal(RunEnd.Finished, (await RunAsync(document)).End);
        var lines = NotebookArtifacts.Log(Output, "made.ipynb", OpenedRuns.All().Skip(before)).ToList();

        using var made = tracking.Open();
        var artifacts = made.SearchRuns(new RunQuery()).ToDictionary(r => r.Info.Name, r => made.Artifacts(r.Info.RunId).Select(a => a.Path).ToList());
        Assert.Equal(["notebooks/made.ipynb"], artifacts["parent"]);
        Assert.Equal(["notebooks/made.ipynb"], artifacts["other"]);
        Assert.Empty(artifacts["child"]);
        Assert.Equal(2, lines.Count);
        Assert.All(lines, line => Assert.StartsWith("logged to run '", line, StringComparison.Ordinal));
    }

    [Fact]
    public void A_store_that_is_gone_is_told_and_not_made_anew()
    {
        var missing = Path.Combine(folder, "gone", "mlflow.db");
        File.WriteAllText(Output, "{}");

        var line = Assert.Single(NotebookArtifacts.Log(Output, "a.ipynb", [new("sqlite:///" + missing, "0123456789abcdef", "lost", null)]));

        Assert.StartsWith("warning: the notebook could not be logged to run 'lost': there is no database ", line, StringComparison.Ordinal);
        Assert.False(File.Exists(missing));
    }

    private async Task<RunOutcome> RunAsync(NotebookDocument document, CancellationTokenSource? stop = null)
    {
        await using var session = new Session(new SessionOptions { Folder = folder });
        return await RunAsync(document, session, stop: stop);
    }

    private Task<RunOutcome> RunAsync(NotebookDocument document, Session session, TimeSpan? limit = null, CancellationTokenSource? stop = null) =>
        new NotebookRunner(document, new OutputCleaner([(folder, ".")], _ => { }), Output) { Limit = limit, Log = log }.RunAsync(session, stop?.Token ?? TestContext.Current.CancellationToken);

    private static JsonObject Old(string text) => new() { ["name"] = "stdout", ["output_type"] = "stream", ["text"] = new JsonArray(text) };

    private static string? Value(NotebookCell cell) => NotebookCell.Joined(Assert.Single(cell.Outputs)!["data"]!["text/plain"]);

    private static string Without(string notebook)
    {
        var document = NotebookDocument.Parse(notebook, "x");
        foreach (var cell in document.Cells.Where(c => c.IsCode)) (cell.Outputs, cell.ExecutionCount) = ([], null);
        return document.ToText();
    }
}
