using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace JepaT.Notebooks;

/// <summary>
/// Packages that cells name. Those that this program is made of are there already and need no network; all others come by
/// <c>dotnet restore</c> from the user's own sources and cache, and what it finds is remembered for each set of exact versions.
/// </summary>
internal sealed partial class Packages
{
    private static readonly string[] Torch = ["TorchSharp", "libtorch"];      // the build decides which variant

    private readonly Dictionary<string, string> own = new(StringComparer.OrdinalIgnoreCase);
    private readonly SortedDictionary<string, string> wanted = new(StringComparer.OrdinalIgnoreCase);
    private readonly SortedSet<string> sources = [];
    private readonly string cache;

    public Packages(string? cache = null)
    {
        this.cache = cache ?? CacheFolder.Of("notebook-packages");
        foreach (var file in ((string?)AppContext.GetData("APP_CONTEXT_DEPS_FILES") ?? "").Split(';').Where(File.Exists))
            foreach (var library in JsonNode.Parse(File.ReadAllText(file))!["libraries"]!.AsObject().Select(l => l.Key.Split('/')))
                own.TryAdd(library[0], library[1]);
    }

    /// <summary>A further source, a folder or an address, for what is named from here on.</summary>
    public void AddSource(string source) => sources.Add(source);

    /// <summary>Finds a package and all that it needs, in versions that fit those named before.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="version">Its version; the newest by default.</param>
    /// <param name="folder">Where to look for a nuget.config, upwards.</param>
    /// <param name="note">Takes what the user should know.</param>
    /// <param name="stop">Ends the search.</param>
    /// <exception cref="UserException">It cannot be had.</exception>
    public async Task<PackageFiles> AddAsync(string name, string? version, string folder, Action<string> note, CancellationToken stop)
    {
        if (!ValidName().IsMatch(name) || (version is not null && !ValidVersion().IsMatch(version)))
            throw new UserException($"#r \"nuget: {name}{(version is null ? "" : ", " + version)}\": write #r \"nuget: NAME, VERSION\"");
        if (own.TryGetValue(name, out var built) || Torch.Any(t => name.StartsWith(t, StringComparison.OrdinalIgnoreCase)))
        {
            built ??= own["TorchSharp"];
            // libtorch counts otherwise than TorchSharp does, which knows the one that it needs.
            if (version is not null && !name.StartsWith("libtorch", StringComparison.OrdinalIgnoreCase) && Numbers(version).CompareTo(Numbers(built)) > 0)
                throw new UserException($"package {name}: version {version} cannot be had here, for this program is made with {built}; name that one");
            if (version is not null && version != built) note($"note: {name} {built} is part of this program and used in place of {version}");
            return new([], []);
        }

        var all = new SortedDictionary<string, string>(wanted, StringComparer.OrdinalIgnoreCase) { [name] = version ?? "*" };
        var project = Project(all, folder);
        var place = Path.Combine(cache, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(project)))[..16]);
        var assets = Path.Combine(place, "obj", "project.assets.json");
        var files = all.ContainsValue("*") ? null : Read(assets);
        if (files is null)
        {
            var work = Directory.CreateDirectory(Path.Combine(cache, Path.GetRandomFileName())).FullName;      // two kernels may ask at once
            try
            {
                await RestoreAsync(work, project, name, version, stop);
                if (Directory.Exists(place)) Directory.Delete(place, recursive: true);
                Directory.Move(work, place);
            }
            finally
            {
                if (Directory.Exists(work)) Directory.Delete(work, recursive: true);
            }
            files = Read(assets) ?? throw new UserException($"package {name}: restored, yet its files are not there; empty NuGet's cache and try again");
        }
        wanted[name] = version ?? "*";
        return files;
    }

    // What a version begins with: "1.2.*" and "1.2-beta" are 1.2.0.0 for our purpose.
    private static Version Numbers(string version)
    {
        var numbers = version.Split('-', '+', '*')[0].Split('.', StringSplitOptions.RemoveEmptyEntries).Select(n => int.TryParse(n, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0);
        int[] four = [.. numbers.Concat([0, 0, 0, 0]).Take(4)];
        return new(four[0], four[1], four[2], four[3]);
    }

    private string Project(SortedDictionary<string, string> packages, string folder) =>
        new XElement("Project", new XAttribute("Sdk", "Microsoft.NET.Sdk"),
            new XElement("PropertyGroup",
                new XElement("TargetFramework", "net10.0"), new XElement("RuntimeIdentifier", RuntimeInformation.RuntimeIdentifier), new XElement("SelfContained", "false"),
                new XElement("UseAppHost", "false"), new XElement("NuGetAudit", "false"), new XElement("WarningsAsErrors", "NU1603"),
                new XElement("RestoreRootConfigDirectory", Path.GetFullPath(folder)), new XElement("RestoreAdditionalProjectSources", string.Join(';', sources))),
            new XElement("ItemGroup", packages.Select(p => new XElement("PackageReference", new XAttribute("Include", p.Key), new XAttribute("Version", p.Value))))).ToString();

    private static async Task RestoreAsync(string place, string project, string name, string? version, CancellationToken stop)
    {
        foreach (var (file, text) in new[] { ("packages.csproj", project), ("Directory.Build.props", "<Project/>"), ("Directory.Build.targets", "<Project/>"), ("Directory.Packages.props", "<Project/>") })
            await File.WriteAllTextAsync(Path.Combine(place, file), text, stop);
        var start = new ProcessStartInfo(Dotnet(), ["restore", "--disable-build-servers", "-nodeReuse:false", "-v:q", "-nologo"]) { WorkingDirectory = place, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        using var process = Start(start);
        using var kill = stop.Register(() => process.Kill(entireProcessTree: true));
        var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
        var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None) + await errors;
        await process.WaitForExitAsync(CancellationToken.None);
        stop.ThrowIfCancellationRequested();
        if (process.ExitCode == 0) return;
        var (code, message) = Error().Match(output) is { Success: true } e ? (e.Groups[1].Value, e.Groups[2].Value.Trim()) : ("", output.Trim().ReplaceLineEndings(" "));
        throw new UserException(code switch
        {
            "NU1101" => $"package {name}: is in none of your NuGet sources",
            "NU1102" or "NU1103" or "NU1603" => $"package {name}: there is no version {version} of it in your NuGet sources{(Nearest().Match(output) is { Success: true } near ? $"; the nearest is {near.Groups[1].Value}" : "")}",
            _ => $"package {name}: cannot be restored ({message})",
        });
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new UserException("#r \"nuget: …\": needs the .NET SDK; put dotnet on the PATH", e);
        }
    }

    // The one that runs this program, if it is one: it has an SDK, or could not have built it.
    private static string Dotnet() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    // Null when there is nothing, or when a file it names has been removed from NuGet's cache.
    private static PackageFiles? Read(string assets)
    {
        if (!File.Exists(assets)) return null;
        var root = JsonNode.Parse(File.ReadAllText(assets))!;
        var folders = root["packageFolders"]!.AsObject().Select(f => f.Key).ToList();
        var target = root["targets"]!.AsObject().First(t => t.Key.EndsWith('/' + RuntimeInformation.RuntimeIdentifier)).Value!.AsObject();
        var files = new PackageFiles([.. Files("runtime")], [.. Files("native")]);
        return files.Assemblies.Concat(files.Natives).All(File.Exists) ? files : null;

        IEnumerable<string> Files(string kind) =>
            from package in target
            from file in package.Value![kind]?.AsObject() ?? []
            where !file.Key.EndsWith("_._", StringComparison.Ordinal) && (kind == "native" || file.Key.EndsWith(".dll", StringComparison.OrdinalIgnoreCase))
            let path = Path.Combine(root["libraries"]![package.Key]!["path"]!.GetValue<string>(), file.Key)
            select folders.Select(f => Path.Combine(f, path)).FirstOrDefault(File.Exists, path);
    }

    [GeneratedRegex("^[A-Za-z0-9_]+([.-][A-Za-z0-9_]+)*$")]
    private static partial Regex ValidName();

    [GeneratedRegex(@"^[0-9][0-9A-Za-z.+-]*(\*)?$|^\*(-\*)?$")]
    private static partial Regex ValidVersion();

    [GeneratedRegex(@"Nearest version: ([0-9][^ \]]*)")]
    private static partial Regex Nearest();

    [GeneratedRegex(@"error (NU\d+): (.*?)( \[.*)?(\r?\n|$)")]
    private static partial Regex Error();
}
