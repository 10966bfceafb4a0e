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
    [InlineData("<svg><script href='https://evil.example/a.js'></script></svg>", "<svg></svg>", "https://evil.example/a.js")]
    [InlineData("<svg><script xlink:href='//evil.example/a.js'></script></svg>", "<svg></svg>", "//evil.example/a.js")]
    [InlineData("<link rel=modulepreload href=https://evil.example/m.js>a", "a", "https://evil.example/m.js")]
    [InlineData("<link rel='preload' as=script href=//evil.example/m.js>a", "a", "//evil.example/m.js")]
    [InlineData("<script type=importmap>{\"imports\": {\"a\": \"https://evil.example/a.js\"}}</script>", "", "https://evil.example/a.js")]
    [InlineData("<iframe srcdoc=\"&lt;p&gt;a&lt;/p&gt;&lt;script src='https://evil.example/f.js'&gt;&lt;/script&gt;\"></iframe>", "<iframe srcdoc=\"&lt;p&gt;a&lt;/p&gt;\"></iframe>", "https://evil.example/f.js")]
    [InlineData("<iframe src=\"https://evil.example/\"></iframe>a", "a", "https://evil.example/")]
    [InlineData("<object data='//evil.example/o'></object><b>a</b>", "<b>a</b>", "//evil.example/o")]
    [InlineData("<embed src='https://evil.example/e.svg'>a", "a", "https://evil.example/e.svg")]
    [InlineData("<base href='https://evil.example/'>a", "a", "https://evil.example/")]
    [InlineData("<template shadowrootmode=open><script src=https://evil.example/t.js></script></template>", "<template shadowrootmode=\"open\"></template>", "https://evil.example/t.js")]
    [InlineData("<script>require(['jquery', \"https://evil.example/r.js\"], f)</script>", "", "https://evil.example/r.js")]
    [InlineData("<script>requirejs([\"https://evil.example/r.js\"])</script>", "", "https://evil.example/r.js")]
    [InlineData("<script>s.setAttribute('src', 'https://evil.example/s.js')</script>", "", "https://evil.example/s.js")]
    [InlineData("<script>importScripts('https://evil.example/w.js')</script>", "", "https://evil.example/w.js")]
    public void A_script_from_elsewhere_is_taken_out_and_told(string html, string clean, string from)
    {
        Assert.Equal(clean, cleaner.Clean("text/html", html));
        Assert.Equal($"an output asked for a script from elsewhere ({from}), which was taken out", Assert.Single(warnings));
    }

    [Theory]
    [InlineData("text/html", "<input type=range oninput='show(this.value)'><script>const a = 'https://example.org'; if (a < 3) go();</script>")]
    [InlineData("text/html", "<link rel=stylesheet href=data:text/css,a><iframe srcdoc='<script>1</script>'></iframe><object data=data:image/svg+xml,x></object><a href='https://example.org'>")]
    [InlineData("text/html", "<script type=importmap>{\"imports\": {\"a\": \"data:text/javascript,1\"}}</script><script>require(['plotly'], f); fetch('#a')</script>")]
    [InlineData("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'><script>1</script><use href='#a'/><br></svg>")]
    [InlineData("text/html", "<script src=data:text/javascript,1></script>")]
    [InlineData("text/plain", "<script src=\"https://cdn.example/x.js\"></script>")]
    public void What_needs_nothing_from_elsewhere_stays_as_it_is(string mime, string content)
    {
        Assert.Equal(content, cleaner.Clean(mime, content));
        Assert.Empty(warnings);
    }

    [Theory]
    [InlineData("<?xml version='1.0'?><!DOCTYPE svg><svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'><rect width='1'/> <script xlink:href='https://evil.example/a.js'/>é &lt;</svg>", "https://evil.example/a.js")]
    [InlineData("<s:svg xmlns:s='http://www.w3.org/2000/svg'><rect width='1'/><s:script href='//evil.example/b.js'/>é &lt;</s:svg>", "//evil.example/b.js")]
    [InlineData("<svg xmlns='http://www.w3.org/2000/svg'><rect width='1'/><script><![CDATA[import('https://evil.example/c.js')]]></script>é &lt;</svg>", "https://evil.example/c.js")]
    public void A_script_from_elsewhere_is_taken_out_of_svg_which_stays_xml(string svg, string from)
    {
        var clean = cleaner.Clean("image/svg+xml", svg);
        var root = System.Xml.Linq.XDocument.Parse(clean).Root!;
        Assert.Equal("rect", Assert.Single(root.Elements()).Name.LocalName);
        Assert.EndsWith("é <", root.Value, StringComparison.Ordinal);
        Assert.Equal($"an output asked for a script from elsewhere ({from}), which was taken out", Assert.Single(warnings));
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
