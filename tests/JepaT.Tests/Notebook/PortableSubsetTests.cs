using System.Text.Json.Nodes;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>The rules see what they should, and the notebooks of the repository keep them.</summary>
public sealed class PortableSubsetTests
{
    /// <summary>Public names of ClrKernel.Core.Primitives and Verso.Abstractions, and of what these hosts import besides.</summary>
    private static readonly string[] HostNames =
    [
        "AnsiRenderer", "ConnectionProviderDescriptor", "ConnectionProviderExport", "DisplayCell", "DisplayData", "DisplayDataEmitter", "DisplayDataPackager", "DisplayExtensions",
        "DisplayFormatter", "DisplayFormatters", "DisplayProgress", "DisplayValue", "DisplayValues", "DisplayedValue", "DisplayTable", "DisplayText", "DisplayHtml", "DisplayMarkdown", "DisplayBytes",
        "InteractiveTable", "NotebookDirectory", "ProgressBar", "ResultFormatter", "SecretRedaction", "SharedValues", "TableExtractor",
        "CellModel", "CellOutput", "CellRegion", "Completion", "Diagnostic", "DiagnosticSeverity", "DisplayContext", "ExtensionInfo", "FontDescriptor", "HoverInfo", "LayoutReference", "NotebookModel",
        "NotebookDiffResult", "NotebookFormatVersion", "NotebookParameterDefinition", "OutputChannel", "ParameterDefinition", "Plural", "PropertyField", "PropertySection", "RenderResult",
        "SettingDefinition", "SettingType", "SyntaxColorMap", "ThemeCss", "ThemeKind", "ThemeSpacing", "ToolbarPlacement", "VariableDescriptor",
        "Process", "Switch", "Trace", "Debug", "Activity", "Expression", "Stopwatch", "Console",
    ];

    public static TheoryData<string> Notebooks => [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "notebooks"), "*.ipynb").Select(f => Path.GetFileName(f)!).Order()];

    [Theory]
    [MemberData(nameof(Notebooks))]
    public void A_notebook_keeps_the_rules(string name)
    {
        var json = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "notebooks", name));
        var cells = PortableSubset.Read(json);

        Assert.Empty(PortableSubset.Breaches(cells));
        Assert.Equal(cells.Count, cells.Select(c => c.Id).Distinct().Count());
        var metadata = JsonNode.Parse(json)!["metadata"]!;
        Assert.Equal(".net-csharp", (string?)metadata["kernelspec"]!["name"]);
        Assert.Equal("csharp", (string?)metadata["polyglot_notebook"]!["kernelInfo"]!["defaultKernelName"]);
        Assert.All(JsonNode.Parse(json)!["cells"]!.AsArray().Where(c => (string?)c!["cell_type"] == "code"), c => Assert.Empty(c!["outputs"]!.AsArray()));
        // A lesson, not a script: there is more to read than to run.
        Assert.True(cells.Where(c => c.Kind == "markdown").Sum(c => c.Source.Length) > cells.Where(c => c.Kind == "code").Sum(c => c.Source.Length));
    }

    [Fact]
    public void All_six_are_there() => Assert.Equal(6, Notebooks.Count);

    [Fact]
    public void Links_lead_to_notebooks_that_exist()
    {
        var names = Notebooks.Select(n => n.Data).ToHashSet();
        foreach (var name in names)
            foreach (var cell in PortableSubset.Read(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "notebooks", name))))
                foreach (System.Text.RegularExpressions.Match link in System.Text.RegularExpressions.Regex.Matches(cell.Source, @"\]\(([^)h]+\.ipynb)\)"))
                    Assert.Contains(link.Groups[1].Value, names);
    }

    [Fact]
    public void No_public_type_of_ours_has_a_name_that_a_host_imports()
    {
        var ours = new[] { typeof(View), typeof(JepaModel) }.SelectMany(t => t.Assembly.GetExportedTypes()).Where(t => !t.IsNested).Select(t => t.Name.Split('`')[0]);

        Assert.Empty(ours.Intersect(HostNames));
    }

    [Theory]
    [InlineData("display(1);", "display()")]
    [InlineData("Notebook.Show(HTML(\"x\"));", "HTML()")]
    [InlineData("1.Display();", "x.Display()")]
    [InlineData("await System.Threading.Tasks.Task.Delay(1);", "an await")]
    [InlineData("namespace A { class B { } }", "namespace")]
    [InlineData("static int Twice(this int x) => 2 * x;", "an extension method")]
    [InlineData("using var live = Notebook.Live();", "'using var'")]
    [InlineData("using System.IO.StringWriter w = new();", "'using var'")]
    [InlineData("while (true) { }", "an endless loop")]
    [InlineData("#!time\nvar x = 1;", "the directive '#!time'")]
    [InlineData("  #r \"nuget: A, 1.0\"", "the directive '#r")]
    [InlineData("#load \"x.csx\"", "the directive '#load")]
    [InlineData("var x = 1; var X = 2;", "differs from 'x' in case only")]
    [InlineData("var x = \"@input:name\";", "@input")]
    [InlineData("var x = ;", "is not C# 12")]
    [InlineData("var x = \"\\e[1m\";", "is not C# 12")]
    public void A_breach_is_seen(string source, string what)
    {
        var cells = new[] { Code("first", PortableSubset.FirstCell), new BookCell("p", "code", "// parameters\nvar steps = Notebook.Param(\"steps\", 200);", ["parameters"]), Code("x", source) };

        Assert.Contains(PortableSubset.Breaches(cells), b => b.Contains(what, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("var steps = 200;", "is not var NAME")]
    [InlineData("var steps = Notebook.Param(\"step\", 200);", "is not var NAME")]
    [InlineData("var steps = Notebook.Param(\"steps\", 2 * 100);", "is not var NAME")]
    public void A_parameter_that_the_environment_cannot_set_is_seen(string line, string what)
    {
        var cells = new[] { Code("first", PortableSubset.FirstCell), new BookCell("p", "code", "// parameters\n" + line, ["parameters"]) };

        Assert.Contains(PortableSubset.Breaches(cells), b => b.Contains(what, StringComparison.Ordinal));
    }

    [Fact]
    public void A_missing_first_cell_a_missing_tag_and_a_raw_cell_are_seen()
    {
        var breaches = PortableSubset.Breaches([Code("a", "var x = 1;"), new BookCell("r", "raw", "x", [])]).ToList();

        Assert.Equal(["r: a cell of kind 'raw'", "the first cell is not the common one", "0 cells have the tag 'parameters'"], breaches);
    }

    private static BookCell Code(string id, string source) => new(id, "code", source, []);
}
