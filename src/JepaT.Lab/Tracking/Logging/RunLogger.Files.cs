using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using SkiaSharp;

namespace JepaT.Lab;

// Pictures, files and tables.
public sealed partial class RunLogger
{
    private const int TwinSize = 256;
    private const string TwinEnd = "+compressed.png";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private sealed record LoggedTable(string Path, string Type);

    /// <summary>
    /// Logs a picture that MLflow shows with a slider over the steps. Its pages do not enlarge: draw at least 256 pixels.
    /// </summary>
    /// <param name="key">Name with sections, e.g. <c>train/samples</c>: ASCII letters, digits, <c>_ - . /</c> and space.</param>
    /// <param name="step">Training step.</param>
    /// <param name="png">A PNG file; must not be changed afterwards.</param>
    public void Image(string key, long step, byte[] png)
    {
        MlflowRules.CheckImageKey(key);
        if (!png.AsSpan().StartsWith<byte>([0x89, (byte)'P', (byte)'N', (byte)'G']))
            throw new ArgumentException($"image '{key}': the bytes are no PNG file", nameof(png));
        var name = string.Create(CultureInfo.InvariantCulture, $"{ImageName(key, step)}+timestamp+{Now()}+{Guid.NewGuid()}");
        Enqueue(new WorkEntry(() =>
        {
            // The twin first: the page asks for it as soon as it sees the full picture.
            Upload(name + TwinEnd, Twin(key, png));
            Upload(name + ".png", png);
        }));
        lock (gate)
        {
            if (hasImages) return;
            hasImages = true;
        }
        Tag("mlflow.loggedImages", "True");
    }

    /// <summary>Stores a file, or a folder with all in it, under its own name or the one given.</summary>
    /// <param name="path">A file or folder. A file is opened at once, so replacing or deleting it afterwards changes nothing.</param>
    /// <param name="name">Path in the run, e.g. <c>checkpoints/last.safetensors</c>; the file's own name by default.</param>
    public void Artifact(string path, string? name = null)
    {
        name ??= Path.GetFileName(Path.TrimEndingDirectorySeparator(path));
        MlflowRules.CheckArtifactPath(name);
        if (Directory.Exists(path))
        {
            foreach (var file in Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal))
                Artifact(file, $"{name}/{Path.GetRelativePath(path, file).Replace(Path.DirectorySeparatorChar, '/')}");
            return;
        }
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"cannot read {path}, which should become an artifact of run '{Name}': {e.Message}", e);
        }
        Enqueue(new WorkEntry(() =>
        {
            stream.Position = 0;        // after a failure this is tried again
            store.UploadArtifact(id, name, stream);
            stream.Dispose();
        }));
    }

    /// <summary>Stores bytes as a file of the run.</summary>
    public void Artifact(string name, byte[] content)
    {
        MlflowRules.CheckArtifactPath(name);
        Enqueue(new WorkEntry(() => Upload(name, content)));
    }

    /// <summary>Stores a text as a file of the run, in UTF-8.</summary>
    public void ArtifactText(string name, string text) => Artifact(name, Encoding.UTF8.GetBytes(text));

    /// <summary>
    /// Stores a table that MLflow shows beside those of other runs, one row per value of the first column. The same name again
    /// replaces it.
    /// </summary>
    /// <param name="name">Path in the run; <c>.json</c> is added when it is not there.</param>
    /// <param name="columns">Headings.</param>
    /// <param name="rows">Texts, numbers, booleans or null; NaN and infinities become null, which JSON can say.</param>
    public void Table(string name, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<object?>> rows)
    {
        if (!name.EndsWith(".json", StringComparison.Ordinal)) name += ".json";
        MlflowRules.CheckArtifactPath(name);
        var data = rows.Select(row => row.Select(Cell).ToArray()).ToArray();
        if (data.FirstOrDefault(row => row.Length != columns.Count) is { } bad)
            throw new ArgumentException($"table '{name}': a row has {bad.Length} cells but there are {columns.Count} columns", nameof(rows));
        Artifact(name, JsonSerializer.SerializeToUtf8Bytes(new { columns, data }, Json));
        string list;
        lock (gate)
        {
            if (tables.Any(t => t.Path == name)) return;
            tables.Add(new(name, "table"));
            list = JsonSerializer.Serialize(tables, Json);
        }
        MlflowRules.CheckLength($"table '{name}'", "list of all tables of the run", list, MlflowRules.MaxTagValue);
        Tag("mlflow.loggedArtifacts", list);
    }

    private static object? Cell(object? value) => value switch
    {
        double d when !double.IsFinite(d) => null,
        float f when !float.IsFinite(f) => null,
        null or string or bool or double or float or int or long => value,
        _ => ParamText.Of(value),
    };

    private static string ImageName(string key, long step) => string.Create(CultureInfo.InvariantCulture, $"images/{key.Replace('/', '~')}+step+{step}");

    private void Upload(string name, byte[] content) => store.UploadArtifact(id, name, new MemoryStream(content));

    /// <summary>The picture with its longest side at most 256 pixels.</summary>
    private static byte[] Twin(string key, byte[] png)
    {
        using var full = SKBitmap.Decode(png) ?? throw new UserException($"image '{key}': the PNG file cannot be read");
        var longest = Math.Max(full.Width, full.Height);
        if (longest <= TwinSize) return png;
        var size = new SKImageInfo(Math.Max(1, full.Width * TwinSize / longest), Math.Max(1, full.Height * TwinSize / longest));
        using var small = full.Resize(size, SKFilterQuality.High);
        using var data = small.Encode(SKEncodedImageFormat.Png, 100);
        return data.ToArray();
    }
}
