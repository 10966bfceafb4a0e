using System.Text.Json;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary><c>./lab runs export</c>.</summary>
public sealed class RunsExportTests : IDisposable
{
    private readonly TrackingFolder folder = new();
    private static CancellationToken Stop => TestContext.Current.CancellationToken;
    private readonly SqliteStore store;
    private readonly IReadOnlyList<string> ids;

    public RunsExportTests()
    {
        store = folder.Open();
        ids = HostileRuns.Log(store);
        Directory.CreateDirectory(Path(""));
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0")]
    [InlineData("-2+3", "'-2+3")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("\t=1", "'\t=1")]
    [InlineData("\n=1", "\"'\n=1\"")]
    [InlineData("-0.5", "-0.5")]
    [InlineData("+1e-3", "+1e-3")]
    [InlineData("a=b", "a=b")]
    [InlineData("", "")]
    [InlineData("a \"b\", c", "\"a \"\"b\"\", c\"")]
    [InlineData("=\"x\"", "\"'=\"\"x\"\"\"")]
    public void No_cell_is_a_formula_and_numbers_stay_numbers(string text, string cell) => Assert.Equal(cell, RunExport.Cell(text));

    [Fact]
    public void A_table_has_a_line_a_run_with_all_params_metrics_and_tags()
    {
        Export(new() { Output = Path("runs.csv") });

        var rows = Csv(File.ReadAllText(Path("runs.csv")));
        var head = rows[0];
        Assert.Equal(1 + 4, rows.Count);
        Assert.All(rows, r => Assert.Equal(head.Count, r.Count));
        var first = rows.Single(r => r[0] == ids[0]);
        Assert.Equal(HostileRuns.Script, first[1]);
        Assert.Equal("'=HYPERLINK(\"http://x\")", first[head.IndexOf("params.note")]);
        Assert.Equal(("30", "1", "1e-3"), (first[head.IndexOf("metrics.eval/fid")], first[head.IndexOf("metrics.train/loss")], first[head.IndexOf("params.lr")]));
        Assert.Equal(("2023-11-14T22:13:20.000Z", "FINISHED"), (first[head.IndexOf("start_time")], first[head.IndexOf("status")]));
        Assert.Equal("NaN", rows.Single(r => r[0] == ids[2])[head.IndexOf("metrics.eval/fid")]);
        Assert.Equal(HostileRuns.TwoLines, rows.Single(r => r[0] == ids[2])[1]);
    }

    [Fact]
    public void Histories_are_a_line_a_value_and_a_folder_gets_all_three_files()
    {
        Export(new() { Output = Path("long.csv"), Histories = true, Runs = [ids[0]] });
        Export(new() { Output = Path("all"), Histories = true, Experiment = HostileRuns.Experiment });

        var rows = Csv(File.ReadAllText(Path("long.csv")));
        Assert.Equal(["run_id", "run_name", "metric", "step", "timestamp", "value"], rows[0]);
        Assert.Equal([["train/loss", "2", "9"], ["train/loss", "4", "1"]], rows.Where(r => r[2] == "train/loss").Select(r => new[] { r[2], r[3], r[5] }));
        Assert.Equal(["metrics.csv", "runs.csv", "runs.json"], Directory.GetFiles(Path("all")).Select(System.IO.Path.GetFileName).Order());
        Assert.Equal(1 + 3 * 3, Csv(File.ReadAllText(Path("all/metrics.csv"))).Count);
        using var json = JsonDocument.Parse(File.ReadAllBytes(Path("all/runs.json")));
        var run = json.RootElement.EnumerateArray().Single(r => r.GetProperty("run_id").GetString() == ids[2]);
        Assert.Equal(HostileRuns.TwoLines, run.GetProperty("run_name").GetString());
        Assert.Equal("NaN", run.GetProperty("metrics").GetProperty("eval/fid").GetProperty("value").GetString());
        Assert.Equal([9, 0.5], run.GetProperty("histories").GetProperty("train/loss").EnumerateArray().Select(v => v.GetProperty("value").GetDouble()));
        Assert.Equal(HostileRuns.Script, run.GetProperty("datasets")[0].GetProperty("name").GetString());
        Assert.Equal("7", run.GetProperty("params").GetProperty("seed").GetString());
    }

    [Fact]
    public void Artifacts_are_copied_into_a_folder_a_run()
    {
        Export(new() { Artifacts = Path("files") });

        Assert.Equal([1, 2, 3], File.ReadAllBytes(Path($"files/{ids[0]}/plots/a 'b' & <c>.html")));
        Assert.Equal(3, Directory.GetFiles(Path("files"), "*", SearchOption.AllDirectories).Length);
    }

    [Fact]
    public void Names_of_a_server_never_leave_the_folder_and_what_is_left_out_is_told()
    {
        string[] hostile = ["../up.txt", "/abs.txt", "a/../../up.txt", "..", "a//b", "C:/x", "a\\..\\..\\x", "link/out.txt", "good/x.txt", "nul\0.txt", "", "good/x.txt/below"];
        Directory.CreateDirectory(Path($"files/{ids[0]}"));
        Directory.CreateDirectory(Path("elsewhere"));
        Directory.CreateSymbolicLink(Path($"files/{ids[0]}/link"), Path("elsewhere"));
        var errors = new StringWriter();

        var code = RunsExportCommand.Export(() => ForeignArtifacts.Of(store, hostile), new() { Artifacts = Path("files"), Runs = [ids[0]] }, TextWriter.Null, errors, Stop);

        Assert.Equal(1, code);
        Assert.Equal("abc", File.ReadAllText(Path($"files/{ids[0]}/good/x.txt")));
        Assert.Empty(Directory.GetFileSystemEntries(Path("elsewhere")));
        Assert.Equal([Path($"files/{ids[0]}/good/x.txt")], Directory.GetFiles(Path("files"), "*", SearchOption.AllDirectories));
        Assert.DoesNotContain(Directory.EnumerateFiles(folder.Path, "*", SearchOption.AllDirectories), f => f.EndsWith("up.txt", StringComparison.Ordinal));
        Assert.Equal(hostile.Length - 1 + 1, errors.ToString().TrimEnd('\n').Split('\n').Length);       // one line each, and the sum
        Assert.Contains("error: 11 files were left out", errors.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("file/runs.csv", null, "is a file")]
    [InlineData("runs.txt", null, "'.txt' is no format")]
    [InlineData("taken.csv", null, "is a folder")]
    [InlineData(null, "file", "is a file")]
    [InlineData(null, "file/below", "is a file")]
    public void A_target_that_cannot_be_written_is_told_before_the_store_is_opened(string? output, string? artifacts, string words)
    {
        File.WriteAllText(Path("file"), "");
        Directory.CreateDirectory(Path("taken.csv/runs.csv"));

        var settings = new RunsExportCommand.Settings { Output = output is null ? null : Path(output), Artifacts = artifacts is null ? null : Path(artifacts) };
        var error = Assert.Throws<UserException>(() => RunsExportCommand.Export(() => throw new InvalidOperationException("opened"), settings, TextWriter.Null, TextWriter.Null, Stop));

        Assert.Contains(words, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_search_that_finds_nothing_writes_nothing()
    {
        store.GetOrCreateExperiment("empty");

        Assert.Contains("no runs in", Assert.Throws<UserException>(() => Export(new() { Output = Path("runs.csv"), Experiment = "empty" })).Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path("runs.csv")));
    }

    [Fact]
    public void A_server_lists_shows_and_exports_the_same_as_its_database()
    {
        store.UpdateRun(ids[0], RunStatus.Running, endTime: null);
        store.LogBatch(ids[0], [new("eval/alignment_seen", 0.5, 0, 0), new("eval/is_fashion_1k", 2, 0, 0), new("eval/fid_fashion_1k", 9, 0, 0), new("eval/fid_fashion_1k_std", 1, 0, 0)], [], []);
        store.UpdateRun(ids[0], RunStatus.Finished, 1_700_000_061_000);
        using var server = MlflowServer.Start(folder.Path);
        using var remote = TrackingStores.Open(server.Address.ToString());
        using var local = folder.Open();

        Assert.Equal(List(local), List(remote));
        Assert.Contains("\tfid_fashion_1k 9, is_fashion_1k 2, alignment_seen 0.5, fid 30\t", List(remote), StringComparison.Ordinal);
        Assert.Equal(Show(local), Show(remote));
        Assert.Equal(Exported(local, "local"), Exported(remote, "remote"));
        foreach (var name in new[] { HostileRuns.Script, HostileRuns.TwoLines, "it's \"both\"", ids[1][..7] })
            Assert.Equal(RunLookup.Find(local, name, null).Id, RunLookup.Find(remote, name, null).Id);

        static string List(ITrackingStore store)
        {
            using var console = new RecordedConsole(terminal: false);
            RunsListCommand.List(store, new(), console.Console, TextWriter.Null, TimeProvider.System);
            return console.Text;
        }

        string Show(ITrackingStore store)
        {
            using var console = new RecordedConsole(terminal: false);
            RunsShowCommand.Show(RunLookup.Find(store, ids[0], null), console.Console);
            return console.Text;
        }

        string[] Exported(ITrackingStore store, string name)
        {
            var code = RunsExportCommand.Export(() => TrackingStores.Open(store.FullUri, readOnly: true), new() { Output = Path(name), Histories = true, Artifacts = Path(name + "/files") }, TextWriter.Null, TextWriter.Null, Stop);
            Assert.Equal(0, code);
            return [.. Directory.GetFiles(Path(name), "*", SearchOption.AllDirectories).Order().Select(f => $"{System.IO.Path.GetRelativePath(Path(name), f)}: {File.ReadAllText(f)}")];
        }
    }

    private string Path(string name) => System.IO.Path.Combine(folder.Path, "out", name);

    private void Export(RunsExportCommand.Settings settings) =>
        Assert.Equal(0, RunsExportCommand.Export(() => TrackingStores.Open(folder.Uri, readOnly: true), settings, TextWriter.Null, TextWriter.Null, Stop));

    // What any reader of CSV does.
    private static List<List<string>> Csv(string text)
    {
        var (rows, row, cell, quoted) = (new List<List<string>>(), new List<string>(), new System.Text.StringBuilder(), false);
        for (var i = 0; i < text.Length; i++)
            if (quoted && text[i] == '"' && i + 1 < text.Length && text[i + 1] == '"') cell.Append(text[++i]);
            else if (text[i] == '"') quoted = !quoted;
            else if (quoted || text[i] is not (',' or '\n')) cell.Append(text[i]);
            else
            {
                row.Add(cell.ToString());
                cell.Clear();
                if (text[i] == ',') continue;
                rows.Add(row);
                row = [];
            }
        return rows;
    }
}
