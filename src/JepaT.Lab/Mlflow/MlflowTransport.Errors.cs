using System.Security.Authentication;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

internal sealed partial class MlflowTransport
{
    /// <summary>The beginning of a foreign text in one line, without markup, control characters and secrets.</summary>
    public string Excerpt(string text)
    {
        var plain = System.Net.WebUtility.HtmlDecode(Markup().Replace(text, " "));
        if (options.IsRepeatedIn(text) || options.IsRepeatedIn(plain)) return "(a text that repeats the login, so it is not shown)";
        plain = Spaces().Replace(string.Concat(plain.Select(c => char.IsControl(c) ? ' ' : c)), " ").Trim();
        return plain.Length > 300 ? plain[..300] + "…" : plain;
    }

    /// <summary>At most the first 16 KiB of an answer that is an error.</summary>
    private static async Task<string> StartAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        var buffer = new byte[16384];
        var length = 0;
        try
        {
            var stream = await answer.Content.ReadAsStreamAsync(cancel).ConfigureAwait(false);
            length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is HttpIOException or HttpRequestException or IOException)
        {
            return "(its text broke off)";      // the status says what matters
        }
        // The end of a cut text may be the beginning of a secret.
        return Encoding.UTF8.GetString(buffer, 0, length == buffer.Length ? length - 4096 : length);
    }

    private MlflowException Failed(HttpMethod method, string who, bool foreign, HttpResponseMessage answer, string text)
    {
        var status = (int)answer.StatusCode;
        string? code = null, message = null;
        try
        {
            using var json = JsonDocument.Parse(text);
            if (json.RootElement.ValueKind == JsonValueKind.Object)
            {
                if (json.RootElement.TryGetProperty("error_code", out var word) && word.ValueKind == JsonValueKind.String) code = word.GetString();
                if (json.RootElement.TryGetProperty("message", out var words) && words.ValueKind == JsonValueKind.String) message = words.GetString();
            }
        }
        catch (JsonException)
        {
            message = null;     // no JSON: a page of the server's frame, or of a proxy
        }
        var transient = status is 408 or 429 or 500 or 502 or 503 or 504;
        return new MlflowException(foreign ? $"{who} answers {status} {StoreCode().Match(text).Groups[1].Value}".TrimEnd() : Say(status, code, message, text))
        {
            StatusCode = answer.StatusCode,
            ErrorCode = code is null ? null : Excerpt(code),
            RetryAfter = After(answer),
            ServerTime = answer.Headers.Date,
            IsTransient = transient,
            MayHaveArrived = status is 408 or >= 500 && method != HttpMethod.Get,
        };
    }

    private string Say(int status, string? code, string? message, string text)
    {
        var login = options.Authorization() is null ? "set" : "it does not take that of";
        if (status == 401) return $"{options.Shown} asks for a login (401): {login} MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN";
        if (status == 403 && text.Contains("Invalid Host header", StringComparison.OrdinalIgnoreCase))
            return $"{options.Shown} refuses its own host name (403): start the server with --allowed-hosts '{options.TrackingUri.Host}:*,localhost:*'";
        if (status == 403 && text.Contains("Cross-origin", StringComparison.OrdinalIgnoreCase))
            return $"{options.Shown} refuses the Origin header (403): something on the way adds one";
        if (code is not null || message is not null) return $"{options.Shown} answers {status} {Excerpt(code ?? "")}: {Excerpt(message ?? "")}";
        if (status == 407) return $"a proxy on the way to {options.Shown} asks for a login (407)";
        if (status is 404 or 405) return $"{options.Shown} does not know this call ({status}): is it an MLflow server, and the path in the URI right? It says: {Excerpt(text)}";
        return $"{options.Shown} answers {status}, not in MLflow's form (a proxy?): {Excerpt(text)}";
    }

    public MlflowException NotJson(HttpMethod method, string path, HttpResponseMessage answer, byte[] content, JsonException e)
    {
        var text = Encoding.UTF8.GetString(content, 0, Math.Min(content.Length, 16384));
        var call = path.Split('?')[0];
        var start = text.TrimStart();
        var lacks = Missing().Match(e.Message) is { Success: true } missing ? " lacks " + Excerpt(missing.Groups[1].Value) : "";
        var why = content.Length == 0 ? "an empty body"
            : start.StartsWith('<') ? $"an HTML page (a login page or a proxy?): {Excerpt(text)}"
            : Complete(content) ? $"JSON of another form ({Excerpt(e.Path ?? "$")}{lacks})"
            : start.StartsWith('{') ? "JSON that ends early or is broken (a proxy cut it, or Content-Length is wrong)"
            : $"no JSON but {Excerpt(answer.Content.Headers.ContentType?.MediaType ?? "text")}: {Excerpt(text)}";
        return new MlflowException($"{options.Shown} answers {call} with {(int)answer.StatusCode} and {why}")
        {
            StatusCode = answer.StatusCode,
            MayHaveArrived = method != HttpMethod.Get,
        };
    }

    private static bool Complete(byte[] content)
    {
        var reader = new Utf8JsonReader(content);
        try
        {
            return JsonDocument.TryParseValue(ref reader, out _) && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public MlflowException Broken(string who, Exception e)
    {
        var kind = (e as HttpRequestException)?.HttpRequestError ?? (e as HttpIOException)?.HttpRequestError ?? HttpRequestError.Unknown;
        var before = kind is HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError
            or HttpRequestError.ProxyTunnelError;
        var what = kind switch
        {
            HttpRequestError.NameResolutionError => "its name is not known",
            HttpRequestError.SecureConnectionError => e.InnerException is AuthenticationException
                ? "its certificate is not trusted, or it does not take ours (MLFLOW_TRACKING_SERVER_CERT_PATH, MLFLOW_TRACKING_CLIENT_CERT_PATH)"
                : "no TLS connection (is it http?)",
            HttpRequestError.ConnectionError => "nothing listens there",
            HttpRequestError.ResponseEnded => "the answer broke off (fewer bytes than it promised)",
            HttpRequestError.InvalidResponse => "it does not speak HTTP",
            _ => "the connection broke: " + Excerpt((e.InnerException ?? e).Message),
        };
        return new MlflowException($"{who} cannot be reached: {what}", new IOException(Excerpt(e.Message)))
        {
            // A certificate does not mend itself.
            IsTransient = kind is not HttpRequestError.InvalidResponse && e.InnerException is not AuthenticationException,
            MayHaveArrived = !before,
        };
    }

    private TimeSpan? After(HttpResponseMessage answer)
    {
        var after = answer.Headers.RetryAfter;
        var wait = after?.Delta ?? (after?.Date is { } date ? date - clock.GetUtcNow() : null);
        return wait is { } time ? (time < TimeSpan.Zero ? TimeSpan.Zero : time) : null;
    }

    [GeneratedRegex("<(style|script)[^>]*>.*?</\\1>|<[^>]*>", RegexOptions.Singleline | RegexOptions.IgnoreCase)]
    private static partial Regex Markup();

    /// <summary>The word of S3 and its kin; the rest of their answers repeats what was signed.</summary>
    [GeneratedRegex("<Code>([A-Za-z]{1,60})</Code>")]
    private static partial Regex StoreCode();

    /// <summary>The fields, of a reader's words about what is missing.</summary>
    [GeneratedRegex("properties including: ('[^.]*')")]
    private static partial Regex Missing();

    [GeneratedRegex("\\s+")]
    private static partial Regex Spaces();
}
