using System.Net.Http.Headers;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>What became of the tries of one call.</summary>
internal sealed class MlflowAttempts
{
    /// <summary>Whether a failed try may have been carried out.</summary>
    public bool MayHaveArrived { get; set; }
}

/// <summary>Sends requests as MLflow's Python client does: login, retries, redirects; answers are read strictly.</summary>
internal sealed partial class MlflowTransport(HttpClient http, MlflowOptions options, TimeProvider clock)
{
    private const int MostRedirects = 10;

    /// <summary>A call with a JSON answer, tried again as the options say.</summary>
    public Task<T> JsonAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancel, MlflowAttempts? sent = null) =>
        RetryAsync(() => OnceAsync<T>(method, path, body, cancel), true, sent, cancel);

    /// <summary>One try of a call with a JSON answer.</summary>
    public async Task<T> OnceAsync<T>(HttpMethod method, string path, object? body, CancellationToken cancel)
    {
        var bytes = body is null ? null : MlflowJson.Write(body);
        using var idle = Idle(cancel);
        return await GuardAsync(method, idle, async () =>
        {
            using var answer = await SendAsync(method, path, bytes is null ? null : () => Json(bytes), idle.Token).ConfigureAwait(false);
            var content = await ReadAsync(answer, idle).ConfigureAwait(false);
            return Parse<T>(method, path, answer, content);
        }, options.Shown, cancel).ConfigureAwait(false);
    }

    /// <summary>A page of plain text.</summary>
    public Task<string> TextAsync(string path, bool tries, CancellationToken cancel) => RetryAsync(async () =>
    {
        using var idle = Idle(cancel);
        return await GuardAsync(HttpMethod.Get, idle, async () =>
        {
            using var answer = await SendAsync(HttpMethod.Get, path, null, idle.Token).ConfigureAwait(false);
            return System.Text.Encoding.UTF8.GetString(await ReadAsync(answer, idle).ConfigureAwait(false));
        }, options.Shown, cancel).ConfigureAwait(false);
    }, tries, null, cancel);

    /// <summary>Sends a stream from where it stands; tried again only where it can go back there. Gives the ETag.</summary>
    public Task<string?> PutAsync(string path, Stream source, long? length, CancellationToken cancel, IReadOnlyDictionary<string, string>? presigned = null)
    {
        var start = source.CanSeek ? source.Position : 0;
        var who = presigned is null ? options.Shown : Store(path);
        return RetryAsync(async () =>
        {
            using var idle = Idle(cancel);
            return await GuardAsync(HttpMethod.Put, idle, async () =>
            {
                HttpContent Content() => new MlflowUpload(source, start, length ?? (source.CanSeek ? source.Length - start : null), () => idle.Progress());
                using var answer = await SendAsync(HttpMethod.Put, path, Content, idle.Token, presigned).ConfigureAwait(false);
                if (presigned is not null) return answer.Headers.TryGetValues("ETag", out var tags) ? tags.First() : null;
                // Nothing, or an empty object; a page that asks for a login has kept nothing.
                var said = await ReadAsync(answer, idle).ConfigureAwait(false);
                if (said.Length > 0) Parse<JsonElement>(HttpMethod.Put, path, answer, said);
                return null;
            }, who, cancel).ConfigureAwait(false);
        }, source.CanSeek, null, cancel);
    }

    /// <summary>One try to open a download; the body is read by the caller, from the server's stream.</summary>
    public async Task<Stream> OpenAsync(string path, CancellationToken cancel)
    {
        using var idle = Idle(cancel);
        return await GuardAsync<Stream>(HttpMethod.Get, idle, async () =>
        {
            var answer = await SendAsync(HttpMethod.Get, path, null, idle.Token).ConfigureAwait(false);
            if (answer.Content.Headers.ContentType?.MediaType == "text/html" && answer.Content.Headers.ContentDisposition is null)
            {
                using (answer)
                {
                    var page = Excerpt(await StartAsync(answer, idle.Token).ConfigureAwait(false));
                    throw new MlflowException($"{options.Shown} answers with an HTML page in place of the file (a login page or a proxy?): {page}")
                    { StatusCode = answer.StatusCode };
                }
            }
            var body = await answer.Content.ReadAsStreamAsync(idle.Token).ConfigureAwait(false);
            return new MlflowDownload(answer, body, Idle, e => Broken(options.Shown, e), () => Late(options.Shown, HttpMethod.Get, null));
        }, options.Shown, cancel).ConfigureAwait(false);
    }

    /// <summary>Waits before the next try: what the server asks, else twice as long each time, with jitter.</summary>
    public Task WaitAsync(int failures, TimeSpan? retryAfter, CancellationToken cancel) => Task.Delay(retryAfter ?? Pause(options, failures), clock, cancel);

    /// <summary>The wait after so many failures where the server asks for none.</summary>
    public static TimeSpan Pause(MlflowOptions options, int failures)
    {
        var wait = failures <= 1 ? 0 : Math.Min(120, options.BackoffFactor * Math.Pow(2, failures - 1));
        return TimeSpan.FromSeconds(Math.Min(120, wait + (options.BackoffJitter * Random.Shared.NextDouble())));
    }

    /// <summary>Runs something until it succeeds, fails for good, or the tries are used up.</summary>
    public async Task<T> RetryAsync<T>(Func<Task<T>> once, bool repeatable, MlflowAttempts? sent, CancellationToken cancel)
    {
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await once().ConfigureAwait(false);
            }
            catch (MlflowException e) when (e.IsTransient && !repeatable)
            {
                throw new MlflowException($"{e.Message}; the content cannot be read again, so it is not sent again", e)
                { StatusCode = e.StatusCode, ErrorCode = e.ErrorCode, RetryAfter = e.RetryAfter, MayHaveArrived = e.MayHaveArrived };
            }
            catch (MlflowException e) when (e.IsTransient && failures <= options.MaxRetries && !(e.RetryAfter > options.LongestWait))
            {
                if (sent is not null) sent.MayHaveArrived |= e.MayHaveArrived;
                await WaitAsync(failures, e.RetryAfter, cancel).ConfigureAwait(false);
            }
        }
    }

    /// <summary>A token that ends when the caller's does or the time without progress is over.</summary>
    public MlflowPatience Idle(CancellationToken cancel) => new(options.Timeout, clock, cancel);

    private async Task<T> GuardAsync<T>(HttpMethod method, MlflowPatience idle, Func<Task<T>> call, string who, CancellationToken cancel)
    {
        try
        {
            return await call().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancel);
        }
        catch (OperationCanceledException e) when (idle.IsOver)
        {
            throw Late(who, method, e);
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException)
        {
            throw e.InnerException as MlflowException ?? Broken(who, e);
        }
    }

    private MlflowException Late(string who, HttpMethod method, Exception? cause) =>
        new(FormattableString.Invariant($"{who}: nothing moved in a {method} for {options.Timeout.TotalSeconds} s (MLFLOW_HTTP_REQUEST_TIMEOUT)"), cause)
        {
            IsTransient = true,
            MayHaveArrived = method != HttpMethod.Get,
        };

    /// <summary>A presigned address to show: its path and query are a secret.</summary>
    private static string Store(string address) => Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is ("http" or "https")
        ? $"the artifact store {uri.Scheme}://{uri.Authority}" : throw new MlflowException("the server names a place for an artifact's part that is no http address");

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, Func<HttpContent>? body, CancellationToken cancel,
        IReadOnlyDictionary<string, string>? presigned = null)
    {
        var address = presigned is null ? new Uri(options.TrackingUri, path) : new Uri(path);
        var who = presigned is null ? options.Shown : Store(path);
        for (var redirects = 0; ; redirects++)
        {
            using var request = new HttpRequestMessage(method, address) { Content = body?.Invoke() };
            request.Headers.UserAgent.Add(new ProductInfoHeaderValue("mlflow-dotnet-client", "1.0"));
            if (presigned is null && SameHost(address) && options.Authorization() is { } login) request.Headers.TryAddWithoutValidation("Authorization", login);
            foreach (var (name, value) in presigned ?? new Dictionary<string, string>())
                if (!request.Headers.TryAddWithoutValidation(name, value)) request.Content?.Headers.TryAddWithoutValidation(name, value);
            var answer = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancel).ConfigureAwait(false);
            if (answer.IsSuccessStatusCode) return answer;
            using (answer)
            {
                if ((int)answer.StatusCode is not (301 or 302 or 303 or 307 or 308))
                    throw Failed(method, who, presigned is not null, answer, await StartAsync(answer, cancel).ConfigureAwait(false));
                if (presigned is not null)
                    throw new MlflowException($"{who} redirects ({(int)answer.StatusCode}); a signed address is not followed further") { StatusCode = answer.StatusCode };
                if (request.Content is MlflowUpload { CanRepeat: false })
                    throw new MlflowException($"{who} redirects an upload ({(int)answer.StatusCode}) whose content cannot be read again: "
                        + "give the address it names as the tracking URI")
                    { StatusCode = answer.StatusCode };
                address = Redirected(method, address, answer, redirects);
            }
        }
    }

    private bool SameHost(Uri address) => (address.Scheme == options.TrackingUri.Scheme && address.Authority == options.TrackingUri.Authority)
        || (address.Host == options.TrackingUri.Host && options.TrackingUri is { Scheme: "http", IsDefaultPort: true } && address is { Scheme: "https", IsDefaultPort: true });

    private Uri Redirected(HttpMethod method, Uri from, HttpResponseMessage answer, int redirects)
    {
        var status = (int)answer.StatusCode;
        if (redirects >= MostRedirects) throw new MlflowException($"{options.Shown} redirects more than {MostRedirects} times") { StatusCode = answer.StatusCode };
        if (answer.Headers.Location is not { } location) throw new MlflowException($"{options.Shown} answers {status} without saying where to") { StatusCode = answer.StatusCode };
        var target = new Uri(from, location);
        if (target.Scheme is not ("http" or "https"))
            throw new MlflowException($"{options.Shown} redirects to the scheme {target.Scheme}; it is not followed") { StatusCode = answer.StatusCode };
        if (method != HttpMethod.Get && method != HttpMethod.Head && status is not (307 or 308))
            throw new MlflowException($"{options.Shown} redirects a {method} with {status} to {target.Scheme}://{target.Authority}: "
                + "give that address as the tracking URI, if it is the server")
            {
                StatusCode = answer.StatusCode,
            };
        return target;
    }

    private static ByteArrayContent Json(byte[] bytes)
    {
        var content = new ByteArrayContent(bytes);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        return content;
    }

    private static async Task<byte[]> ReadAsync(HttpResponseMessage answer, MlflowPatience idle)
    {
        using var memory = new MemoryStream();
        var stream = await answer.Content.ReadAsStreamAsync(idle.Token).ConfigureAwait(false);
        var buffer = new byte[65536];
        for (int count; (count = await stream.ReadAsync(buffer, idle.Token).ConfigureAwait(false)) > 0; idle.Progress())
            memory.Write(buffer, 0, count);
        return memory.ToArray();
    }

    private T Parse<T>(HttpMethod method, string path, HttpResponseMessage answer, byte[] content)
    {
        try
        {
            var read = MlflowJson.Read<T>(content);
            return read is JsonElement { ValueKind: not JsonValueKind.Object } ? throw new JsonException("it must be an object") : read;
        }
        catch (JsonException e)
        {
            throw NotJson(method, path, answer, content, e);
        }
    }
}
