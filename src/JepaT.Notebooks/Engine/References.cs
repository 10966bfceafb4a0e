using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;

namespace JepaT.Notebooks;

/// <summary>Files that a package, or a set of them, comes down to.</summary>
internal sealed record PackageFiles(IReadOnlyList<string> Assemblies, IReadOnlyList<string> Natives);

/// <summary>
/// What code can refer to: the framework, everything that this program is made of, and what cells have added. A library that was added
/// stays until the kernel is restarted, also when its file is built anew: its types are in use, and two of a kind would be worse.
/// </summary>
internal sealed class References
{
    private readonly Dictionary<string, MetadataReference> byName = new(StringComparer.OrdinalIgnoreCase);
    private readonly HashSet<string> own;
    private readonly Context context = new();

    public References()
    {
        foreach (var path in ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)) byName[Path.GetFileNameWithoutExtension(path)] = Read(path);
        own = [.. byName.Keys];
        All = [.. byName.Values];
    }

    public IReadOnlyList<MetadataReference> All { get; private set; }

    public bool Contains(string assemblyName) => byName.ContainsKey(assemblyName);

    /// <summary>An assembly that cells have added; null for all others, which are found without help.</summary>
    public Assembly? Find(AssemblyName name) => context.Files.ContainsKey(name.Name!) ? context.LoadFromAssemblyName(name) : null;

    /// <summary>A native library that came with what cells have added, or lies beside it.</summary>
    public nint FindNative(string name) => context.FindNative(name);

    /// <summary>Adds a library and those beside it that it refers to. What it returns is to be told to the user.</summary>
    /// <exception cref="UserException">It is none, or another one of its name is loaded.</exception>
    public string? Add(string path)
    {
        var name = Path.GetFileName(path);
        var (id, references) = ReadHead(path);
        if (own.Contains(Path.GetFileNameWithoutExtension(path)))
            return $"note: {name} is part of this program, whose own copy is used";
        if (context.Files.TryGetValue(Path.GetFileNameWithoutExtension(path), out var known))
            return known.Id == id ? null : throw new UserException($"#r \"{name}\": it was loaded before and has been built anew since: restart the kernel to load the new one");
        AddFile(path, id);
        foreach (var beside in references.Select(r => Path.Combine(Path.GetDirectoryName(path)!, r + ".dll")).Where(f => !Contains(Path.GetFileNameWithoutExtension(f)) && File.Exists(f))) Add(beside);
        All = [.. byName.Values];
        return null;
    }

    /// <summary>Adds what packages hold, except for what this program has itself.</summary>
    /// <exception cref="UserException">Another version of one of them is loaded.</exception>
    public void Add(PackageFiles files)
    {
        foreach (var path in files.Assemblies.Where(f => !own.Contains(Path.GetFileNameWithoutExtension(f))))
        {
            var (id, _) = ReadHead(path);
            if (!context.Files.TryGetValue(Path.GetFileNameWithoutExtension(path), out var known)) AddFile(path, id);
            else if (known.Id != id) throw new UserException($"#r: {Path.GetFileName(path)} is loaded in another version already: name the packages in one cell, and restart the kernel");
        }
        foreach (var native in files.Natives) context.Natives.Add(native);
        All = [.. byName.Values];
    }

    private void AddFile(string path, Guid id)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        byName[name] = Read(path);
        context.Files[name] = (path, id);
    }

    private static (Guid Id, IReadOnlyList<string> References) ReadHead(string path)
    {
        try
        {
            using var file = new PEReader(File.OpenRead(path));
            var metadata = file.GetMetadataReader();
            return (metadata.GetGuid(metadata.GetModuleDefinition().Mvid), [.. metadata.AssemblyReferences.Select(r => metadata.GetString(metadata.GetAssemblyReference(r).Name))]);
        }
        catch (Exception e) when (e is BadImageFormatException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new UserException($"#r \"{Path.GetFileName(path)}\": is no .NET library that can be read", e);
        }
    }

    // Only the metadata: half the memory of whole files, and no file stays open.
    private static PortableExecutableReference Read(string path)
    {
        using var file = File.OpenRead(path);
        var documentation = Path.ChangeExtension(path, ".xml");
        return AssemblyMetadata.Create(ModuleMetadata.CreateFromStream(file, PEStreamOptions.PrefetchMetadata))
            .GetReference(File.Exists(documentation) ? XmlDocumentationProvider.CreateFromFile(documentation) : null, filePath: path);
    }

    private sealed class Context() : AssemblyLoadContext("notebook")
    {
        public Dictionary<string, (string Path, Guid Id)> Files { get; } = new(StringComparer.OrdinalIgnoreCase);

        public HashSet<string> Natives { get; } = [];

        public nint FindNative(string name)
        {
            string[] names = [name, $"{name}.so", $"lib{name}.so", $"lib{name}", $"{name}.dll", $"lib{name}.dylib", $"{name}.dylib"];
            var folders = Files.Values.Select(f => Path.GetDirectoryName(f.Path)!).Distinct().SelectMany(f => new[] { f, Path.Combine(f, "runtimes", RuntimeInformation.RuntimeIdentifier, "native") });
            var file = names.SelectMany(n => Natives.Where(f => Path.GetFileName(f) == n).Concat(folders.Select(f => Path.Combine(f, n)))).FirstOrDefault(File.Exists);
            return file is null ? 0 : NativeLibrary.Load(file);
        }

        protected override Assembly? Load(AssemblyName assemblyName) => Files.TryGetValue(assemblyName.Name!, out var file) ? LoadFromAssemblyPath(file.Path) : null;

        protected override nint LoadUnmanagedDll(string unmanagedDllName) => FindNative(unmanagedDllName);
    }
}
