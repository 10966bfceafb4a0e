using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookPageTests : IDisposable
{
    private const string Hostile = "\"</script><img src=x onerror=alert(1)>'&<b>";

    private readonly string folder = Directory.CreateTempSubdirectory("jepat-page-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Whatever_is_in_texts_names_code_and_outputs_is_encoded()
    {
        var page = Page(
            Markdown($"# {Hostile}\n\n{Hostile} `{Hostile}` [x](javascript:alert(1)) <svg><script>alert(2)</script></svg>"),
            Code($"var a = \"{Hostile}\"; // {Hostile}", Stream(Hostile), Data("text/plain", Hostile), Error(Hostile)));

        Assert.Empty(page.QuerySelectorAll("script"));
        Assert.DoesNotContain(page.All, e => e.Attributes.Any(a => a.Name.StartsWith("on", StringComparison.Ordinal) || a.Value.StartsWith("javascript:", StringComparison.Ordinal)));
        Assert.Equal($"var a = \"{Hostile}\"; // {Hostile}", page.QuerySelector("pre.source")!.TextContent);
        Assert.Equal(Hostile, page.QuerySelector("pre.stream")!.TextContent);
        Assert.Equal(Hostile, page.QuerySelector("pre.plain")!.TextContent);
        Assert.Equal($"E: {Hostile}\n{Hostile}", page.QuerySelector("pre.error")!.TextContent);
        Assert.Equal(Hostile, page.Title);
    }

    [Fact]
    public void An_output_that_is_not_closed_reaches_no_further_than_its_place()
    {
        var page = Page(Code("1", Data("text/html", "<table><tr><td>a<!-- b"), Data("text/html", "<div><script>let x = 1;"), Data("text/html", "</div></section></main>")), Code("2", Stream("after")));

        Assert.Equal(2, page.QuerySelectorAll("main > section.code").Length);
        Assert.Equal("after", page.QuerySelector("main > section.code > pre.stream")!.TextContent);
    }

    [Fact]
    public void Each_kind_of_output_is_shown_in_its_richest_form()
    {
        var page = Page(Code("1",
            new JsonObject { ["output_type"] = "display_data", ["data"] = new JsonObject { ["text/plain"] = "no", ["text/html"] = new JsonArray("<i>", "yes</i>") } },
            new JsonObject { ["output_type"] = "display_data", ["data"] = new JsonObject { ["text/plain"] = "no", ["image/png"] = "iVBO\nRw0=" } },
            Data("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>"), Data("text/markdown", "*em*"), Stream("\u001b[31mred\u001b[0m"), Data("application/x-other", "raw")));

        Assert.Equal("yes", page.QuerySelector(".output i")!.TextContent);
        Assert.Equal(["data:image/png;base64,iVBORw0=", "data:image/svg+xml;base64," + Convert.ToBase64String("<svg xmlns='http://www.w3.org/2000/svg'/>"u8)], page.QuerySelectorAll(".output img").Select(i => i.GetAttribute("src")));
        Assert.Equal("em", page.QuerySelector(".output em")!.TextContent);
        Assert.Equal("red", page.QuerySelector("pre.stream")!.TextContent);
        Assert.Equal(["raw"], page.QuerySelectorAll("pre.plain").Select(p => p.TextContent));
    }

    [Fact]
    public void Pictures_of_the_text_are_put_into_the_page()
    {
        File.WriteAllBytes(Path.Combine(folder, "a b.png"), [1, 2, 3]);
        var cell = Markdown("![one](a%20b.png) ![two](attachment:t.png) ![three](missing.png) ![four](https://example.org/x.png)\n\n| a |\n|---|\n| 1 |");
        cell["attachments"] = JsonNode.Parse("""{"t.png": {"image/png": "AAAA"}}""");

        var page = Page(cell);

        Assert.Equal(["data:image/png;base64,AQID", "data:image/png;base64,AAAA", "missing.png", "https://example.org/x.png"], page.QuerySelectorAll("img").Select(i => i.GetAttribute("src")));
        Assert.Equal("1", page.QuerySelector(".text table td")!.TextContent);
    }

    [Fact]
    public void Formulas_are_shown_as_they_were_written()
    {
        var page = Page(Markdown("With $x_t = (1 - t)\\,x_0$ and\n\n$$\nu_t < x_1\n$$\n"));

        Assert.Equal(["x_t = (1 - t)\\,x_0", "u_t < x_1"], page.QuerySelectorAll(".math").Select(m => m.TextContent.Trim()));
    }

    [Fact]
    public void The_page_forbids_every_request_and_has_colours_for_light_and_dark()
    {
        var page = Page(Code("#r \"nuget: A, 1\"\nusing System; var x = new List<int> { 1 }; // c\nConsole.WriteLine($\"a{x}b\");"));

        Assert.StartsWith("default-src 'none';", page.QuerySelector("meta[http-equiv=Content-Security-Policy]")!.GetAttribute("content"), StringComparison.Ordinal);
        Assert.Contains("prefers-color-scheme: dark", page.QuerySelector("style")!.TextContent, StringComparison.Ordinal);
        Assert.Empty(page.QuerySelectorAll("link, [src]"));
        Assert.Equal(["using", "var", "new", "int"], page.QuerySelectorAll(".k").Select(e => e.TextContent));
        Assert.Equal(["$\"", "a", "b", "\""], page.QuerySelectorAll(".s").Select(e => e.TextContent));
        Assert.Equal(["List", "WriteLine", "// c", "1"], new[] { ".t", ".f", ".c", ".n" }.Select(kind => Assert.Single(page.QuerySelectorAll(kind)).TextContent));
        Assert.Equal("#r \"nuget: A, 1\"", page.QuerySelector(".d")!.TextContent.Trim());
    }

    private AngleSharp.Html.Dom.IHtmlDocument Page(params JsonObject[] cells) =>
        new HtmlParser().ParseDocument(NotebookPage.Html(NotebookDocument.Parse(NotebookFile.Of(cells), "test.ipynb"), folder));

    private static JsonObject Markdown(string source) => new() { ["cell_type"] = "markdown", ["metadata"] = new JsonObject(), ["source"] = source };

    private static JsonObject Code(string source, params JsonObject[] outputs) =>
        new() { ["cell_type"] = "code", ["execution_count"] = 1, ["metadata"] = new JsonObject(), ["outputs"] = new JsonArray([.. outputs]), ["source"] = source };

    private static JsonObject Stream(string text) => new() { ["output_type"] = "stream", ["name"] = "stdout", ["text"] = text };

    private static JsonObject Data(string mime, string text) => new() { ["output_type"] = "display_data", ["data"] = new JsonObject { [mime] = text } };

    private static JsonObject Error(string text) => new() { ["output_type"] = "error", ["ename"] = "E", ["evalue"] = text, ["traceback"] = new JsonArray(text) };
}
