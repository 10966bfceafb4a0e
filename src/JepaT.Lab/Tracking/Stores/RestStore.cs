using System.Collections.Concurrent;

namespace JepaT.Lab;

/// <summary>
/// An MLflow server as a tracking store. It refuses what <see cref="SqliteStore"/> refuses, in the same words, before anything is sent;
/// what the server or the way to it refuses becomes a <see cref="UserException"/>. Login, TLS and patience come from MLflow's own variables
/// (MLFLOW_TRACKING_USERNAME …, see <see cref="MlflowOptions"/>).
/// </summary>
public sealed partial class RestStore : ITrackingStore
{
    // A create that may have arrived is looked for by this tag before it is repeated.
    private const string CreateIdTag = "jepat.create_id";

    private readonly HttpClient http;
    private readonly MlflowClient client;
    private readonly ConcurrentDictionary<string, string> artifactUris = new();     // of runs seen: asked for once
    private readonly ConcurrentDictionary<string, bool> going = new();              // runs known not to have ended: asked for once

    /// <summary>A store over a client; the store disposes <paramref name="http"/>.</summary>
    internal RestStore(HttpClient http, MlflowClient client)
    {
        (this.http, this.client) = (http, client);
        FullUri = Uri = client.Options.Shown;
    }

    public string Uri { get; }

    public string FullUri { get; }

    public string? Folder => null;

    /// <summary>Connects to a server, and asks it for its version, so that a wrong address or login is told at once.</summary>
    /// <param name="uri"><c>http(s)://[user:password@]host[:port][/path]</c>.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    /// <exception cref="UserException">Nothing answers there, or it is no MLflow server, or it wants another login.</exception>
    public static RestStore Open(string uri, TimeProvider? clock = null)
    {
        HttpClient? http = null;
        try
        {
            var options = MlflowOptions.FromEnvironment(Environment.GetEnvironmentVariable, uri);
            http = options.CreateHttpClient();
            // One try: a wrong address shall not take minutes to be told.
            new MlflowClient(http, options with { MaxRetries = 0, Timeout = TimeSpan.FromSeconds(20) }, TimeProvider.System).GetVersionAsync().GetAwaiter().GetResult();
            return new(http, new MlflowClient(http, options, clock ?? TimeProvider.System));
        }
        catch (MlflowException e)
        {
            http?.Dispose();
            throw new UserException(e.StatusCode is null && e.IsTransient ? $"{e.Message}: start the server, or log to {TrackingStores.DefaultUri}" : e.Message, e);
        }
    }

    public bool IsTransient(Exception error) => error is UserException { InnerException: MlflowException { IsTransient: true } };

    public void Dispose() => http.Dispose();

    public void UploadArtifact(string runId, string path, Stream content)
    {
        MlflowRules.CheckArtifactPath(path);
        Guard(async () =>
        {
            await client.UploadArtifactAsync(await ArtifactUriAsync(runId), path, content);
            return 0;
        });
    }

    public Stream OpenArtifact(string runId, string path)
    {
        MlflowRules.CheckArtifactPath(path);
        try
        {
            return Guard(async () => await client.OpenArtifactAsync(await ArtifactUriAsync(runId), path));
        }
        catch (UserException e) when (e.InnerException is MlflowException { ErrorCode: "RESOURCE_DOES_NOT_EXIST" })
        {
            throw new UserException($"run {runId} has no artifact '{path}' (at {Uri})", e);
        }
    }

    public IReadOnlyList<ArtifactInfo> Artifacts(string runId)
    {
        var files = new List<ArtifactInfo>();
        Guard(async () =>
        {
            var folders = new Stack<string?>([null]);
            var seen = new HashSet<string>();                                   // a server that lists a folder in itself is not followed
            while (folders.TryPop(out var folder))
                foreach (var file in await client.ListArtifactsAsync(runId, folder))
                    if (!seen.Add(file.Path)) continue;
                    else if (file.IsDir) folders.Push(file.Path);
                    else files.Add(new(file.Path, file.FileSize ?? 0));
            return 0;
        });
        files.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
        return files;
    }

    private async Task<string> ArtifactUriAsync(string runId)
    {
        if (artifactUris.TryGetValue(runId, out var known)) return known;
        return artifactUris[runId] = (await client.GetRunAsync(runId)).Info.ArtifactUri;
    }

    // The callers are the logging thread and commands, neither of which has anything else to do meanwhile.
    private static T Guard<T>(Func<Task<T>> call)
    {
        try
        {
            return Task.Run(call).GetAwaiter().GetResult();
        }
        catch (MlflowException e)
        {
            var mend = e.Message.Contains("Changing param values", StringComparison.Ordinal) ? "; a param is written once, start a new run" : "";
            throw new UserException(e.Message + mend, e);
        }
        catch (ArgumentException e)
        {
            throw new UserException(e.Message, e);
        }
    }
}
