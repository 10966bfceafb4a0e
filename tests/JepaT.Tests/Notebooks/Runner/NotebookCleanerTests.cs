using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookCleanerTests
{
    private readonly List<string> warnings = [];
    private readonly OutputCleaner cleaner;

    public NotebookCleanerTests() => cleaner = new([("/srv/me", "~"), ("/srv/me/clone/", "JepaT"), ("/tmp", "temp"), ("/", "never"), (null, "never"), ("", "never")], warnings.Add);

    [Theory]
    [InlineData("/srv/me/clone", "JepaT")]
    [InlineData("in /srv/me/clone/src/A.cs:line 3.", "in JepaT/src/A.cs:line 3.")]
    [InlineData("/srv/me/other and /srv/me.", "~/other and ~.")]
    [InlineData("/srv/mezzanine /srv/me-too /srv/me.bak", "/srv/mezzanine /srv/me-too /srv/me.bak")]
    [InlineData("http://host/srv/me", "http://host/srv/me")]
    [InlineData("sqlite:////srv/me/clone/mlflow.db", "sqlite:///JepaT/mlflow.db")]
    [InlineData("\"/tmp/x\",'/tmp',/tmp/y", "\"temp/x\",'temp',temp/y")]
    [InlineData("a/tmp/b ./tmp ~/tmp", "a/tmp/b ./tmp ~/tmp")]
    public void This_machine_s_folders_get_neutral_names(string text, string clean)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "paths of another system");
        Assert.Equal(clean, cleaner.Text(text));
    }

    [Theory]
    [InlineData("<p>a</p><script src=\"https://cdn.example/x.js\"></script><p>b</p>", "<p>a</p><p>b</p>", "https://cdn.example/x.js")]
    [InlineData("<script type=module>import x from 'https://cdn.example/y.js'; x()</script>", "", "https://cdn.example/y.js")]
    [InlineData("<script>import(\"//cdn.example/z.js\")</script>", "", "//cdn.example/z.js")]
    [InlineData("<SCRIPT>require.config({ paths: { plotly: 'https://cdn.example/plotly' } })</SCRIPT>", "", "https://cdn.example/plotly")]
    [InlineData("<script>var s = document.createElement('script'); s.src = `https://cdn.example/s.js`</script>ok", "ok", "https://cdn.example/s.js")]
    public void A_script_from_elsewhere_is_taken_out_and_told(string html, string clean, string from)
    {
        Assert.Equal(clean, cleaner.Clean("text/html", html));
        Assert.Equal($"an output asked for a script from elsewhere ({from}), which was taken out", Assert.Single(warnings));
    }

    [Theory]
    [InlineData("text/html", "<input type=range oninput='show(this.value)'><script>const a = 'https://example.org'; if (a < 3) go();</script>")]
    [InlineData("text/html", "<script src=data:text/javascript,1></script>")]
    [InlineData("text/plain", "<script src=\"https://cdn.example/x.js\"></script>")]
    public void What_needs_nothing_from_elsewhere_stays_as_it_is(string mime, string content)
    {
        Assert.Equal(content, cleaner.Clean(mime, content));
        Assert.Empty(warnings);
    }

    [Fact]
    public void What_dotnet_tells_of_itself_names_no_folder()
    {
        var clean = OutputCleaner.ForThisMachine(".", warnings.Add);
        var library = new Uri(typeof(string).Assembly.Location).ToString();
        Assert.Matches("^file:///?dotnet/shared/", clean.Text(library));
        Assert.Equal("dotnet/x", clean.Text(Path.Combine(Path.GetFullPath("../../..", Path.GetDirectoryName(typeof(string).Assembly.Location)!), "x")).Replace('\\', '/'));
        Assert.DoesNotContain(AppContext.BaseDirectory, clean.Text(AppContext.BaseDirectory + "JepaT.Lab.dll"), StringComparison.Ordinal);
        Assert.DoesNotContain(Environment.CurrentDirectory, clean.Text(Path.Combine(Environment.CurrentDirectory, "a")), StringComparison.Ordinal);
    }

    [Fact]
    public void Plotly_s_own_script_is_not_taken_for_one_that_loads_another()
    {
        var assembly = typeof(Plotly.NET.Trace).Assembly;
        var name = assembly.GetManifestResourceNames().Single(n => n.Contains("plotly-", StringComparison.Ordinal) && n.EndsWith(".js", StringComparison.Ordinal));
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        var html = $"<script>{reader.ReadToEnd().Replace("</script", "<\\/script", StringComparison.Ordinal)}</script>";

        Assert.Same(html, cleaner.Clean("text/html", html));
    }

    [Fact]
    public void Colours_go() => Assert.Equal("red text", OutputCleaner.WithoutColours("\u001b[31;1mred\u001b[0m\u001b]8;;http://x\u0007 te\u001b[Kxt"));
}
