using System.Reflection;
using System.Runtime.Loader;

namespace JepaT.Lab;

/// <summary>
/// .NET Interactive brings an FSharp.Core of its own, older than the one that Plotly.NET was built for, and the runtime keeps one
/// assembly of a name in a load context. The newer one is loaded beside it, in a context apart, for those that ask for it.
/// </summary>
internal static class NewerAssemblies
{
    private const string Name = "FSharp.Core";

    private static readonly AssemblyLoadContext Apart = new("newer than the host's");
    private static readonly Lock Gate = new();
    private static bool IsRegistered;

    /// <summary>Answers for FSharp.Core where the host has failed to.</summary>
    public static void Register()
    {
        lock (Gate)
        {
            if (IsRegistered) return;
            IsRegistered = true;
            var own = AssemblyLoadContext.GetLoadContext(typeof(NewerAssemblies).Assembly) ?? AssemblyLoadContext.Default;
            foreach (var context in new[] { AssemblyLoadContext.Default, own }.Distinct()) context.Resolving += (_, name) => Resolve(name);
        }
    }

    private static Assembly? Resolve(AssemblyName wanted)
    {
        if (wanted.Name != Name) return null;
        lock (Gate)
            return Apart.Assemblies.FirstOrDefault(a => a.GetName().Version >= wanted.Version)
                ?? (Find(wanted.Version ?? new Version()) is { } file ? Apart.LoadFromAssemblyPath(file) : null);
    }

    // The newest framework first; among the packages the newest first, too.
    private static string? Find(Version least) =>
        NativeLibraries.PackageFolders(Path.GetDirectoryName(typeof(NewerAssemblies).Assembly.Location) ?? "", Name, null)
            .SelectMany(folder => Directory.EnumerateFiles(folder, Name + ".dll", SearchOption.AllDirectories).OrderDescending(StringComparer.Ordinal))
            .FirstOrDefault(file => AssemblyName.GetAssemblyName(file).Version >= least);
}
