using System.Diagnostics;
using JepaT.Lab;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Tests;

/// <summary>
/// A program that keeps each package in a folder of its own, as hosts of notebooks do: libtorch lies in another folder than
/// LibTorchSharp, SkiaSharp and SQLite, too, and none beside the assembly that calls it.
/// </summary>
public sealed class NativeLibrariesTests : IDisposable
{
    private const string Host = """
        using System.Runtime.Loader;
        using JepaT.Lab;
        using static TorchSharp.torch;

        var folders = Directory.EnumerateFiles(args[0], "*.dll", SearchOption.AllDirectories).ToDictionary(f => Path.GetFileNameWithoutExtension(f));
        AssemblyLoadContext.Default.Resolving += (context, name) =>
            (args[1] != "older" || name.Name != "FSharp.Core") && folders.TryGetValue(name.Name!, out var file) ? context.LoadFromAssemblyPath(file) : null;
        if (args[1] == "older") AssemblyLoadContext.Default.LoadFromAssemblyPath(args[2]);
        if (args[1] != "without") Start();
        if (args[1] == "older") Chart();
        else Use();

        static void Start() => Notebook.Start();

        static void Chart()
        {
            var curves = new Dictionary<string, IReadOnlyList<CurvePoint>> { ["train/loss"] = [new(1, 2), new(2, 0.5)] };
            var run = new RunResult("full", 0, "", "FINISHED", null, new Dictionary<string, double>(), curves, []);
            Notebook.Show(Charts.Losses(new AblationResult("x", [run], [], "", "", "", DateTimeOffset.UnixEpoch, "")));
        }

        static void Use()
        {
            using var x = randn(3, 28, 28, generator: new Generator(1));
            Notebook.Show(x);
            Console.WriteLine($"png {View.Picture(x).Png!.Length > 100}");
            using var store = SqliteStore.Open("sqlite:///" + Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()));
            Console.WriteLine($"experiments {store.Experiments().Count}");
        }
        """;

    // The package of each native file; the others beside the tests are libtorch's.
    private static readonly (string File, string Package, string Version)[] Native =
    [
        ("libLibTorchSharp.so", "torchsharp", "0.107.0"),
        ("libSkiaSharp.so", "skiasharp.nativeassets.linux.nodependencies", "2.88.9"),
        ("libe_sqlite3.so", "sqlitepclraw.lib.e_sqlite3", "2.1.13"),
    ];

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-natives-");

    public void Dispose() => folder.Delete(recursive: true);

    [Theory]
    [InlineData("", "native")]                                                  // flat, as Verso unpacks
    [InlineData("lib/net8.0", "runtimes/linux-x64/native")]                     // as NuGet unpacks
    public void Natives_are_found_where_each_package_has_its_own_folder(string managed, string native)
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("made of the Linux libraries");
        var packages = Unpack(managed, native);
        var host = Compile();

        var without = Run(host, packages, "without");
        var with = Run(host, packages, "start");

        Assert.Contains("DllNotFoundException", without, StringComparison.Ordinal);              // what Notebook.Start() is there for
        Assert.Contains("JepaT 0.1.0 in a console", with, StringComparison.Ordinal);
        Assert.Contains("Tensor (3, 28, 28) Float32, cpu", with, StringComparison.Ordinal);
        Assert.Contains("png True", with, StringComparison.Ordinal);
        Assert.Contains("experiments 1", with, StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_with_another_FSharp_Core_gets_the_one_that_the_charts_need()
    {
        if (!OperatingSystem.IsLinux()) Assert.Skip("made of the Linux libraries");
        var packages = Unpack("", "native");
        var older = Path.Combine(folder.FullName, "FSharp.Core.dll");
        var compilation = CSharpCompilation.Create("FSharp.Core", references: [MetadataReference.CreateFromFile(typeof(object).Assembly.Location)], options: new(OutputKind.DynamicallyLinkedLibrary));
        Assert.True(compilation.Emit(older, cancellationToken: TestContext.Current.CancellationToken).Success);

        Assert.Contains("full: 0.5 at 2", Run(Compile(), packages, "older", older), StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_are_searched_from_beside_the_assembly_to_the_newest_package()
    {
        var packages = Unpack("lib/net8.0", "native");
        foreach (var version in new[] { "1.9.0", "1.10.0", "2.0.0" }) Directory.CreateDirectory(Path.Combine(packages, "some.package", version));
        var caller = Path.Combine(packages, "torchsharp", "0.107.0", "lib", "net8.0");

        var found = NativeLibraries.Folders(caller, "Some.Package", "1.10.0").Where(f => Directory.Exists(f) && f.Contains("some.package", StringComparison.Ordinal)).ToList();

        Assert.Equal(caller, NativeLibraries.Folders(caller, "x", null).First());
        Assert.Equal(["1.10.0", "2.0.0", "1.9.0"], found.Select(Path.GetFileName));
    }

    private string Unpack(string managed, string native)
    {
        var root = Path.Combine(folder.FullName, "packages");
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory))
        {
            var name = Path.GetFileName(file);
            if (name.EndsWith(".dll", StringComparison.Ordinal)) Link(file, Path.GetFileNameWithoutExtension(name).ToLowerInvariant(), name == "TorchSharp.dll" ? "0.107.0" : "1.0.0", managed);
            else if (name.Contains(".so", StringComparison.Ordinal))
            {
                var known = Native.FirstOrDefault(n => n.File == name);
                if (known.File is null) Link(file, "libtorch-cpu-linux-x64", "2.10.0", native);
                else Link(file, known.Package, known.Version, native);
            }
        }
        return root;

        void Link(string file, string package, string version, string inner) =>
            File.CreateSymbolicLink(Path.Combine(Directory.CreateDirectory(Path.Combine(root, package, version, inner)).FullName, Path.GetFileName(file)), file);
    }

    private string Compile()
    {
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator).Select(f => MetadataReference.CreateFromFile(f));
        var usings = CSharpSyntaxTree.ParseText("global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;", cancellationToken: TestContext.Current.CancellationToken);
        var compilation = CSharpCompilation.Create("host", [usings, CSharpSyntaxTree.ParseText(Host, cancellationToken: TestContext.Current.CancellationToken)], references, new(OutputKind.ConsoleApplication));
        var host = Path.Combine(Directory.CreateDirectory(Path.Combine(folder.FullName, "host")).FullName, "host.dll");
        var result = compilation.Emit(host, cancellationToken: TestContext.Current.CancellationToken);
        Assert.True(result.Success, string.Join("\n", result.Diagnostics));
        var version = Environment.Version;
        File.WriteAllText(Path.ChangeExtension(host, ".runtimeconfig.json"),
            $$"""{"runtimeOptions": {"tfm": "net{{version.Major}}.0", "framework": {"name": "Microsoft.NETCore.App", "version": "{{version}}" }, "configProperties": {"System.Globalization.Invariant": true } } }""");
        return host;
    }

    private string Run(string host, string packages, params string[] how)
    {
        var info = new ProcessStartInfo("dotnet", [host, packages, .. how]) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = folder.FullName };
        info.Environment["HOME"] = folder.FullName;                             // no package cache to fall back on
        info.Environment.Remove("NUGET_PACKAGES");
        info.Environment.Remove("JEPAT_HOME");
        using var process = Process.Start(info)!;
        var error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = process.StandardOutput.ReadToEnd();
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(2)));
        return output + error.Result;
    }
}
