using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Runs in C#: what a notebook asks of them.</summary>
public sealed class RunSetTests : IDisposable
{
    private readonly TrackingFolder folder = new();
    private readonly SqliteStore store;

    /// <summary>Learning rate a: FID 10 and 14, and a failed run; b: FID 20; one run without the param.</summary>
    public RunSetTests()
    {
        store = folder.Open();
        Add("a0", "a", 0, 10);
        Add("a1", "a", 1, 14);
        Add("a2", "a", 2, 1, RunStatus.Failed);
        Add("b0", "b", 0, 20);
        Add("bare", null, 0, 5);
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_pivot_has_a_row_a_value_with_mean_and_deviation_over_the_finished_seeds()
    {
        var table = Runs().Pivot("lr", "eval/fid", "train/loss");

        Assert.Equal([("a", "2/3, 1 failed"), ("b", "1/1")], table.Rows.Select(r => (r.Preset, r.Runs)));
        Assert.Equal((12.0, Math.Sqrt(8)), (table.Rows[0].Cells[0]!.Value.Mean, table.Rows[0].Cells[0]!.Value.Deviation!.Value));
        Assert.Equal("12 ± 2.8284", table.Text(0, 0));
        Assert.True(table.IsBest(0, 0));
        Assert.False(table.IsBest(1, 0));
        Assert.StartsWith("lr,runs,failed,eval/fid,eval/fid_std,eval/fid_n,", table.Csv(), StringComparison.Ordinal);
        Assert.StartsWith("| lr | Runs | eval/fid ↓ | train/loss ↓ |", table.Markdown(), StringComparison.Ordinal);
        Assert.DoesNotContain("preset", table.ToHtml() + table.Markdown(), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(["eval/fid"], Runs().Pivot("lr").Columns.Select(c => c.Key));
    }

    [Fact]
    public void A_pivot_over_nothing_is_refused_with_the_nearest_param()
    {
        Assert.Contains("the nearest one is 'lr'", Assert.Throws<UserException>(() => Runs().Pivot("lt")).Message, StringComparison.Ordinal);
        Assert.Contains("has the metric 'x'", Assert.Throws<UserException>(() => Runs().Pivot("lr", "x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Groups_come_in_the_order_of_their_first_run()
    {
        Assert.Equal(["", "b", "a"], Runs().GroupBy("lr").Keys);
        Assert.Equal(3, Runs().GroupBy("lr")["a"].Count);
        Assert.Equal([1, 4], Runs().GroupBy(r => r.IsFinished ? "done" : "other").OrderByDescending(g => g.Key).Select(g => g.Value.Count));
    }

    [Fact]
    public void A_store_is_opened_with_a_filter_by_path_and_by_address()
    {
        Assert.Equal(["b0"], RunSet.Open(folder.File, "params.lr = 'b'").Select(r => r.Name));
        Assert.Equal(["bare", "b0"], RunSet.Open(folder.Uri, "attributes.status = 'FINISHED' AND attributes.run_name LIKE 'b%'").Select(r => r.Name));
        Assert.Equal(["a0", "a1"], RunSet.Read(store, "e", 2, "params.lr = 'a'", ["metrics.`eval/fid` DESC", "attributes.run_name ASC"]).Finished.OrderBy(r => r.Name).Select(r => r.Name));
    }

    [Fact]
    public void Pictures_of_all_runs_stand_side_by_side_at_their_step_and_the_later_one_of_a_step_counts()
    {
        var runs = Runs();
        foreach (var (name, step, time) in new[] { ("a0", 0, 5), ("a0", 100, 5), ("a1", 100, 5), ("a0", 100, 9), ("b0", -1, 1) })
            store.UploadArtifact(runs.Single(r => r.Name == name).Id, $"images/x~y+step+{step}+timestamp+{time}+ab-{time}.png", new MemoryStream(TrackingFolder.Png(8 + time, 8)));

        var html = runs.PicturesByStep("x/y").ToHtml();

        Assert.Equal(3, html.Split("type=\"radio\"").Length - 1);
        Assert.Equal(4, html.Split("<img ").Length - 1);
        Assert.Contains("alt=\"a0, x/y, step 100\" width=\"17\"", html, StringComparison.Ordinal);
        Assert.Contains("none of these runs has pictures 'z'", runs.PicturesByStep("z").ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Curves_of_any_metric_are_drawn_and_a_foreign_name_stops_no_table()
    {
        Assert.Equal(5, Runs().Curves("eval/fid").Series.Count);
        Assert.Contains("eval/fid", Runs().ToHtml() + Runs()[0].ToHtml(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("eval/fid_fashion_1k", Better.Lower, "FID (fashion, 1k)")]
    [InlineData("val/fid", Better.Lower, "val/fid")]
    [InlineData("is", Better.Higher, "is")]
    [InlineData("fid_std", Better.Neither, "fid_std")]
    [InlineData("train/loss_flow", Better.Lower, "train/loss_flow")]
    [InlineData("glossy", Better.Neither, "glossy")]
    [InlineData("eval/", Better.Neither, "eval/")]
    public void Any_name_of_a_metric_has_a_heading_and_says_what_is_better_if_it_can(string key, Better better, string heading) =>
        Assert.Equal((better, heading), (MetricName.Of(key).Better, MetricName.Of(key).Heading));

    private RunSet Runs() => RunSet.Read(store);

    private void Add(string name, string? lr, int seed, double fid, RunStatus status = RunStatus.Finished)
    {
        var id = store.CreateRun(store.GetOrCreateExperiment("e"), name, 1_000_000 + store.SearchRuns(new()).Count).RunId;
        store.LogBatch(id, [new("eval/fid", fid * 2, 1, 1), new("eval/fid", fid, 2, 2), new("train/loss", 1, 2, 2)], [new("seed", $"{seed}"), .. lr is null ? [] : new KeyValuePair<string, string>[] { new("lr", lr) }], []);
        store.UpdateRun(id, status, 2_000_000);
    }
}
