using JepaT.Lab;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.Scripting;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>
/// All notebooks, run from the first to the last cell as each foreign host runs them: with its imports, in the newest C# that all compile,
/// with parameters from the environment, and with a stand-in that takes what is shown. Tiny parameters, real work.
/// </summary>
public sealed class ForeignHostsTests(ForeignHostsTests.Results results) : IClassFixture<ForeignHostsTests.Results>, IDisposable
{
    private static readonly Dictionary<string, string[]> Imports = new()
    {
        [StandInHost.DotNetInteractive] = ["System", "System.Text", "System.Collections", "System.Collections.Generic", "System.Threading.Tasks", "System.Linq"],
        [StandInHost.ClrKernel] = ["System", "System.IO", "System.Collections", "System.Collections.Generic", "System.Console", "System.Diagnostics", "System.Dynamic", "System.Linq", "System.Linq.Expressions", "System.Text",
            "System.Threading.Tasks", "ClrKernel.Core.Primitives"],
        [StandInHost.Verso] = ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Text", "System.Threading.Tasks", "Verso.Abstractions"],
    };

    private readonly INotebookHost before = Notebook.Host;
    public void Dispose() => Notebook.Host = before;

    /// <summary>Data and results of all hosts: what one has trained the next one loads, but for the notebook on training, whose seed differs.</summary>
    public sealed class Results : IDisposable
    {
        private readonly TinyFashion files = new(train: 200, test: 40);
        private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-books-");
        private readonly Dictionary<string, string?> environment = [];

        public Results()
        {
            set_num_threads(1);
            foreach (var (name, value) in new[]
            {
                ("FOLDER", folder.FullName), ("DATA", files.Folder), ("STEPS", "4"), ("PICTURES", "20"), ("EACH", "1"), ("PRESETS", "none, full"), ("FUSIONS", "none, full"), ("INTERACTIVE", "true"), ("SEED", "0"),
            }) Set("JEPAT_" + name, value);
        }

        public void Set(string name, string value)
        {
            environment.TryAdd(name, Environment.GetEnvironmentVariable(name));
            Environment.SetEnvironmentVariable(name, value);
        }

        public void Dispose()
        {
            foreach (var (name, value) in environment) Environment.SetEnvironmentVariable(name, value);
            files.Dispose();
            folder.Delete(recursive: true);
        }
    }

    [Theory]
    [InlineData(StandInHost.DotNetInteractive)]
    [InlineData(StandInHost.ClrKernel)]
    [InlineData(StandInHost.Verso)]
    public async Task All_notebooks_run_and_show_everything(string name)
    {
        results.Set("JEPAT_SEED", $"{Array.IndexOf([.. Imports.Keys], name)}");
        foreach (var notebook in PortableSubsetTests.Notebooks.Select(n => n.Data))
        {
            using var host = new StandInHost(name);
            Notebook.Host = NotebookHosts.Find([host.Assembly]);
            NotebookHosts.RegisterFormatters([.. AppDomain.CurrentDomain.GetAssemblies(), host.Assembly]);
            ScriptState? state = null;
            foreach (var cell in PortableSubset.Read(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "notebooks", notebook))).Where(c => c.Kind == "code"))
            {
                var shown = host.Outputs.Count;
                host.Begin();
                state = await Run(cell.Source, state, name, host, $"{notebook}, {cell.Id}");
                if (state.ReturnValue is { } value) host.ShowResult(value);
                host.End();
                if (cell.Source.Contains("Notebook.Show", StringComparison.Ordinal)) Assert.True(host.Outputs.Count > shown, $"{notebook}, {cell.Id}: nothing was shown");
            }
            Assert.StartsWith($"JepaT 0.1.0 in {Notebook.Host.Name}", host.Outputs[0][2], StringComparison.Ordinal);
            Assert.All(host.Outputs, o => Assert.Contains(o[1], new[] { "text/html", "text/plain", "image/png" }));
            Assert.All(host.Outputs.Where(o => o[1] == "text/html"), o => Assert.DoesNotContain("<script src", o[2], StringComparison.OrdinalIgnoreCase));
        }
    }

    private static async Task<ScriptState> Run(string source, ScriptState? state, string name, StandInHost host, string place)
    {
        // The host itself resolves the packages; here they are referenced.
        var code = string.Join('\n', source.Split('\n').Where(l => !l.StartsWith("#r ", StringComparison.Ordinal)));
        var options = ScriptOptions.Default.WithLanguageVersion(LanguageVersion.CSharp12).WithImports(Imports[name]).WithReferences(References.Value).AddReferences(host.Reference);
        Script script = state is null ? CSharpScript.Create(code, options) : state.Script.ContinueWith(code);
        var errors = script.GetCompilation().GetDiagnostics(TestContext.Current.CancellationToken).Where(d => d.Severity == DiagnosticSeverity.Error).ToList();
        Assert.True(errors.Count == 0, $"{place}: {string.Join("; ", errors)}");
        Assert.False(EndsWithTensor(script), $"{place}: its last expression is a bare tensor, which Verso would walk through");
        var result = state is null ? await script.RunAsync(cancellationToken: TestContext.Current.CancellationToken) : await script.RunFromAsync(state, TestContext.Current.CancellationToken);
        Assert.True(result.Exception is null, $"{place}: {result.Exception}");
        return result;
    }

    private static readonly Lazy<MetadataReference[]> References = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Where(f => !Path.GetFileName(f).StartsWith("JepaT.Tests", StringComparison.Ordinal)).Select(f => (MetadataReference)MetadataReference.CreateFromFile(f))]);

    private static bool EndsWithTensor(Script script)
    {
        var compilation = script.GetCompilation();
        var tree = compilation.SyntaxTrees.Single();
        return tree.GetRoot().ChildNodes().LastOrDefault() is Microsoft.CodeAnalysis.CSharp.Syntax.GlobalStatementSyntax { Statement: Microsoft.CodeAnalysis.CSharp.Syntax.ExpressionStatementSyntax { SemicolonToken.IsMissing: true } last }
            && compilation.GetSemanticModel(tree).GetTypeInfo(last.Expression).Type?.ToDisplayString() == "TorchSharp.torch.Tensor";
    }
}
