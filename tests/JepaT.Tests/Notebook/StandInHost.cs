using System.Reflection;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Tests;

/// <summary>
/// A host of notebooks that is not installed here, as an assembly with the names that our bridges look for; made new for each test, so
/// that none sees the outputs of another.
/// </summary>
internal sealed class StandInHost : IDisposable
{
    public const string DotNetInteractive = "DotNetInteractive", ClrKernel = "ClrKernel", Verso = "Verso";

    private static readonly Dictionary<string, string> Names = new()
    {
        [DotNetInteractive] = "Microsoft.DotNet.Interactive",
        [ClrKernel] = "ClrKernel.Core.Primitives",
        [Verso] = "Verso.Abstractions",
    };

    private static readonly Lazy<MetadataReference[]> References = new(() =>
        [.. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(f => (MetadataReference)MetadataReference.CreateFromFile(f))]);

    private readonly AssemblyLoadContext context = new("stand-in", isCollectible: true);
    private readonly Type standIn;

    public StandInHost(string host)
    {
        var source = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Notebook", "StandIns", host + ".txt"));
        var compilation = CSharpCompilation.Create(Names[host], [CSharpSyntaxTree.ParseText(source)], References.Value, new(OutputKind.DynamicallyLinkedLibrary));
        using var stream = new MemoryStream();
        var result = compilation.Emit(stream);
        Assert.True(result.Success, string.Join("\n", result.Diagnostics));
        Reference = MetadataReference.CreateFromImage(stream.ToArray());
        stream.Position = 0;
        Assembly = context.LoadFromStream(stream);
        standIn = Assembly.GetTypes().Single(t => t.Name == "StandIn");
    }

    public Assembly Assembly { get; }

    /// <summary>To compile cells against.</summary>
    public MetadataReference Reference { get; }

    /// <summary>What was shown: id, MIME type, content; the same id again is an update.</summary>
    public List<string[]> Outputs => (List<string[]>)standIn.GetProperty("Outputs")!.GetValue(null)!;

    public CancellationTokenSource Cell => (CancellationTokenSource)standIn.GetProperty("Cell")!.GetValue(null)!;

    public void Begin() => standIn.GetMethod("Begin")!.Invoke(null, null);

    public void End() => standIn.GetMethod("End")!.Invoke(null, null);

    /// <summary>What the host does with the last expression of a cell.</summary>
    public void ShowResult(object value) => standIn.GetMethod("ShowResult")!.Invoke(null, [value]);

    public void Dispose() => context.Unload();
}
