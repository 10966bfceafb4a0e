using System.Diagnostics;
using System.Text.Json.Nodes;
using JepaT.Notebooks;

namespace JepaT.Tests;

/// <summary>Notebooks for tests, and the public judge of them.</summary>
internal static class NotebookFile
{
    private const string Kernel = """{"display_name": ".NET (C#)", "language": "C#", "name": ".net-csharp"}""";

    /// <summary>A notebook of code cells, as text; a cell that begins with <c># tag:</c> carries that tag.</summary>
    public static string Of(params string[] cells) => Of(cells.Select(Cell));

    /// <summary>A notebook of cells given as JSON.</summary>
    public static string Of(IEnumerable<JsonObject> cells, string kernel = Kernel) => new JsonObject
    {
        ["cells"] = new JsonArray([.. cells]),
        ["metadata"] = new JsonObject { ["kernelspec"] = JsonNode.Parse(kernel) },
        ["nbformat"] = 4,
        ["nbformat_minor"] = 5,
    }.ToJsonString();

    public static NotebookDocument Document(params string[] cells) => NotebookDocument.Parse(Of(cells), "test.ipynb");

    /// <summary>Has Debian's nbformat judge a file. Skips the test where it is not installed.</summary>
    public static void RequireValid(string path) =>
        Python("import sys, json, nbformat; nbformat.validate(json.load(open(sys.argv[1], encoding='utf-8')))", path);

    /// <summary>Writes a file again as nbformat writes it.</summary>
    public static string AsNbformatWrites(string path)
    {
        var copy = path + ".copy";
        Python("import sys, nbformat; nbformat.write(nbformat.read(sys.argv[1], as_version=4), sys.argv[2])", path, copy);
        return File.ReadAllText(copy);
    }

    // Warnings are errors: nbformat mends ids that are missing or double, and only says so.
    private static void Python(string program, params string[] arguments)
    {
        var python = new[] { "python3", "/usr/bin/python3" }.FirstOrDefault(p => Run(p, "-c", "import nbformat").Code == 0);
        Assert.SkipWhen(python is null, "no nbformat for Python here (apt-get install python3-nbformat)");
        var (code, errors) = Run(python!, ["-W", "error::UserWarning", "-c", program, .. arguments]);
        Assert.True(code == 0, errors);
    }

    private static JsonObject Cell(string source)
    {
        var tags = new JsonArray();
        const string mark = "# tag:";
        if (source.StartsWith(mark, StringComparison.Ordinal))
        {
            var end = source.IndexOf('\n', StringComparison.Ordinal);
            tags.Add(JsonValue.Create(source[mark.Length..end].Trim()));
            source = source[(end + 1)..];
        }
        return new JsonObject { ["cell_type"] = "code", ["execution_count"] = null, ["metadata"] = new JsonObject { ["tags"] = tags }, ["outputs"] = new JsonArray(), ["source"] = source };
    }

    private static (int Code, string Errors) Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEnd();
            process.WaitForExit();
            return (process.ExitCode, errors + output.GetAwaiter().GetResult());
        }
        catch (System.ComponentModel.Win32Exception e)      // there is no such program
        {
            return (127, e.Message);
        }
    }
}
