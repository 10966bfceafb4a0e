using JepaT.Model;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookParametersTests
{
    private const string Defaults = """
        # tag: parameters
        // parameters
        using System;
        var steps = Notebook.Param("steps", 200); var lr = 1e-3;
        var name = "a";
        bool fast = false;
        var big = 5L; var half = 0.5f; var money = 1m; var less = -3; var day = 24 * 3600; var none = double.NaN;
        string[] presets = ["none", "full"]; var sizes = new[] { 1, 2 }; int? seed = null;
        var generic = Notebook.Param<double>("generic", 1); var when = DateTime.MinValue; TimeSpan span = default;
        var more = 3 > 2; var both = 1 == 2 && !(0.5 <= 1); var kind = steps is int; var near = lr is > 0 and < 1;
        """;

    [Theory]
    [InlineData("steps=20", "int steps = 20;")]
    [InlineData("lr=5", "double lr = 5d;")]
    [InlineData("lr=-1.5e-7", "double lr = -1.5E-07d;")]
    [InlineData("none=-Infinity", "double none = double.NegativeInfinity;")]
    [InlineData("name=", "string name = \"\";")]
    [InlineData("name=a=\"b\" </script>\n\\", "string name = \"a=\\\"b\\\" </script>\\n\\\\\";")]
    [InlineData("fast=True", "bool fast = true;")]
    [InlineData("big=3000000000", "long big = 3000000000L;")]
    [InlineData("half=0.25", "float half = 0.25f;")]
    [InlineData("money=1.10", "decimal money = 1.10m;")]
    [InlineData("less=3", "int less = 3;")]
    [InlineData("day=1", "int day = 1;")]
    [InlineData("presets=late, full", "string[] presets = new string[] { \"late\", \"full\" };")]
    [InlineData("sizes=", "int[] sizes = new int[] {  };")]
    [InlineData("seed=null", "int? seed = null;")]
    [InlineData("seed=4", "int? seed = 4;")]
    [InlineData("generic=2", "double generic = 2d;")]
    [InlineData("more=false", "bool more = false;")]
    [InlineData("both=true", "bool both = true;")]
    [InlineData("kind=false", "bool kind = false;")]
    [InlineData("near=false", "bool near = false;")]
    public void A_value_becomes_a_declaration_of_the_default_s_type(string given, string line)
    {
        var document = NotebookFile.Document("1", Defaults, "2");

        Parameters.Inject(document, [given]);

        Assert.Equal(4, document.Cells.Count);
        Assert.Equal("// the values of this run\n" + line, document.Cells[2].Source);
        Assert.Equal(["injected-parameters"], document.Cells[2].Tags);
    }

    [Theory]
    [InlineData("stepz=20", "has no parameter 'stepz'; it has steps (int), lr (double), name (string), fast (bool), big (long)")]
    [InlineData("Steps=20", "has no parameter 'Steps'; it has steps (int)")]
    [InlineData("steps=abc", "parameter 'steps' must be an int (a whole number), and 'abc' is none")]
    [InlineData("steps=1.5", "parameter 'steps' must be an int (a whole number), and '1.5' is none")]
    [InlineData("steps=3000000000", "parameter 'steps' must be an int (a whole number), and '3000000000' is none")]
    [InlineData("steps=", "parameter 'steps' must be an int (a whole number), and '' is none")]
    [InlineData("lr=1,5", "parameter 'lr' must be a double (a number), and '1,5' is none")]
    [InlineData("lr=1e400", "parameter 'lr' is a double, which cannot hold 1e400")]
    [InlineData("half=-1e39", "parameter 'half' is a float, which cannot hold -1e39")]
    [InlineData("fast=1", "parameter 'fast' must be a bool (true or false), and '1' is none")]
    [InlineData("sizes=1,x", "parameter 'sizes' must be an int (a whole number), and 'x' is none")]
    [InlineData("when=now", "the type of parameter 'when' cannot be told from its default; declare it with its type instead of var")]
    [InlineData("span=1", "parameter 'span' is a TimeSpan; only bool, int, long, float, double, decimal, string and arrays of them can be given")]
    public void An_unknown_name_and_a_wrong_type_are_refused_in_one_line(string given, string message)
    {
        var e = Assert.Throws<UserException>(() => Parameters.Inject(NotebookFile.Document(Defaults), [given]));

        Assert.StartsWith("test.ipynb: " + message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_value_without_a_name_or_given_twice_is_refused()
    {
        Assert.Equal("-p 20: write it as name=value", Assert.Throws<UserException>(() => Parameters.Inject(NotebookFile.Document(Defaults), ["20"])).Message);
        Assert.Equal("parameter 'lr' is given twice", Assert.Throws<UserException>(() => Parameters.Inject(NotebookFile.Document(Defaults), ["lr=1", "lr=2"])).Message);
    }

    [Fact]
    public void A_notebook_without_parameters_takes_none()
    {
        var document = NotebookFile.Document("var steps = 1;");
        Parameters.Inject(document, []);

        Assert.Single(document.Cells);
        Assert.Contains("takes no parameters", Assert.Throws<UserException>(() => Parameters.Inject(document, ["steps=1"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_line_serves_where_there_is_no_tag()
    {
        var document = NotebookFile.Document("1", "// parameters\nvar steps = 1;", "steps");

        Parameters.Inject(document, ["steps=2"]);

        Assert.Equal("// the values of this run\nint steps = 2;", document.Cells[2].Source);
    }

    [Fact]
    public void The_values_of_an_earlier_run_make_place()
    {
        var document = NotebookFile.Document(Defaults, "# tag: injected-parameters\n// Parameters\nvar steps = 7;", "steps");

        Parameters.Inject(document, ["lr=1"]);

        Assert.Equal([Defaults[(Defaults.IndexOf('\n', StringComparison.Ordinal) + 1)..], "// the values of this run\ndouble lr = 1d;", "steps"], document.Cells.Select(c => c.Source));
    }
}
