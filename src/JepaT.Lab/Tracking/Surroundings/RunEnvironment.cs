using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>What a program runs on and with, as a file of its run: versions, machine, and the settings of the environment that change speed or results.</summary>
internal static class RunEnvironment
{
    public const string FileName = "environment.json", DiffName = "code.diff";

    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    // Settings of libtorch, its thread library, the allocator and CUDA: names by prefix, since no list is ever complete. None holds a secret.
    private static readonly string[] Prefixes = ["OMP_", "MKL_", "KMP_", "GOMP_", "ATEN_", "TORCH_", "PYTORCH_", "CUDA_", "NVIDIA_", "GLIBC_TUNABLES", "MALLOC_", "LD_PRELOAD", "SLURM_JOB_ID", "DOTNET_gc", "DOTNET_GC"];

    /// <summary>JSON for <see cref="FileName"/>.</summary>
    public static string ToJson() => JsonSerializer.Serialize(new Dictionary<string, object?>
    {
        ["command"] = CommandLine.Text(),
        ["user"] = Environment.UserName,
        ["folder"] = Environment.CurrentDirectory,
        ["code"] = GitState.Of(AppContext.BaseDirectory) is { } git ? new Dictionary<string, object?> { ["commit"] = git.Commit, ["branch"] = git.Branch, ["dirty"] = git.Dirty } : null,
        ["machine"] = new Dictionary<string, object?>
        {
            ["host"] = Environment.MachineName,
            ["processor"] = Machine.Processor(),
            ["architecture"] = RuntimeInformation.ProcessArchitecture.ToString(),
            ["cores"] = Environment.ProcessorCount,
            ["memory_bytes"] = Machine.Memory(),
            ["gpus"] = NvidiaSmi.Describe(),
            ["system"] = RuntimeInformation.OSDescription,
        },
        ["threads"] = get_num_threads(),
        ["cuda"] = cuda.is_available(),
        ["variables"] = Variables(),
        ["runtime"] = RuntimeInformation.FrameworkDescription,
        ["packages"] = Packages(),
    }, Json);

    private static SortedDictionary<string, string> Variables() => new(
        Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Where(v => Prefixes.Any(p => ((string)v.Key).StartsWith(p, StringComparison.Ordinal)))
            .ToDictionary(v => (string)v.Key, v => Secrets.Hide((string?)v.Value ?? "")), StringComparer.Ordinal);

    /// <summary>
    /// Name and version of every package that the program was built with, libtorch's among them; of the loaded libraries where it carries
    /// no such list, as in a notebook host.
    /// </summary>
    internal static SortedDictionary<string, string> Packages()
    {
        var packages = new SortedDictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var list = Path.Combine(AppContext.BaseDirectory, "JepaT.Lab.deps.json");
        if (File.Exists(list))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(list));
            foreach (var library in json.RootElement.GetProperty("libraries").EnumerateObject())
                if (library.Name.Split('/') is [var name, var version]) packages[name] = version;
        }
        else
        {
            foreach (var name in AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetName()))
                if (name.Name is { } known) packages[known] = name.Version?.ToString() ?? "";
        }
        return packages;
    }
}
