using System.Net;

namespace JepaT.Lab;

public sealed partial class MlflowClient
{
    private const string Store = "api/2.0/mlflow-artifacts/";

    /// <summary>The files and folders directly in a folder of a run; none when there is no such folder.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="path">The folder from the run's root; null for the root.</param>
    /// <param name="cancel">Ends the call.</param>
    public async Task<IReadOnlyList<MlflowFile>> ListArtifactsAsync(string runId, string? path = null, CancellationToken cancel = default)
    {
        if (path is not null) MlflowNames.ArtifactPath(path);
        var query = Query("run_id", runId) + (path is null ? "" : "&" + Query("path", path));
        var files = new List<MlflowFile>();
        await foreach (var file in PagesAsync<MlflowFile>(async token =>
        {
            var answer = await GetAsync<FilesAnswer>("artifacts/list", token is null ? query : query + "&" + Query("page_token", token), cancel).ConfigureAwait(false);
            return (answer.Files, answer.NextPageToken);
        }, cancel).ConfigureAwait(false)) files.Add(file);
        return files;
    }

    /// <summary>
    /// Writes an artifact, over one of that name. A stream that can seek is sent again after a failure, another is not.
    /// </summary>
    /// <param name="artifactUri">The run's artifact URI: <c>mlflow-artifacts:</c> (through the server), <c>file:</c> or a path of this machine.</param>
    /// <param name="path">From the run's root.</param>
    /// <param name="content">Read from where it stands to its end.</param>
    /// <param name="cancel">Ends the call.</param>
    public async Task UploadArtifactAsync(string artifactUri, string path, Stream content, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var parts = MlflowNames.ArtifactPath(path);
        if (LocalRoot(artifactUri) is { } root)
        {
            await MlflowFiles.WriteAsync(MlflowFiles.Inside(root, parts), content, cancel).ConfigureAwait(false);
            return;
        }
        var remote = Remote(artifactUri, parts);
        if (content.CanSeek && content.Length - content.Position >= Options.MultipartFrom
            && (await GetServerInfoAsync(cancel).ConfigureAwait(false)).MultipartUploadsEnabled
            && await MultipartAsync(Folder(remote), parts[^1], content, cancel).ConfigureAwait(false)) return;
        await transport.PutAsync(Store + "artifacts/" + remote, content, null, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// Opens an artifact to read; a read that stalls or breaks off is an <see cref="MlflowException"/>. RESOURCE_DOES_NOT_EXIST
    /// when there is none. The caller disposes the stream.
    /// </summary>
    public async Task<Stream> OpenArtifactAsync(string artifactUri, string path, CancellationToken cancel = default)
    {
        var parts = MlflowNames.ArtifactPath(path);
        if (LocalRoot(artifactUri) is { } root) return MlflowFiles.Open(MlflowFiles.Inside(root, parts));
        var remote = Store + "artifacts/" + Remote(artifactUri, parts);
        return await transport.RetryAsync(() => transport.OpenAsync(remote, cancel), true, null, cancel).ConfigureAwait(false);
    }

    /// <summary>
    /// Downloads an artifact to its place below a folder, and gives the file's path. It appears there only when it is whole;
    /// a name that would lead out of the folder is an <see cref="MlflowException"/>, since it comes from a server.
    /// </summary>
    public async Task<string> DownloadArtifactAsync(string artifactUri, string path, string folder, CancellationToken cancel = default)
    {
        string target;
        try
        {
            target = MlflowFiles.Inside(folder, MlflowNames.ArtifactPath(path));
        }
        catch (ArgumentException e)
        {
            throw new MlflowException($"not downloaded: {e.Message}", e);
        }
        if (LocalRoot(artifactUri) is not null)
        {
            var local = await OpenArtifactAsync(artifactUri, path, cancel).ConfigureAwait(false);
            await using (local.ConfigureAwait(false)) await MlflowFiles.WriteAsync(target, local, cancel).ConfigureAwait(false);
            return target;
        }
        var remote = Store + "artifacts/" + Remote(artifactUri, MlflowNames.ArtifactPath(path));
        return await transport.RetryAsync(async () =>
        {
            var source = await transport.OpenAsync(remote, cancel).ConfigureAwait(false);
            await using (source.ConfigureAwait(false)) await MlflowFiles.WriteAsync(target, source, cancel).ConfigureAwait(false);
            return target;
        }, true, null, cancel).ConfigureAwait(false);
    }

    /// <summary>Deletes an artifact of the proxied store; none is no error.</summary>
    public Task DeleteArtifactAsync(string artifactUri, string path, CancellationToken cancel = default)
    {
        var parts = MlflowNames.ArtifactPath(path);
        if (LocalRoot(artifactUri) is { } root)
        {
            MlflowFiles.Delete(MlflowFiles.Inside(root, parts));
            return Task.CompletedTask;
        }
        return transport.JsonAsync<System.Text.Json.JsonElement>(HttpMethod.Delete, Store + "artifacts/" + Remote(artifactUri, parts), null, cancel);
    }

    private async Task<bool> MultipartAsync(string remote, string name, Stream content, CancellationToken cancel)
    {
        var start = content.Position;
        var size = content.Length - start;
        var chunk = Math.Max(Options.MultipartChunk, (size + 9999) / 10000);      // stores take at most 10,000 parts
        var count = (size + chunk - 1) / chunk;
        MultipartAnswer upload;
        try
        {
            upload = await transport.JsonAsync<MultipartAnswer>(HttpMethod.Post, Store + "mpu/create/" + remote, new { path = name, num_parts = count }, cancel)
                .ConfigureAwait(false);
        }
        catch (MlflowException e) when (e.StatusCode == HttpStatusCode.NotImplemented)
        {
            return false;       // the store behind the server has none: one PUT
        }
        try
        {
            if (upload.Credentials.Count != count) throw new MlflowException($"{Options.Shown} gives {upload.Credentials.Count} places for {count} parts");
            var sent = new List<MultipartPart>();
            foreach (var place in upload.Credentials.OrderBy(place => place.PartNumber))
            {
                content.Position = start + (sent.Count * chunk);
                var etag = await transport.PutAsync(place.Url, content, Math.Min(chunk, start + size - content.Position), cancel,
                    place.Headers ?? new Dictionary<string, string>()).ConfigureAwait(false);
                sent.Add(new MultipartPart(place.PartNumber, etag ?? "", place.Url));
            }
            await transport.JsonAsync<System.Text.Json.JsonElement>(HttpMethod.Post, Store + "mpu/complete/" + remote,
                new { path = name, upload_id = upload.UploadId, parts = sent }, cancel).ConfigureAwait(false);
            return true;
        }
        catch (Exception e)
        {
            if (await AbortAsync(remote, name, upload.UploadId).ConfigureAwait(false) is not { } left || e is not MlflowException first) throw;
            throw new MlflowException($"{first.Message}; the parts sent are left in the store: {left}", first)
            { StatusCode = first.StatusCode, ErrorCode = first.ErrorCode, RetryAfter = first.RetryAfter, IsTransient = first.IsTransient, MayHaveArrived = first.MayHaveArrived };
        }
    }

    /// <summary>One try of at most 10 s, also for a caller that is cancelled; gives what went wrong, null when nothing did.</summary>
    private async Task<string?> AbortAsync(string remote, string name, string? uploadId)
    {
        using var brief = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            await transport.OnceAsync<System.Text.Json.JsonElement>(HttpMethod.Post, Store + "mpu/abort/" + remote,
                new { path = name, upload_id = uploadId }, brief.Token).ConfigureAwait(false);
            return null;
        }
        catch (MlflowException e)
        {
            return e.Message;
        }
        catch (OperationCanceledException)
        {
            return "the abort was not answered within 10 s";
        }
    }

    /// <summary>Multipart calls name the folder in the address and the file in the body.</summary>
    private static string Folder(string remote) => remote.LastIndexOf('/') is var slash and >= 0 ? remote[..slash] : "";

    private static string? LocalRoot(string artifactUri)
    {
        ArgumentException.ThrowIfNullOrEmpty(artifactUri);
        if (artifactUri.StartsWith("file:", StringComparison.OrdinalIgnoreCase))
            return Uri.TryCreate(artifactUri, UriKind.Absolute, out var uri) && uri.IsFile && !uri.IsUnc ? uri.LocalPath
                : throw new MlflowException($"the artifact URI {MlflowNames.Plain(artifactUri)} is no file of this machine");
        return Path.IsPathFullyQualified(artifactUri) ? artifactUri : null;
    }

    private string Remote(string artifactUri, string[] parts)
    {
        const string Scheme = "mlflow-artifacts:";
        if (!artifactUri.StartsWith(Scheme, StringComparison.Ordinal))
            throw new MlflowException($"artifacts at {MlflowNames.Plain(artifactUri.Split("://")[0])} are not reached: "
                + $"only {Scheme} (the server's proxy), file: and absolute paths are");
        var root = artifactUri[Scheme.Length..];
        if (root.StartsWith("//", StringComparison.Ordinal))
        {
            var slash = root.IndexOf('/', 2);
            var host = slash < 0 ? root[2..] : root[2..slash];
            if (host.Length > 0 && host != Options.TrackingUri.Authority)
                throw new MlflowException("the run's artifacts are on another host than the tracking URI's; the login is not sent there");
            root = slash < 0 ? "" : root[slash..];
        }
        return string.Join('/', root.Split('/', StringSplitOptions.RemoveEmptyEntries).Concat(parts).Select(Uri.EscapeDataString));
    }

    private sealed record FilesAnswer(string? NextPageToken = null)
    {
        public IReadOnlyList<MlflowFile> Files { get; init; } = [];
    }

    private sealed record MultipartAnswer(string? UploadId = null)
    {
        public IReadOnlyList<MultipartPlace> Credentials { get; init; } = [];
    }

    private sealed record MultipartPlace(string Url, int PartNumber, Dictionary<string, string>? Headers = null);

    private sealed record MultipartPart(int PartNumber, string Etag, string Url);
}
