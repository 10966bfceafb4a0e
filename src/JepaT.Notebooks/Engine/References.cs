using System.Reflection;
using System.Reflection.PortableExecutable;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;

namespace JepaT.Notebooks;

/// <summary>What code can refer to: the framework, everything that this program is made of, and what cells have added.</summary>
internal sealed class References
{
    private readonly Dictionary<string, MetadataReference> byName = new(StringComparer.OrdinalIgnoreCase);
    private readonly Context context = new();
    private IReadOnlyList<MetadataReference> all = [];

    public References()
    {
        foreach (var path in ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)) byName[Path.GetFileNameWithoutExtension(path)] = Read(path);
        all = [.. byName.Values];
    }

    public IReadOnlyList<MetadataReference> All => all;

    /// <summary>An assembly that cells have added; null for all others, which are found without help.</summary>
    public Assembly? Find(AssemblyName name) => context.Find(name);

    // Only the metadata: half the memory of whole files, and no file stays open.
    private static PortableExecutableReference Read(string path)
    {
        using var file = File.OpenRead(path);
        var module = ModuleMetadata.CreateFromStream(file, PEStreamOptions.PrefetchMetadata);
        return AssemblyMetadata.Create(module).GetReference(filePath: path);
    }

    private sealed class Context() : AssemblyLoadContext("notebook")
    {
        public Assembly? Find(AssemblyName name) => Assemblies.FirstOrDefault(a => a.GetName().Name == name.Name);
    }
}
