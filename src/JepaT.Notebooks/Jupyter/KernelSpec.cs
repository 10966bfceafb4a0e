using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace JepaT.Notebooks;

/// <summary>Where Jupyter looks for kernels, and how it is told to start this one.</summary>
internal static partial class KernelSpec
{
    private const string Mark = "jepat";        // in the metadata of specifications that we wrote, and may write anew

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes the specification; gives its file.</summary>
    /// <param name="name">What notebooks call the kernel.</param>
    /// <param name="prefix">An environment (as of <c>jupyter --paths</c>); null for the user's own folder.</param>
    /// <exception cref="UserException">The name is none, is another kernel's, or the folder cannot be written.</exception>
    public static string Install(string name, string? prefix)
    {
        if (!Names().IsMatch(name)) throw new UserException($"--name '{name}': a kernel's name has letters, digits and . _ - only");
        var data = prefix is null ? UserData() : Path.Combine(Path.GetFullPath(prefix), "share", "jupyter");
        var file = Path.Combine(data, "kernels", name, "kernel.json");
        if (File.Exists(file) && !IsOurs(file)) throw new UserException($"{file} is another kernel's: take it away first (jupyter kernelspec remove {name}), or choose another --name");
        var spec = new JsonObject
        {
            ["argv"] = new JsonArray([.. Start().Select(a => JsonValue.Create(a)), "notebook", "kernel", "{connection_file}"]),
            ["display_name"] = "C# (JepaT)",
            ["language"] = "C#",
            ["interrupt_mode"] = "message",
            ["metadata"] = new JsonObject { [Mark] = new JsonObject() },
        };
        AtomicFile.Write(file, spec.ToJsonString(Readable) + "\n");
        return file;
    }

    // As jupyter_core's jupyter_data_dir().
    private static string UserData()
    {
        if (Environment.GetEnvironmentVariable("JUPYTER_DATA_DIR") is { Length: > 0 } folder) return Path.GetFullPath(folder);
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        if (OperatingSystem.IsMacOS()) return Path.Combine(home, "Library", "Jupyter");
        if (OperatingSystem.IsWindows()) return Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.ApplicationData), "jupyter");
        return Path.Combine(Environment.GetEnvironmentVariable("XDG_DATA_HOME") is { Length: > 0 } shared ? shared : Path.Combine(home, ".local", "share"), "jupyter");
    }

    // The script sets the environment; without it the program starts itself.
    private static IEnumerable<string> Start() => Environment.GetEnvironmentVariable("JEPAT_HOME") is { Length: > 0 } root
        ? [Path.Combine(root, OperatingSystem.IsWindows() ? "lab.cmd" : "lab")]
        : [Environment.ProcessPath!, typeof(KernelSpec).Assembly.Location];

    private static bool IsOurs(string file)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(file))?["metadata"]?[Mark] is not null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)      // not ours then, whatever it is
        {
            return false;
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9._-]+\z")]
    private static partial Regex Names();
}
