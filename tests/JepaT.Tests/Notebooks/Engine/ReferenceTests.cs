using System.IO.Compression;
using JepaT.Notebooks;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Tests;

/// <summary>Libraries and packages; without a network.</summary>
public sealed class ReferenceTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Fact]
    public async Task A_library_and_those_beside_it_are_used_until_the_kernel_restarts()
    {
        Directory.CreateDirectory(Path.Combine(cells.Folder, "libs"));
        var inner = Library("libs/Inner.dll", "public class InnerType { public int Value = 4; }");
        var outer = Library("libs/Outer.dll", "public class OuterType { public InnerType Get() => new InnerType(); }", inner);
        Assert.Equal("4", await cells.ValueAsync("#r \"libs/Outer.dll\"\nnew OuterType().Get().Value"));
        Assert.Equal("4", await cells.ValueAsync("#r \"libs/Outer.dll\"\nnew OuterType().Get().Value"));

        File.Delete(outer);
        Library("libs/Outer.dll", "public class OuterType { public string Get() => \"new\"; }");
        Assert.Equal("#r \"Outer.dll\": it was loaded before and has been built anew since: restart the kernel to load the new one", (await cells.ErrorAsync("#r \"libs/Outer.dll\"")).Message);
        Assert.Equal("4", await cells.ValueAsync("new OuterType().Get().Value"));
    }

    [Fact]
    public async Task Our_own_names_need_no_network_and_name_the_version_that_is_used()
    {
        cells.File("nuget.config", "<configuration><packageSources><clear/></packageSources></configuration>");
        await cells.ValueAsync("#r \"nuget: TorchSharp-cpu, 0.107.0\"\n#r \"nuget: JepaT.Lab, 0.1.0\"\n#r \"nuget:JepaT.Model\"\n#r \"nuget: TorchSharp\"\n#r \"nuget: Plotly.NET, 6.0.0\"\n#r \"System.Xml\"");
        Assert.Equal("", cells.Err);
        await cells.ValueAsync("#r \"nuget: TorchSharp, 0.99.0\"");
        Assert.Equal("note: TorchSharp 0.107.0 is part of this program and used in place of 0.99.0\n", cells.Err);
        await cells.ValueAsync($"#r \"{typeof(JepaT.Lab.Notebook).Assembly.Location}\"");
        Assert.Contains("JepaT.Lab.dll is part of this program", cells.Err, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("JepaT.Lab", "9.9.9", "0.1.0")]
    [InlineData("TorchSharp-cpu", "0.999.*", "0.107.0")]
    public async Task A_newer_version_than_the_one_here_is_refused(string name, string wanted, string here) =>
        Assert.Equal($"package {name}: version {wanted} cannot be had here, for this program is made with {here}; name that one", (await cells.ErrorAsync($"#r \"nuget: {name}, {wanted}\"")).Message);

    [Fact]
    public async Task Other_packages_come_from_the_users_sources_once()
    {
        var library = Library("Made.dll", "namespace Made { public static class Thing { public static string Text => \"from a package\"; } }");
        var source = Directory.CreateDirectory(Path.Combine(cells.Folder, "source")).FullName;
        using (var package = ZipFile.Open(Path.Combine(source, "jepat.made.1.2.3.nupkg"), ZipArchiveMode.Create))
        {
            await using (var nuspec = new StreamWriter(package.CreateEntry("jepat.made.nuspec").Open()))
                await nuspec.WriteAsync("""<package xmlns="http://schemas.microsoft.com/packaging/2013/05/nuspec.xsd"><metadata><id>Jepat.Made</id><version>1.2.3</version><authors>a</authors><description>d</description></metadata></package>""");
            package.CreateEntryFromFile(library, "lib/net8.0/Made.dll");
        }
        File.Delete(library);
        cells.File("nuget.config", $"""<configuration><config><add key="globalPackagesFolder" value="{Path.Combine(cells.Folder, "cache")}"/></config><packageSources><clear/><add key="here" value="{source}"/></packageSources></configuration>""");
        var packages = new Packages(Path.Combine(cells.Folder, "sets"));

        var files = await packages.AddAsync("Jepat.Made", "1.2.3", cells.Folder, Assert.Fail, TestContext.Current.CancellationToken);
        Assert.Equal(["Made.dll"], files.Assemblies.Select(Path.GetFileName));

        Directory.Delete(source, recursive: true);                      // the second time nothing is asked
        var again = await new Packages(Path.Combine(cells.Folder, "sets")).AddAsync("Jepat.Made", "1.2.3", cells.Folder, Assert.Fail, TestContext.Current.CancellationToken);
        Assert.Equal(files.Assemblies, again.Assemblies);

        var references = new References();
        references.Add(files);
        Assert.Contains(references.All, r => r.Display == files.Assemblies[0]);
        Assert.Equal("from a package", references.Find(new("Made"))!.GetType("Made.Thing")!.GetProperty("Text")!.GetValue(null));

        Directory.CreateDirectory(source);
        await FailsAsync("Jepat.NotThere", "1.0.0", "package Jepat.NotThere: is in none of your NuGet sources");
        async Task FailsAsync(string name, string? version, string message) =>
            Assert.Equal(message, (await Assert.ThrowsAsync<JepaT.Model.UserException>(() => packages.AddAsync(name, version, cells.Folder, Assert.Fail, TestContext.Current.CancellationToken))).Message);
    }

    private string Library(string name, string code, params string[] others)
    {
        var path = Path.Combine(cells.Folder, name);
        MetadataReference[] references = [MetadataReference.CreateFromFile(typeof(object).Assembly.Location), .. others.Select(o => MetadataReference.CreateFromFile(o))];
        var result = CSharpCompilation.Create(Path.GetFileNameWithoutExtension(name), [CSharpSyntaxTree.ParseText(code)], references, new(OutputKind.DynamicallyLinkedLibrary)).Emit(path);
        Assert.True(result.Success, string.Join("\n", result.Diagnostics));
        return path;
    }
}
