using System.Text.Json.Nodes;
using JepaT.Model;
using JepaT.Notebooks;

namespace JepaT.Tests;

public sealed class NotebookDocumentTests : IDisposable
{
    // As nbformat writes it: keys sorted, indented by 1, text as it is, a newline at the end.
    private static readonly string Rich = """
        {
         "cells": [
          {
           "attachments": {
            "a.png": {
             "image/png": "iVBORw0KGgo="
            }
           },
           "cell_type": "markdown",
           "id": "intro",
           "metadata": {
            "unknown": {
             "x": 1.0,
             "y": 1e-05
            }
           },
           "source": [
            "# Grüße 😀 ODD <b> & \"quotes\" \\u0041 \\\\\n",
            "two"
           ]
          },
          {
           "cell_type": "raw",
           "id": "raw-1",
           "metadata": {
            "format": "text/x",
            "tags": [
             "keep"
            ]
           },
           "source": []
          },
          {
           "cell_type": "code",
           "execution_count": 7,
           "id": "code-1",
           "metadata": {
            "collapsed": true
           },
           "outputs": [
            {
             "data": {
              "text/plain": [
               "1\u001b[0m"
              ]
             },
             "execution_count": 7,
             "metadata": {},
             "output_type": "execute_result"
            }
           ],
           "source": [
            "1"
           ]
          }
         ],
         "metadata": {
          "kernelspec": {
           "display_name": ".NET (C#)",
           "language": "C#",
           "name": ".net-csharp"
          },
          "polyglot_notebook": {
           "kernelInfo": {
            "items": []
           }
          }
         },
         "nbformat": 4,
         "nbformat_minor": 5
        }

        """.Replace("ODD", "\u2028\u007f", StringComparison.Ordinal);

    private readonly string folder = Directory.CreateTempSubdirectory("jepat-notebook-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void A_notebook_is_written_back_byte_for_byte() =>
        Assert.Equal(Rich, NotebookDocument.Parse(Rich, "rich.ipynb").ToText());

    [Fact]
    public void It_is_written_as_nbformat_writes_it()
    {
        var path = Path.Combine(folder, "rich.ipynb");
        var rich = Rich.Replace("\u2028", "", StringComparison.Ordinal);        // where nbformat, unlike JupyterLab, begins a new line
        File.WriteAllText(path, NotebookDocument.Parse(rich, path).ToText());

        Assert.Equal(NotebookFile.AsNbformatWrites(path), File.ReadAllText(path));
    }

    [Fact]
    public void An_older_one_becomes_format_4_5_with_the_same_ids_each_time()
    {
        const string old = """
            {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "a"}, {"cell_type": "code", "source": ["a"]}, {"cell_type": "code", "metadata": {}, "source": ["a"]}],
             "metadata": {}, "nbformat": 4, "nbformat_minor": 2}
            """;
        var path = Path.Combine(folder, "old.ipynb");
        File.WriteAllText(path, NotebookDocument.Parse(old, path).ToText());

        NotebookFile.RequireValid(path);
        var ids = NotebookDocument.Load(path).Cells.Select(c => c.Id).ToList();
        Assert.Equal(3, ids.Distinct().Count());
        Assert.Equal(ids, NotebookDocument.Parse(old, path).Cells.Select(c => c.Id));
        Assert.Equal(5, JsonNode.Parse(File.ReadAllText(path))!["nbformat_minor"]!.GetValue<int>());
    }

    [Fact]
    public void Ids_that_are_double_or_malformed_are_replaced_and_the_others_kept()
    {
        var cells = new[] { "one", "one", "no id", "two" }.Select(id => new JsonObject { ["cell_type"] = "markdown", ["id"] = id, ["metadata"] = new JsonObject(), ["source"] = "" });

        var ids = NotebookDocument.Parse(NotebookFile.Of(cells), "x").Cells.Select(c => c.Id!).ToList();

        Assert.Equal(("one", "two"), (ids[0], ids[3]));
        Assert.All([ids[1], ids[2]], id => Assert.Matches("^[0-9a-f]{8}$", id));
        Assert.Equal(4, ids.Distinct().Count());
    }

    [Theory]
    [InlineData("", "is not a notebook (no JSON: ")]
    [InlineData("# Title", "is not a notebook (no JSON: ")]
    [InlineData("{\"cells\": [], \"cells\": []}", "is not a notebook (no JSON: ")]
    [InlineData("[1, 2]", "is not a notebook (no nbformat in it)")]
    [InlineData("{\"a\": 1}", "is not a notebook (no nbformat in it)")]
    [InlineData("{\"nbformat\": 4}", "is not a notebook (it has no list of cells)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [1]}", "is not a notebook (cell 1 has no known cell_type, or no source)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"heading\", \"source\": \"\"}]}", "is not a notebook (cell 1 has no known cell_type, or no source)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": 5}]}", "is not a notebook (cell 1 has no known cell_type, or no source)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": [\"a\", 5]}]}", "is not a notebook (cell 1 has no known cell_type, or no source)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\", \"metadata\": []}]}", "is not a notebook (the metadata of cell 1 are no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": 3}", "is not a notebook (its metadata are no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": \"x\"}}", "is not a notebook (the kernelspec in its metadata is no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"language_info\": [1]}}", "is not a notebook (the language_info in its metadata is no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\", \"metadata\": {\"polyglot_notebook\": \"x\"}}]}", "is not a notebook (the polyglot_notebook of cell 1 is no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\", \"metadata\": {\"dotnet_interactive\": 1}}]}", "is not a notebook (the dotnet_interactive of cell 1 is no object)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\", \"execution_count\": \"x\"}]}", "is not a notebook (the execution_count of cell 1 is no whole number)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\\ud800\"}]}", "is not a notebook (a text in it has half a character)")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": {\"name\": \"python3\", \"display_name\": \"Python 3\"}}}", "is a notebook in python (kernel python3); this engine runs C#")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": {\"name\": \"ir\", \"display_name\": \"R\"}}}", "is a notebook in R (kernel ir); this engine runs C#")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": {\"name\": \"julia-1.10\", \"display_name\": \"Julia\"}}}", "is a notebook in julia (kernel julia-1.10); this engine runs C#")]
    [InlineData("{\"nbformat\": 3, \"worksheets\": []}", "has nbformat 3; format 4 can be run: `jupyter nbconvert --to notebook bad.ipynb` brings it up to date")]
    [InlineData("{\"nbformat\": 5, \"cells\": []}", "has nbformat 5; format 4 can be run")]
    [InlineData("{\"nbformat\": \"4\", \"cells\": []}", "has nbformat \"4\"; format 4 can be run")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"kernelspec\": {\"language\": \"python\", \"name\": \"python3\"}}}", "is a notebook in python (kernel python3); this engine runs C#")]
    [InlineData("{\"nbformat\": 4, \"cells\": [], \"metadata\": {\"language_info\": {\"name\": \"F#\"}}}", "is a notebook in F#; this engine runs C#")]
    [InlineData("{\"nbformat\": 4, \"cells\": [{\"cell_type\": \"code\", \"source\": \"\", \"metadata\": {\"polyglot_notebook\": {\"kernelName\": \"fsharp\"}}}]}", "cell 1 is in fsharp; this engine runs C#")]
    public void What_cannot_be_run_is_refused_in_one_line(string text, string message)
    {
        var e = Assert.Throws<UserException>(() => NotebookDocument.Parse(text, "bad.ipynb"));

        Assert.StartsWith("bad.ipynb: " + message, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Theory]
    [InlineData("""{"language": "C#", "name": "clrkernel"}""")]
    [InlineData("""{"language": "csharp", "name": "x"}""")]
    [InlineData("""{"name": "jepat"}""")]
    [InlineData("""{"name": "jepat-csharp", "display_name": "C# (JepaT)"}""")]
    [InlineData("""{"name": ".net-csharp", "display_name": ".NET (C#)"}""")]
    [InlineData("null")]
    public void Notebooks_of_the_other_csharp_kernels_are_taken(string kernel) =>
        Assert.Empty(NotebookDocument.Parse(NotebookFile.Of([], kernel), "x").Cells);

    [Fact]
    public void A_missing_file_and_a_folder_are_told_apart()
    {
        Assert.Contains("there is no such file", Assert.Throws<UserException>(() => NotebookDocument.Load(Path.Combine(folder, "none.ipynb"))).Message, StringComparison.Ordinal);
        Assert.Contains("is a folder", Assert.Throws<UserException>(() => NotebookDocument.Load(folder)).Message, StringComparison.Ordinal);
    }
}
