using System.Reflection;
using System.Runtime.Loader;

namespace JepaT.Lab;

/// <summary>
/// Bridges to the hosts of C# notebooks. Our packages reference none of them: each is found by the public names of its assembly, in the
/// copy that the host itself uses (the default load context, not one that a package brought along).
/// </summary>
internal static class NotebookHosts
{
    /// <summary>The host whose assembly is loaded, else the console.</summary>
    public static INotebookHost Find() => Find(AssemblyLoadContext.Default.Assemblies);

    internal static INotebookHost Find(IEnumerable<Assembly> loaded)
    {
        var byName = loaded.Where(a => !a.IsDynamic).GroupBy(a => a.GetName().Name ?? "").ToDictionary(g => g.Key, g => g.First());
        return Try("Microsoft.DotNet.Interactive", DotNetInteractiveHost.Of)
            ?? Try("ClrKernel.Core.Primitives", ClrKernelHost.Of)
            ?? Try("Verso.Abstractions", VersoHost.Of)
            ?? new ConsoleHost(Console.Out);

        INotebookHost? Try(string name, Func<Assembly, INotebookHost?> of) => byName.TryGetValue(name, out var assembly) ? of(assembly) : null;
    }

    /// <summary>Teaches the host's own registry of formatters to show our types, for those that its convention does not cover.</summary>
    public static void RegisterFormatters() => RegisterFormatters(AppDomain.CurrentDomain.GetAssemblies());

    internal static void RegisterFormatters(IEnumerable<Assembly> loaded)
    {
        foreach (var assembly in loaded)
            switch (assembly.GetName().Name)
            {
                case "Microsoft.DotNet.Interactive.Formatting": DotNetInteractiveHost.RegisterFormatters(assembly); break;
                case "ClrKernel.Core.Primitives": ClrKernelHost.RegisterFormatters(assembly); break;
            }
    }
}

/// <summary>A host whose interrupt is not to be relied on and which does not tell the notebook's folder.</summary>
internal abstract class BridgedHost : INotebookHost
{
    public abstract string Name { get; }

    public virtual CancellationToken Stop => StopFile.Shared.Token;

    public virtual string? Folder => null;

    public abstract IDisplayed Show(string mime, string content);
}

/// <summary>No notebook at all: text on the console.</summary>
internal sealed class ConsoleHost(TextWriter output) : BridgedHost, IOnceOnly
{
    public override string Name => "a console";

    public override IDisplayed Show(string mime, string content)
    {
        output.WriteLine(mime == "text/plain" ? content : $"({mime}, {content.Length} characters)");
        return new Displayed((_, _) => { });
    }
}

/// <summary>An output that is changed by a call.</summary>
internal sealed class Displayed(Action<string, string> update) : IDisplayed
{
    public void Update(string mime, string content) => update(mime, content);
}
