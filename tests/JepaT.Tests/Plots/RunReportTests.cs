using System.Net;
using System.Text.RegularExpressions;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>The page of any runs that <c>./lab report</c> makes.</summary>
public sealed partial class RunReportTests : IDisposable
{
    private static readonly DateTimeOffset Date = new(2025, 3, 4, 5, 6, 0, TimeSpan.Zero);

    private readonly TrackingFolder folder = new();
    private readonly SqliteStore store;
    private readonly IReadOnlyList<string> ids;

    public RunReportTests()
    {
        store = folder.Open();
        ids = HostileRuns.Log(store);
        for (var i = 0; i < 2; i++)
            for (var step = 0; step < 3; step++)
                store.UploadArtifact(ids[i], $"images/eval~samples+step+{100 * step}+timestamp+{step}+{Guid.NewGuid()}.png", new MemoryStream(TrackingFolder.Png(64, 64, new((byte)(80 * step), (byte)(90 * i), 120))));
    }

    public void Dispose()
    {
        store.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Names_params_and_notes_are_text()
    {
        var html = Html();

        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<b>experiment", html, StringComparison.Ordinal);
        Assert.Equal(3, html.Split("<script").Length - 1);                      // plotly, the charts, the sliders
        Assert.Contains(WebUtility.HtmlEncode($"# {HostileRuns.Script}"), html, StringComparison.Ordinal);
        Assert.Contains(WebUtility.HtmlEncode($"Runs of {HostileRuns.Experiment}"), html, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_part_is_there_and_the_best_is_marked_once()
    {
        store.UploadArtifact(ids[0], "environment.json", new MemoryStream("""{"dotnet": "10.0.1", "packages": {"TorchSharp": "0.107.0"}, "threads": 2}"""u8.ToArray()));
        store.LogBatch(ids[1], [], [], [new("mlflow.source.git.commit", "0123456789abcdef"), new("mlflow.source.git.dirty", "true"), new("jepat.command", "lab train --tracking http://me:hunter2@host/x")]);

        var html = Html();
        string[] parts =
        [
            "4 runs", "3 finished, 1 failed", "4 March 2025, 05:06 UTC", "<td class=\"best\">20<span", "eval/fid", "train/loss", "<mark>1e-3</mark>", "The same in all runs",
            "0123456789abcdef", "packages.TorchSharp", "0.107.0", "lab train --tracking http://***@host/x", "abcd1234", "alt=\"eval/samples of it&#39;s", "type=\"range\"", "max=\"2\"", "plots/plain.txt</a>",
        ];
        Assert.All(parts.Skip(1), part => Assert.Contains(part, html, StringComparison.Ordinal));
        Assert.DoesNotContain("hunter2", html, StringComparison.Ordinal);
        Assert.Equal(2, html.Split("<td class=\"best\">").Length - 1);          // FID and loss
        Assert.Equal(6, html.Split("<img ").Length - 1);
    }

    [Fact]
    public void Links_lead_to_the_files_whatever_their_names()
    {
        store.UploadArtifact(ids[0], "odd/javascript:x & ü+#.txt".Replace("#", "", StringComparison.Ordinal), new MemoryStream([7]));
        var place = Path.Combine(folder.Path, "a place", "deeper");

        var links = Links().Matches(Body(RunReport.Html(RunSet.Read(store), place, "", Date))).Select(m => WebUtility.HtmlDecode(m.Groups[1].Value)).ToList();

        Assert.Equal(3 + 6 + 1, links.Count);
        Assert.All(links, l => Assert.StartsWith("../../mlartifacts/", l, StringComparison.Ordinal));
        Assert.All(links, l => Assert.True(File.Exists(Path.GetFullPath(Uri.UnescapeDataString(l), place)), l));
        Assert.All(links, l => Assert.Equal("file", new Uri(new Uri($"file://{place}/report.html"), l).Scheme));
    }

    [Fact]
    public void What_cannot_be_read_is_said_in_its_place()
    {
        store.UploadArtifact(ids[0], $"images/eval~samples+step+900+timestamp+9+{Guid.NewGuid()}.png", new MemoryStream([1, 2, 3]));
        store.UploadArtifact(ids[0], "environment.json", new MemoryStream("no json"u8.ToArray()));
        folder.Execute($"UPDATE runs SET artifact_uri = 's3://elsewhere/{ids[1]}' WHERE run_uuid = '{ids[1]}'");

        var html = Html();

        Assert.Contains("is no PNG file", html, StringComparison.Ordinal);
        Assert.Contains("is no JSON", html, StringComparison.Ordinal);
        Assert.Contains("The files cannot be listed: run", html, StringComparison.Ordinal);
    }

    [Fact]
    public void One_run_alone_has_its_page_and_many_steps_are_thinned()
    {
        for (var step = 0; step < 50; step++)
            store.UploadArtifact(ids[2], $"images/many+step+{step}+timestamp+1+{Guid.NewGuid()}.png", new MemoryStream(TrackingFolder.Png(4, 4)));

        var html = RunReport.Html(RunLookup.Find(store, [ids[2]], null), folder.Path, "by name", Date);

        Assert.Contains("20 of 50 steps", html, StringComparison.Ordinal);
        Assert.Contains("data-step=\"0\"", html, StringComparison.Ordinal);
        Assert.Contains("data-step=\"49\"", html, StringComparison.Ordinal);
        Assert.DoesNotContain("class=\"best\"", html[html.IndexOf("<main>", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Contains("<details open><summary>All (3)</summary>", html, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_of_a_server_links_to_its_pages()
    {
        using var server = MlflowServer.Start(folder.Path);
        using var remote = TrackingStores.Open(server.Address.ToString());

        var html = RunReport.Html(RunSet.Read(remote), folder.Path, "", Date);

        var experiment = store.GetRun(ids[0]).Info.ExperimentId;
        var links = Links().Matches(Body(html)).Select(m => WebUtility.HtmlDecode(m.Groups[1].Value)).ToList();
        var run = $"{server.Address.ToString().TrimEnd('/')}/#/experiments/{experiment}/runs/{ids[0]}/artifacts/";
        Assert.Contains($"{run}plots/a%20%27b%27%20&%20%3Cc%3E.html?workflowType=machine_learning", links);
        Assert.Contains(links, l => l.StartsWith($"{run}images/eval~samples+step+0+timestamp+0+", StringComparison.Ordinal));
        Assert.Equal(6, html.Split("<img ").Length - 1);
        Assert.Equal(Links().Replace(Body(Html()), ""), Links().Replace(Body(html), ""));       // apart from where the store is, the page of its database
    }

    [Fact]
    public async Task A_browser_shows_it_all_without_a_network_narrow_and_wide_and_by_keyboard()
    {
        var page = Path.Combine(folder.Path, "report.html");
        await File.WriteAllTextAsync(page, Html(), TestContext.Current.CancellationToken);

        Assert.Equal("passed", await ReportBrowser.Look(page, charts: 1, sliders: 1));
    }

    [Fact]
    public async Task A_browser_shows_an_ablation_narrow_and_wide_and_by_keyboard()
    {
        var (page, result) = (Path.Combine(folder.Path, "report.html"), Fake.Ablation(pictures: 2));
        Report.Write(result, page);

        Assert.Equal("passed", await ReportBrowser.Look(page, Charts.Evaluations(result).Count + Charts.Finals(result).Count + Charts.Losses(result).Count, sliders: 0));
    }

    private string Html() => RunReport.Html(RunSet.Read(store), folder.Path, "", Date);

    // Between what is said of the store and the scripts.
    private static string Body(string html) => html[html.IndexOf("<section>", StringComparison.Ordinal)..html.IndexOf("<script>", StringComparison.Ordinal)];

    [GeneratedRegex("<a href=\"([^\"]*)\"")]
    private static partial Regex Links();
}
