using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>The commands that look at runs: <c>./lab runs list|show|compare|best</c>.</summary>
public sealed class RunsReadingTests : IDisposable
{
    private readonly TrackingFolder folder = new();
    private readonly SqliteStore store;
    private readonly IReadOnlyList<string> ids;

    public RunsReadingTests()
    {
        store = folder.Open();
        ids = HostileRuns.Log(store);
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void In_a_pipe_a_list_is_a_heading_and_one_line_a_run_without_colour()
    {
        using var console = new RecordedConsole(terminal: false);
        var hints = new StringWriter();

        RunsListCommand.List(store, new(), console.Console, hints, TimeProvider.System);

        Assert.Equal(1 + 4, console.Lines.Length);
        Assert.All(console.Lines, l => Assert.Equal(7, l.Split('\t').Length));
        Assert.DoesNotContain('\u001b', console.Text);
        Assert.Equal([ids[2], ids[1], ids[0], ids[3]], console.Lines.Skip(1).Select(l => l.Split('\t')[6]));        // the child below its parent
        Assert.Equal(@"two\nlines\t\u001b[31mred", console.Lines[1].Split('\t')[1]);
        Assert.Contains("mlflow server", hints.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void On_a_terminal_names_stay_text_and_the_rest_is_told()
    {
        using var console = new RecordedConsole(terminal: true);

        RunsListCommand.List(store, new() { Max = 2 }, console.Console, TextWriter.Null, TimeProvider.System);

        Assert.DoesNotContain("\u001b[31m", console.Text, StringComparison.Ordinal);
        Assert.Contains("These are the first 2: --max N shows more.", console.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("alert", console.Text, StringComparison.Ordinal);                          // the third
    }

    [Fact]
    public void Runs_that_are_each_others_parents_are_still_listed()
    {
        store.LogBatch(ids[1], [], [], [new("mlflow.parentRunId", ids[2])]);
        store.LogBatch(ids[2], [], [], [new("mlflow.parentRunId", ids[1])]);
        using var console = new RecordedConsole(terminal: false);

        RunsListCommand.List(store, new(), console.Console, TextWriter.Null, TimeProvider.System);

        Assert.Equal(1 + 4, console.Lines.Length);
    }

    [Fact]
    public void A_run_is_found_by_id_by_the_beginning_of_it_and_by_name()
    {
        Assert.Equal(ids[1], RunLookup.Find(store, ids[1], null).Id);
        Assert.Equal(ids[1], RunLookup.Find(store, ids[1].ToUpperInvariant(), null).Id);
        Assert.Equal(ids[1], RunLookup.Find(store, ids[1][..12], null).Id);
        Assert.Equal(ids, new[] { HostileRuns.Script, "it's \"both\"", HostileRuns.TwoLines, "child" }.Select(n => RunLookup.Find(store, n, HostileRuns.Experiment).Id));
        Assert.Equal([ids[0], ids[3]], RunLookup.Find(store, [ids[0], "child", ids[0][..12]], null).Select(r => r.Id));
    }

    [Fact]
    public void What_means_no_run_or_several_is_told_with_the_candidates()
    {
        var experiment = store.GetOrCreateExperiment("other");
        var twin = store.CreateRun(experiment, "child", 0).RunId;
        var named = store.CreateRun(experiment, ids[0][..6], 0).RunId;         // a name that reads like the beginning of an id

        Assert.Contains("there is no run 'nothing' in sqlite:", Message(() => RunLookup.Find(store, "nothing", null)), StringComparison.Ordinal);
        Assert.Contains("there is no run", Message(() => RunLookup.Find(store, ids[0][..3], null)), StringComparison.Ordinal);          // three digits are too few
        Assert.Contains("there is no run", Message(() => RunLookup.Find(store, new string('0', 32), null)), StringComparison.Ordinal);
        Assert.Contains("no experiment 'x'", Message(() => RunLookup.Find(store, "child", "x")), StringComparison.Ordinal);
        var twins = Message(() => RunLookup.Find(store, "child", null));
        Assert.Contains("'child' means 2 runs", twins, StringComparison.Ordinal);
        Assert.All(new[] { twin[..8], ids[3][..8], "of other" }, part => Assert.Contains(part, twins, StringComparison.Ordinal));
        Assert.Equal(twin, RunLookup.Find(store, "child", "other").Id);
        Assert.Contains(named[..8], Message(() => RunLookup.Find(store, ids[0][..6], null)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_is_shown_with_all_that_was_logged_line_by_line()
    {
        using var console = new RecordedConsole(terminal: false);

        RunsShowCommand.Show(RunLookup.Find(store, ids[0], null), console.Console);

        Assert.All(
            new[]
            {
                $"  id            {ids[0]}", "FINISHED", "2023-11-14 22:13:20Z", "1 min 01 s", "  eval/fid    30 (step 4)", "  train/loss  1 (step 4)", "  lr    1e-3",
                "  note  =HYPERLINK(\"http://x\")", @"lab train\n=x", "digest abcd1234", "  plots/a 'b' & <c>.html  3 B",
            },
            part => Assert.Contains(part, console.Text, StringComparison.Ordinal));
        Assert.Equal(["Run", "Params", "Metrics", "Tags", "Data sets", "Artifacts"], console.Lines.Where(l => !l.StartsWith("  ", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_comparison_marks_the_best_and_names_only_params_that_differ()
    {
        using var console = new RecordedConsole(terminal: false);
        RunsCompareCommand.Compare(RunLookup.Find(store, ids.Take(3), null), console.Console);
        var lines = console.Lines.Select(l => l.Split('\t')).ToList();

        Assert.Equal(["run", "id", "eval/fid", "train/loss", "params.lr", "params.note", "best"], lines[0]);
        Assert.Equal(["", "eval/fid", "train/loss"], lines.Skip(1).Select(l => l[6]));                   // NaN is never best
        Assert.Equal(["30", "20", "NaN"], lines.Skip(1).Select(l => l[2]));

        using var terminal = new RecordedConsole(terminal: true);
        RunsCompareCommand.Compare(RunLookup.Find(store, ids.Take(2), null), terminal.Console);
        Assert.Contains("20 *", terminal.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("30 *", terminal.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("seed", terminal.Text, StringComparison.Ordinal);
        Assert.Contains("only one run", Message(() => RunsCompareCommand.Compare(RunLookup.Find(store, [ids[0]], null), terminal.Console)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("eval/fid", false, false, "1 0")]                              // FID: lower is better; NaN is out
    [InlineData("eval/fid", false, true, "0 1")]
    [InlineData("train/loss", false, false, "2 0 1")]
    [InlineData("train/loss", true, false, "2 0 1")]
    public void The_best_come_first_in_the_direction_of_the_metric(string metric, bool lowest, bool highest, string order)
    {
        using var console = new RecordedConsole(terminal: false);

        RunsBestCommand.Best(store, new() { Metric = metric, Lowest = lowest, Highest = highest }, console.Console);

        Assert.Equal(order.Split(' ').Select(i => ids[int.Parse(i, null)]), console.Lines.Skip(1).Select(l => l.Split('\t')[5]));
    }

    [Fact]
    public void Infinities_are_never_the_best_and_a_metric_without_direction_asks_for_it()
    {
        foreach (var id in ids) store.UpdateRun(id, RunStatus.Running, endTime: null);
        store.LogBatch(ids[0], [new("odd", double.NegativeInfinity, 0, 0), new("none", double.NaN, 0, 0)], [], []);
        store.LogBatch(ids[1], [new("odd", -3, 0, 0)], [], []);
        store.LogBatch(ids[2], [new("odd", -2, 0, 0)], [], []);
        using var console = new RecordedConsole(terminal: false);

        RunsBestCommand.Best(store, new() { Metric = "odd", Lowest = true, Max = 1 }, console.Console);

        Assert.Equal(ids[1], Assert.Single(console.Lines.Skip(1)).Split('\t')[5]);
        Assert.Contains("add --lowest or --highest", Message(() => RunsBestCommand.Best(store, new() { Metric = "odd" }, console.Console)), StringComparison.Ordinal);
        Assert.Contains("NaN or infinite", Message(() => RunsBestCommand.Best(store, new() { Metric = "none", Lowest = true }, console.Console)), StringComparison.Ordinal);
        Assert.Contains("nearest one is 'eval/fid'", Message(() => RunsBestCommand.Best(store, new() { Metric = "eval/fit", Lowest = true }, console.Console)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("metrics.`eval/fid` < 25", "1")]
    [InlineData("params.lr = '1e-3'", "0")]
    [InlineData("params.seed = '7' AND attributes.status = 'FINISHED'", "2 1 0")]
    public void Filters_are_MLflows(string filter, string found) =>
        Assert.Equal(found.Split(' ').Select(i => ids[int.Parse(i, null)]), RunSet.Read(store, HostileRuns.Experiment, filter: filter).Select(r => r.Id));

    [Fact]
    public void Orders_are_MLflows_and_a_list_keeps_to_them()
    {
        using var console = new RecordedConsole(terminal: false);

        RunsListCommand.List(store, new() { Filter = "metrics.`train/loss` > 0", OrderBy = ["metrics.`train/loss` DESC"] }, console.Console, TextWriter.Null, TimeProvider.System);

        Assert.Equal([ids[1], ids[0], ids[2]], console.Lines.Skip(1).Select(l => l.Split('\t')[6]));
    }

    private static string Message(Action call) => Assert.Throws<UserException>(call).Message;
}
