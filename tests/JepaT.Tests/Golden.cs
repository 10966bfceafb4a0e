using System.Text.Json;
using JepaT.Model;
using TorchSharp;

namespace JepaT.Tests;

/// <summary>
/// A golden case: <c>NAME.json</c> and <c>NAME.safetensors</c> from the folder that <c>JEPAT_GOLDEN</c> names, by default the
/// copy beside these tests. Sizes and settings come from the JSON, so other cases of the same form run unchanged.
/// </summary>
internal sealed class Golden : IDisposable
{
    private static readonly string Shipped = Path.Combine(AppContext.BaseDirectory, "Golden");
    private static readonly string Folder = Environment.GetEnvironmentVariable("JEPAT_GOLDEN") is { Length: > 0 } folder ? folder : Shipped;

    private readonly JsonDocument json;
    private readonly Dictionary<string, torch.Tensor> tensors;

    public Golden(string name)
    {
        json = JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder, name + ".json")));
        tensors = Safetensors.Load(Path.Combine(Folder, name + ".safetensors"));
    }

    /// <summary>Whether the cases are the ones beside these tests.</summary>
    public static bool AreShipped => Folder == Shipped;

    public JsonElement Json => json.RootElement;

    public JsonElement Config => Json.GetProperty("config");

    public IEnumerable<string> Names => tensors.Keys;

    public torch.Tensor this[string name] => tensors[name];

    public void Dispose()
    {
        foreach (var t in tensors.Values) t.Dispose();
        json.Dispose();
    }
}
