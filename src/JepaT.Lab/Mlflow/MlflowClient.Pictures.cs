using System.Globalization;
using System.Text.Json;

namespace JepaT.Lab;

public sealed partial class MlflowClient
{
    /// <summary>
    /// Logs a picture as MLflow's grid shows it: the full file, its small twin (longest side at most 256 pixels), and the
    /// tag that makes the page look for them. Draw at least 256 pixels wide; MLflow does not enlarge.
    /// </summary>
    /// <param name="run">The run.</param>
    /// <param name="key">ASCII letters, digits, _ - . / and spaces, e.g. <c>train/samples</c>.</param>
    /// <param name="step">The step.</param>
    /// <param name="timestamp">Milliseconds since 1970.</param>
    /// <param name="full">The encoded picture.</param>
    /// <param name="twin">The encoded small picture.</param>
    /// <param name="fullType">png or webp.</param>
    /// <param name="twinType">png or webp.</param>
    /// <param name="cancel">Ends the call.</param>
    public async Task LogImageAsync(MlflowRunInfo run, string key, long step, long timestamp, ReadOnlyMemory<byte> full, ReadOnlyMemory<byte> twin,
        string fullType = "png", string twinType = "png", CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        MlflowNames.Key("picture", key);
        if (!key.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' or '/' or ' '))
            throw new ArgumentException($"the picture key \"{MlflowNames.Plain(key)}\" may have ASCII letters, digits, _ - . / and spaces");
        if (fullType is not ("png" or "webp") || twinType is not ("png" or "webp")) throw new ArgumentException("a picture is png or webp: MLflow looks at no other");
        MlflowNames.Time("timestamp", timestamp);
        var name = string.Create(CultureInfo.InvariantCulture, $"images/{key.Replace('/', '~')}+step+{step}+timestamp+{timestamp}+{Guid.NewGuid()}");
        await UploadBytesAsync(run.ArtifactUri, $"{name}.{fullType}", full, cancel).ConfigureAwait(false);
        await UploadBytesAsync(run.ArtifactUri, $"{name}+compressed.{twinType}", twin, cancel).ConfigureAwait(false);
        await SetTagAsync(run.RunId, "mlflow.loggedImages", "True", cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// Logs a table as an artifact (over one of that name) and names it in the tag by which MLflow sets tables side by side.
    /// </summary>
    /// <param name="run">The run.</param>
    /// <param name="path">From the run's root, ending in .json.</param>
    /// <param name="columns">The names of the columns.</param>
    /// <param name="rows">Rows as long as <paramref name="columns"/>: text, numbers, true or false, null.</param>
    /// <param name="cancel">Ends the call.</param>
    public async Task LogTableAsync(MlflowRunInfo run, string path, IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<object?>> rows,
        CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        MlflowNames.ArtifactPath(path);
        if (!path.EndsWith(".json", StringComparison.Ordinal)) throw new ArgumentException("a table's path ends in .json", nameof(path));
        if (rows.Any(row => row.Count != columns.Count)) throw new ArgumentException("a row has another length than the columns", nameof(rows));
        await UploadBytesAsync(run.ArtifactUri, path, MlflowJson.Write(new { columns, data = rows }), cancel).ConfigureAwait(false);
        var now = await GetRunAsync(run.RunId, cancel).ConfigureAwait(false);
        var entries = Entries(now.Data.Tags.FirstOrDefault(tag => tag.Key == "mlflow.loggedArtifacts")?.Value);
        if (entries.Any(entry => entry.Path == path)) return;
        var text = JsonSerializer.Serialize(entries.Append(new LoggedArtifact(path, "table")), MlflowJson.Options);
        await SetTagAsync(run.RunId, "mlflow.loggedArtifacts", text, cancel).ConfigureAwait(false);
    }

    private async Task UploadBytesAsync(string artifactUri, string path, ReadOnlyMemory<byte> bytes, CancellationToken cancel)
    {
        using var stream = new MemoryStream(bytes.ToArray(), writable: false);
        await UploadArtifactAsync(artifactUri, path, stream, cancel).ConfigureAwait(false);
    }

    private static LoggedArtifact[] Entries(string? tag)
    {
        if (string.IsNullOrEmpty(tag)) return [];
        try
        {
            return JsonSerializer.Deserialize<LoggedArtifact[]>(tag, MlflowJson.Options) ?? [];
        }
        catch (JsonException e)
        {
            throw new MlflowException("the run's tag mlflow.loggedArtifacts is no list of tables; delete it, then log the table again", e);
        }
    }

    private sealed record LoggedArtifact(string Path, string Type);
}
