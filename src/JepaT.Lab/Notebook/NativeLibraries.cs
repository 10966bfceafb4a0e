using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>
/// Finds the native libraries of TorchSharp, SkiaSharp and SQLite wherever a notebook's host has put their packages. A host that keeps
/// one folder a package parts libtorch from LibTorchSharp, so that the system's loader does not find the one from the other; loaded by
/// absolute path and in the order of their dependence they are found by name.
/// </summary>
internal static partial class NativeLibraries
{
    // In the order of loading: each needs those before it.
    private static readonly string[] Libtorch = ["c10", "torch_cpu", "torch"];

    private static readonly Dictionary<string, nint> Loaded = [];

    private static string Rid => $"{(OperatingSystem.IsWindows() ? "win" : OperatingSystem.IsMacOS() ? "osx" : "linux")}-{RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant()}";

    /// <summary>Loads libtorch before TorchSharp's first call, and answers for all later requests that the host cannot satisfy.</summary>
    /// <exception cref="UserException">A library cannot be loaded, or TorchSharp finds none.</exception>
    public static void Load()
    {
        lock (Loaded)
        {
            if (Loaded.Count > 0) return;
            PassiveWaiting();
            foreach (var assembly in new[] { typeof(torch).Assembly, typeof(SkiaSharp.SKBitmap).Assembly, SqliteProvider() })
                if (AssemblyLoadContext.GetLoadContext(assembly) is { } context) context.ResolvingUnmanagedDll += (by, name) => Resolve(by, name);
            Preload();
            Check();
        }
    }

    private static void Preload()
    {
        var torchSharp = typeof(torch).Assembly;
        // With CUDA libtorch has more parts, which TorchSharp loads by itself where they lie beside it.
        if (Find("torch_cuda", Folders(torchSharp, "torchsharp")) is not null) return;
        var libtorch = Folders(torchSharp, $"libtorch-cpu-{Rid}", LibtorchVersion(torchSharp)).ToList();
        foreach (var name in Libtorch)
            if (Find(name, libtorch) is { } file) Loaded[name] = LoadFile(file);
        if (Find("LibTorchSharp", Folders(torchSharp, "torchsharp")) is { } own) Loaded["LibTorchSharp"] = LoadFile(own);
    }

    private static nint Resolve(Assembly by, string name)
    {
        if (Loaded.TryGetValue(Stem(name), out var handle)) return handle;
        var package = Stem(name) switch
        {
            "SkiaSharp" => OperatingSystem.IsWindows() ? "skiasharp.nativeassets.win32" : OperatingSystem.IsMacOS() ? "skiasharp.nativeassets.macos" : "skiasharp.nativeassets.linux.nodependencies",
            "e_sqlite3" => "sqlitepclraw.lib.e_sqlite3",
            _ => null,
        };
        return package is not null && Find(Stem(name), Folders(by, package)) is { } file ? LoadFile(file) : 0;
    }

    /// <summary>
    /// Where a package's native files may be, best first: beside the assembly that calls them, in its <c>runtimes</c> folder, then in the
    /// package's own folder among the host's packages and in NuGet's cache, there first the wished version, then the newest.
    /// </summary>
    internal static IEnumerable<string> Folders(string home, string package, string? version)
    {
        if (home.Length == 0) yield break;                                      // an assembly that was not loaded from a file
        yield return home;
        yield return Path.Combine(home, "runtimes", Rid, "native");
        foreach (var folder in PackageFolders(home, package, version))
        {
            yield return Path.Combine(folder, "runtimes", Rid, "native");
            yield return Path.Combine(folder, "native");
            yield return folder;
        }
    }

    private static IEnumerable<string> Folders(Assembly caller, string package, string? version = null) => Folders(Path.GetDirectoryName(caller.Location) ?? "", package, version);

    /// <summary>A package's folders, a version each: among the host's packages above <paramref name="home"/>, then in NuGet's cache.</summary>
    internal static IEnumerable<string> PackageFolders(string home, string package, string? version)
    {
        var roots = new List<string?>();
        for (var at = Directory.GetParent(home); at is not null && roots.Count < 4; at = at.Parent) roots.Add(at.FullName);
        roots.Add(Environment.GetEnvironmentVariable("NUGET_PACKAGES"));
        roots.Add(Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages"));
        var own = home.Split(Path.DirectorySeparatorChar);
        var ignoreCase = new EnumerationOptions { MatchCasing = MatchCasing.CaseInsensitive, IgnoreInaccessible = true };
        return from root in roots
               where !string.IsNullOrEmpty(root) && Directory.Exists(root)
               from name in Directory.EnumerateDirectories(root, package, ignoreCase)
               from folder in Directory.EnumerateDirectories(name)
               let found = Path.GetFileName(folder)
               // Packages that belong together have one version: that of the folder the caller came from.
               orderby version is null ? own.Contains(found) : found == version descending, Version.TryParse(found, out var v) ? v : new Version() descending
               select folder;
    }

    /// <summary>The libtorch that TorchSharp was made for, as its package says.</summary>
    private static string? LibtorchVersion(Assembly torchSharp) =>
        PackageFolders(Path.GetDirectoryName(torchSharp.Location) ?? "", "torchsharp-cpu", torchSharp.GetName().Version?.ToString(3))
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*.nuspec"))
            .Select(file => DependencyOnLibtorch().Match(File.ReadAllText(file)))
            .FirstOrDefault(m => m.Success)?.Groups[1].Value;

    private static string? Find(string name, IEnumerable<string> folders) => folders.Select(f => Path.Combine(f, FileName(name))).FirstOrDefault(File.Exists);

    private static string FileName(string name) => OperatingSystem.IsWindows() ? $"{(name == "SkiaSharp" ? "lib" : "")}{name}.dll" : OperatingSystem.IsMacOS() ? $"lib{name}.dylib" : $"lib{name}.so";

    // LibTorchSharp begins with these three letters by itself.
    private static string Stem(string name)
    {
        var stem = name.EndsWith(".so", StringComparison.Ordinal) || name.EndsWith(".dll", StringComparison.Ordinal) || name.EndsWith(".dylib", StringComparison.Ordinal)
            ? Path.GetFileNameWithoutExtension(name) : name;
        return stem.StartsWith("lib", StringComparison.Ordinal) ? stem[3..] : stem;
    }

    private static nint LoadFile(string file)
    {
        try
        {
            return NativeLibrary.Load(file);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            throw CannotLoad(e);
        }
    }

    // The first real call: the libraries are there, or the reason is said now and not in the middle of a lesson.
    private static void Check()
    {
        try
        {
            using var one = torch.tensor(1);
        }
        catch (Exception e) when (e is NotSupportedException or TypeInitializationException or DllNotFoundException)
        {
            throw CannotLoad(e);
        }
    }

    private static UserException CannotLoad(Exception e) => new(
        e.ToString().Contains("GLIBCXX", StringComparison.Ordinal)
            ? "TorchSharp needs libstdc++ of GCC 13 or later (GLIBCXX_3.4.32): './lab setup' in a clone installs it or says how"
            : $"TorchSharp's native libraries cannot be loaded ({e.Message.Split('\n')[0].Trim()}): is '#r \"nuget: TorchSharp-cpu, {typeof(torch).Assembly.GetName().Version?.ToString(3)}\"' the first line of the first cell?", e);

    private static Assembly SqliteProvider() => typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly;

    // Spinning threads stall small models on a busy machine. libgomp reads its environment when it is loaded, and .NET's own
    // Environment does not reach the C library's.
    private static void PassiveWaiting()
    {
        if (OperatingSystem.IsWindows()) return;
        _ = SetEnv("OMP_WAIT_POLICY", "PASSIVE", 0);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetEnv(string name, string value, int overwrite);

    [GeneratedRegex("""id="libtorch-cpu" version="\[?([0-9.]+)""")]
    private static partial Regex DependencyOnLibtorch();
}
