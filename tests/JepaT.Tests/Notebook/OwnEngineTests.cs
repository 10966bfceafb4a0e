using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Notebooks;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>All notebooks, run headless by our own engine with tiny parameters that are injected as a cell, and made into pages.</summary>
public sealed partial class OwnEngineTests : IDisposable
{
    private readonly INotebookHost before = Notebook.Host;
    private readonly TinyFashion files = new(train: 200, test: 40);
    private readonly string folder = Directory.CreateTempSubdirectory("jepat-own-").FullName;

    public OwnEngineTests() => set_num_threads(1);

    public void Dispose()
    {
        Notebook.Host = before;
        files.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task All_notebooks_run_and_become_pages_that_need_nothing_else()
    {
        foreach (var name in PortableSubsetTests.Notebooks.Select(n => n.Data))
        {
            var notebook = Path.Combine(folder, name);
            File.Copy(Path.Combine(AppContext.BaseDirectory, "notebooks", name), notebook);
            var document = NotebookDocument.Load(notebook);
            string[] wished = [$"data={files.Folder}", "steps=4", "pictures=20", "each=1", "presets=none, full", "fusions=none, full", "index=3", "prompt=a <red> \"sneaker\""];
            var known = PortableSubset.Read(File.ReadAllText(notebook)).Single(c => c.Tags.Contains("parameters")).Source;
            Parameters.Inject(document, [.. wished.Where(w => known.Contains($"var {w.Split('=')[0]} =", StringComparison.Ordinal))]);
            var output = Path.Combine(folder, Path.ChangeExtension(name, ".out.ipynb"));

            await using (var session = new Session(new SessionOptions { Folder = folder }))
            {
                var outcome = await new NotebookRunner(document, new OutputCleaner([(folder, ".")], _ => { }), output) { Log = TextWriter.Null }.RunAsync(session, TestContext.Current.CancellationToken);
                Assert.True(outcome.End == RunEnd.Finished, $"{name}, cell {outcome.Cell}: {outcome.Error?.Name}: {outcome.Error?.Message}");
            }

            var text = File.ReadAllText(output);
            Assert.DoesNotContain(folder, text, StringComparison.Ordinal);
            Assert.DoesNotMatch(FromElsewhere(), text);
            foreach (var cell in JsonNode.Parse(text)!["cells"]!.AsArray().Where(c => (string?)c!["cell_type"] == "code"))
            {
                var source = string.Concat(cell!["source"]!.AsArray().Select(l => (string)l!));
                Assert.DoesNotContain("<red>", cell["outputs"]!.ToJsonString(new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }), StringComparison.Ordinal);
                if (source.Contains("Notebook.Show", StringComparison.Ordinal)) Assert.NotEmpty(cell["outputs"]!.AsArray());
            }
            NotebookFile.RequireValid(output);
        }
    }

    [GeneratedRegex(@"<(script|img|link|iframe)[^>]+(src|href)=\\?[""']?(?!\\?[""']?data:)http", RegexOptions.IgnoreCase)]
    private static partial Regex FromElsewhere();
}
