using System.Diagnostics;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public partial class ReportTests
{
    private const string Hostile = "<script>alert('x')</script> & \"</script><!--";

    [Fact]
    public void Nothing_in_the_page_asks_for_the_network()
    {
        var html = Report.Html(Fake.Ablation(pictures: 2));
        var markup = ScriptOrStyle().Replace(html, "");

        Assert.Contains("default-src 'none'", html, StringComparison.Ordinal);
        Assert.DoesNotContain("http", markup.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.All(Source().Matches(markup), m => Assert.StartsWith("data:image/png;base64,", m.Groups[1].Value, StringComparison.Ordinal));
        Assert.DoesNotContain("<link", markup, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotMatch("<script[^>]+src", html);
        Assert.DoesNotMatch("url\\(|@import", string.Concat(Style().Matches(html).Select(m => m.Value)));
    }

    [Fact]
    public void Plotly_is_inside_once()
    {
        var html = Report.Html(Fake.Ablation());

        Assert.Single(PlotlyBanner().Matches(html));
        Assert.Equal(2, html.Split("<script>").Length - 1);
        Assert.InRange(html.Length, 3_000_000, 5_000_000);
    }

    [Fact]
    public void Text_of_others_is_shown_and_never_run()
    {
        var fake = Fake.Ablation(pictures: 2, prompt: Hostile);
        var hostile = fake with
        {
            Experiment = Hostile,
            ConfigYaml = Hostile,
            Command = Hostile,
            Calls = [new(Hostile, fake.Date, TimeSpan.Zero, Hostile)],
            Repeat = [Hostile],
            Machine = Hostile,
            DataName = Hostile,
            Commit = Hostile,
            Runs = [.. fake.Runs.Select(r => r with { Preset = Hostile + r.Preset, Error = r.Error + Hostile, RunId = Hostile })],
        };

        var html = Report.Html(hostile);

        Assert.DoesNotContain("<script>alert", html, StringComparison.Ordinal);
        Assert.DoesNotContain("<!--", html[html.LastIndexOf("<script>", StringComparison.Ordinal)..], StringComparison.Ordinal);
        Assert.Equal(Count(Report.Html(fake), "<script"), Count(html, "<script"));
        Assert.Equal(Count(Report.Html(fake), "</script"), Count(html, "</script"));
        Assert.Contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;", html, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_section_is_there()
    {
        var html = Report.Html(Fake.Ablation(pictures: 2) with { HeldOutPrompts = ["a blue bag"] });

        string[] parts =
        [
            "Fusion ablation: quick", "fashion (1a2b3c4d)", "4 March 2025, 05:06 UTC+00:00", "14 min 00 s", "2 &#215; EPYC", "commit 0123456789abcdef",
            "41.50 &#177; 2.12", "our own definitions".Replace("our", "this project&#39;s", StringComparison.Ordinal), "FID (fashion, 1k) ↓ against training step",
            "Final values", "Losses", "a red sneaker", "held out", "step 7: the loss is NaN", "step 9: the loss is NaN", "width: 128",
            "./lab ablate experiments/quick.yaml", "git checkout 0123456789abcdef",
        ];

        Assert.All(parts, part => Assert.Contains(part, html, StringComparison.Ordinal));
        Assert.Equal(8, Count(html, "<img "));                              // 4 runs with pictures × 2 prompts
    }

    [Fact]
    public void Several_calls_are_told_with_one_command_for_the_whole()
    {
        AblationCall[] calls =
        [
            new("./lab ablate --only none", new(2025, 3, 4, 4, 0, 0, TimeSpan.Zero), TimeSpan.FromMinutes(3), "fedcba9876543210"),
            new("./lab ablate -o x", new(2025, 3, 4, 5, 0, 0, TimeSpan.Zero), TimeSpan.FromMinutes(11), "0123456789abcdef"),
        ];

        var html = Report.Html(Fake.Ablation() with { Command = calls[1].Command, Calls = calls, Repeat = ["./lab ablate experiments/quick.yaml --seeds 3"] });

        string[] parts =
        [
            "14 min 00 s, the sum of 2 calls", "git checkout 0123456789abcdef\n./lab ablate experiments/quick.yaml --seeds 3</pre>", "2025-03-04 04:00", "3 min 00 s",
            "./lab ablate --only none", "made with another one: fedcba9876543210",
        ];
        Assert.All(parts, part => Assert.Contains(part, html, StringComparison.Ordinal));
    }

    [Fact]
    public void A_result_without_any_finished_run_still_gives_a_report()
    {
        var fake = Fake.Ablation();
        var html = Report.Html(fake with { Runs = [.. fake.Runs.Where(r => !r.Finished)], Commit = null, Duration = null });

        Assert.Contains("failed", html, StringComparison.Ordinal);
        Assert.Contains("commit unknown", html, StringComparison.Ordinal);
    }

    [Fact]
    public void The_command_makes_every_file_again_from_the_saved_result()
    {
        using var folder = new TemporaryFolder();
        var written = Report.WriteFolder(Fake.Ablation(pictures: 2), folder.Path);
        var before = written.ToDictionary(p => p, File.ReadAllBytes);
        foreach (var path in written.Skip(1)) File.Delete(path);

        Lab("report", folder.Path);

        Assert.All(before, f => Assert.Equal(f.Value, File.ReadAllBytes(f.Key)));
        Assert.Equal(before.Keys.Order(), Directory.GetFiles(folder.Path).Order());     // nothing temporary is left
    }

    [Fact]
    public void A_failed_write_leaves_the_old_report()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("report.html");
        File.WriteAllText(path, "old");

        Assert.Throws<InvalidOperationException>(() => AtomicFile.Write(path, file =>
        {
            file.WriteByte(1);
            throw new InvalidOperationException();
        }));

        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_target_that_cannot_be_written_is_named()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("file"), "");

        var error = Assert.Throws<UserException>(() => Report.Write(Fake.Ablation(), System.IO.Path.Combine(folder.File("file"), "report.html")));

        Assert.Contains("report.html", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_is_no_PNG_is_named_by_its_run()
    {
        var fake = Fake.Ablation(pictures: 2);
        var broken = fake with { Runs = [fake.Runs[0] with { Pictures = [[1, 2, 3], [4]] }] };

        Assert.Contains("run none, seed 0", Assert.Throws<UserException>(() => Report.Html(broken)).Message, StringComparison.Ordinal);
        Assert.Contains("run none, seed 0", Assert.Throws<UserException>(() => ImageGrid.Compare(broken, 0)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_browser_draws_every_chart_without_a_network()
    {
        var chromium = new[] { "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome" }.FirstOrDefault(File.Exists);
        if (chromium is null) Assert.Skip("no Chromium on this machine");
        using var folder = new TemporaryFolder();
        var path = folder.File("report.html");
        var result = Fake.Ablation(pictures: 2, prompt: Hostile);
        Report.Write(result, path);

        // No host resolves: whatever the page fetched would fail; the policy's own refusals would be on the console.
        var start = new ProcessStartInfo(chromium!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            ArgumentList =
            {
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
                $"--user-data-dir={folder.File("profile")}", "--virtual-time-budget=8000", "--dump-dom", new Uri(path).AbsoluteUri,
            },
        };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromMinutes(3));
        using var browser = Process.Start(start)!;
        using var stop = limit.Token.Register(() => browser.Kill(entireProcessTree: true));
        var errors = browser.StandardError.ReadToEndAsync(limit.Token);
        var dom = await browser.StandardOutput.ReadToEndAsync(limit.Token);
        await browser.WaitForExitAsync(limit.Token);

        var charts = Count(dom, "class=\"chart ");
        Assert.Equal(Charts.Evaluations(result).Count + Charts.Finals(result).Count + Charts.Losses(result).Count, charts);
        Assert.Equal(charts, Count(dom, "class=\"plot-container"));
        Assert.DoesNotContain("CONSOLE", await errors, StringComparison.Ordinal);
    }

    private static int Count(string text, string part) => text.Split(part).Length - 1;

    private static void Lab(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(typeof(Report).Assembly.Location);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        using var lab = Process.Start(start)!;
        var output = lab.StandardOutput.ReadToEnd() + lab.StandardError.ReadToEnd();
        lab.WaitForExit();
        Assert.True(lab.ExitCode == 0, output);
    }

    [GeneratedRegex("<(script|style)>.*?</\\1>", RegexOptions.Singleline)]
    private static partial Regex ScriptOrStyle();

    [GeneratedRegex("<style>.*?</style>", RegexOptions.Singleline)]
    private static partial Regex Style();

    [GeneratedRegex("(?:src|href)=\"([^\"]*)\"")]
    private static partial Regex Source();

    [GeneratedRegex("plotly\\.js v[0-9.]+")]
    private static partial Regex PlotlyBanner();
}
