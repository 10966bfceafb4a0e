using System.Text.RegularExpressions;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class DirectiveTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Fact]
    public void A_cell_is_split_into_code_directives_and_texts_that_keep_their_lines()
    {
        const string cell = "var x = 1;\n#r \"nuget: A, 1\"\n#!time\nx\n#!markdown\n# it's \"\"\" (\n#!csharp\n  x + 1";
        Assert.Equal(
        [
            new DirectivePart("#r", "\"nuget: A, 1\"", 2), new CodePart("var x = 1;\n\n", 1), new DirectivePart("#!time", "", 3), new CodePart("\n\n\nx\n", 3),
            new TextPart("text/markdown", "# it's \"\"\" (", 5), new CodePart("\n\n\n\n\n\n\n  x + 1", 7),
        ], Directives.Split(cell).Select(p => p is CodePart code ? code with { Code = Regex.Replace(code.Code, " +(?=\n)", "") } : p));
    }

    [Fact]
    public void What_stands_in_strings_comments_and_inactive_code_is_no_directive()
    {
        const string cell = "var a = \"\"\"\n#!time\n#r \"x.dll\"\n\"\"\";\n/*\n#!whos\n*/\n// #!time\n#if false\n#!time\n#endif\nvar b = @\"\n#!foo\";\n#region R\n#endregion";
        Assert.Equal([new CodePart(cell, 1)], Directives.Split(cell));
    }

    [Theory]
    [InlineData("#if !NEVER\n#!time\nvar x = 1;\n#endif", "#!time", 2)]
    [InlineData("var x = 1;\n#if !NEVER\n#!markdown\ntext\n#endif", "#!markdown", 3)]
    [InlineData("#if NEVER\n#!time\n#elif !NEVER\n#if !NEVER\n#endif\n#!whos\n#endif", "#!whos", 6)]
    public async Task A_directive_in_conditional_code_is_refused_before_any_code_runs(string cell, string name, int line)
    {
        var error = await cells.ErrorAsync("Console.Write(\"ran\");" + cell.Insert(0, "\n"));
        Assert.Equal($"{name} cannot stand between #if and #endif: move it out of them, or into a cell of its own", error.Message);
        Assert.Contains($"   cell 1, line {line + 1}", error.Traceback);
        Assert.Equal("", cells.Out);
    }

    [Fact]
    public async Task Conditional_code_before_and_after_directives_runs()
    {
        Assert.Equal("3", await cells.ValueAsync("#if !NEVER\nvar x = 1;\n#r \"System.Xml.Linq\"\n#endif\n#!time\n#if NEVER\nx = 5;\n#else\nx += 2;\n#endif\nx"));
    }

    [Fact]
    public async Task Magics_do_what_they_say()
    {
        Assert.Equal("2", await cells.ValueAsync("#!csharp\n#!time\nvar x = 1;\nx + 1"));
        Assert.StartsWith("display text/plain: Wall time: ", cells.Log[^1], StringComparison.Ordinal);
        await cells.ValueAsync("#!markdown\n**bold** isn't code\n#!html\n<p>\n#!csharp\nvar y = \"<&>\";\n#!whos\n#!who");
        Assert.Contains("display text/markdown: **bold** isn't code", cells.Log);
        Assert.Contains("display text/html: <p>", cells.Log);
        Assert.Contains(cells.Log, l => l.Contains("Int32", StringComparison.Ordinal) && l.Contains("&lt;&amp;&gt;", StringComparison.Ordinal));
        Assert.Equal("x\ny\n", cells.Out);
        Assert.Equal("3 a b true 1 <&>", await cells.ValueAsync("#!set --name n --value 3\n#!set --name text --value \"a b\"\n#!set --name yes --value true\n#!set --name z --value @csharp:x\n#!share --from csharp y --as w\n$\"{n} {text} {(yes ? \"true\" : \"\")} {z} {w}\""));
    }

    [Theory]
    [InlineData("""
        --value "it's \"q\""
        """, "it's \"q\"")]
    [InlineData("""
        --value "back\\slash C:\new"
        """, "back\\slash C:\\new")]
    [InlineData("""
        --value it's
        """, "it's")]
    [InlineData("""
        --value ""
        """, "")]
    public async Task Values_may_hold_quotation_marks(string options, string value) =>
        Assert.Equal(value, await cells.ValueAsync($"#!set --name bar {options}\nbar"));

    [Fact]
    public async Task Files_with_namespaces_can_be_imported()
    {
        cells.File("whole.cs", "using System.Net;\nnamespace Shapes.Round;\n\npublic class Disc { public int Radius => throw new FormatException(\"here\"); }\n");
        cells.File("blocks.cs", "using Shapes.Round;\nnamespace Shapes\n{\n    namespace Other { class Box { public int Side = 4; public Disc Inside = new(); } }\n}\nenum Plain { One }");
        await cells.ValueAsync("#!import whole.cs\n#load \"blocks.cs\"");
        Assert.Equal("4 One", await cells.ValueAsync("$\"{new Box().Side} {Plain.One}\""));
        Assert.Equal("   whole.cs, line 4, in get_Radius", (await cells.ErrorAsync("new Box().Inside.Radius")).Traceback[1]);
    }

    [Fact]
    public async Task Values_of_parts_before_the_last_are_displayed()
    {
        Assert.Equal("2", await cells.ValueAsync("1\n#!csharp\n#!who\n2"));
        Assert.Contains("display text/plain: 1", cells.Log);
    }

    [Fact]
    public async Task Files_are_loaded_and_imported_from_the_notebooks_folder()
    {
        Directory.CreateDirectory(Path.Combine(cells.Folder, "lib"));
        cells.File("lib/a.csx", "#load \"b.cs\"\nint FromA() => FromB + 1;");
        cells.File("lib/b.cs", "using System.Net;\nvar FromB = 1;\nclass OfB { public override string ToString() => \"b\"; }");
        cells.File("c.ipynb", """{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# no"}, {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": null, "source": ["var fromC = 3;\n", "fromC"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 2}""");
        Assert.Equal("2 b 3", await cells.ValueAsync("#load \"lib/a.csx\"\n#!import c.ipynb\n$\"{FromA()} {new OfB()} {fromC}\""));
        Assert.Contains("display text/plain: 3", cells.Log);

        cells.File("bad.cs", "var fine = 1;\n\nint.Parse(\"x\");");
        Assert.Equal(["FormatException: The input string 'x' was not in a correct format.", "   bad.cs, line 3"], (await cells.ErrorAsync("#!import bad.cs")).Traceback);
        cells.File("round.cs", "#load \"round.cs\"");
        Assert.Contains("being imported already", (await cells.ErrorAsync("#load \"round.cs\"")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("#!fsharp\nlet x = 1", "#!fsharp is not known here; known are #!csharp, #!html, #!import, #!markdown, #!set, #!share, #!time, #!who, #!whos, #i, #load, #r")]
    [InlineData("var x = 1;\n#!nonsense --a", "#!nonsense is not known here; known are #!csharp, #!html, #!import, #!markdown, #!set, #!share, #!time, #!who, #!whos, #i, #load, #r")]
    [InlineData("#r \"missing.dll\"", "#r \"missing.dll\": there is no such file in the notebook's folder or the working folder")]
    [InlineData("#load \"missing.csx\"", "#load \"missing.csx\": there is no such file in the notebook's folder or the working folder")]
    [InlineData("#!import missing.ipynb", "#!import \"missing.ipynb\": there is no such file in the notebook's folder or the working folder")]
    [InlineData("#r \"note.txt\"", "#r \"note.txt\": is no .NET library that can be read")]
    [InlineData("#!import note.txt", "#!import \"note.txt\": .cs, .csx and .ipynb files can be imported")]
    [InlineData("#r \"nuget: no such, 1.0\"", "#r \"nuget: no such, 1.0\": write #r \"nuget: NAME, VERSION\"")]
    [InlineData("#!set --name 1x --value 2", "#!set: write #!set --name NAME --value VALUE, or --value @csharp:VARIABLE")]
    [InlineData("#!set --name x --value @csharp:none", "#!set: there is no variable 'none'")]
    [InlineData("#!set --name x --value \"open", "#!set --name x --value \"open: a quotation mark is not closed")]
    [InlineData("#!share x --from fsharp", "#!share --from fsharp: only csharp runs here")]
    public async Task Mistakes_are_told_in_one_line_with_their_place(string code, string message)
    {
        cells.File("note.txt", "hello");
        var error = await cells.ErrorAsync(code);
        Assert.Equal(("UserException", message), (error.Name, error.Message));
        Assert.Equal([$"UserException: {message}", $"   cell 1, line {(code.StartsWith("var", StringComparison.Ordinal) ? 2 : 1)}"], error.Traceback);
    }
}
