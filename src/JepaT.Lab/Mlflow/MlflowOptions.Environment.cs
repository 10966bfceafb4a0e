using System.Globalization;

namespace JepaT.Lab;

public sealed partial record MlflowOptions
{
    /// <summary>
    /// Reads MLflow's variables (MLFLOW_TRACKING_…, MLFLOW_HTTP_REQUEST_…, MLFLOW_MULTIPART_UPLOAD_…), and user and password,
    /// where their variables do not give them, from <c>.mlflow/credentials</c> in the home folder, as the Python client does.
    /// A login in the URI goes before all. Not read: .netrc; MLFLOW_TRACKING_AUTH and MLFLOW_TRACKING_AWS_SIGV4 are refused.
    /// </summary>
    /// <param name="getenv">Gives a variable, null when not set.</param>
    /// <param name="uri">The address, before MLFLOW_TRACKING_URI.</param>
    /// <param name="readFile">Gives a file's text, null when there is none; the disk by default.</param>
    /// <exception cref="MlflowException">A value that cannot be used, in one line that names its variable.</exception>
    public static MlflowOptions FromEnvironment(Func<string, string?> getenv, string? uri = null, Func<string, string?>? readFile = null)
    {
        ArgumentNullException.ThrowIfNull(getenv);
        string? Get(string name) => getenv(name) is { Length: > 0 } value ? value : null;
        var address = uri ?? Get("MLFLOW_TRACKING_URI") ?? throw new MlflowException("MLFLOW_TRACKING_URI is not set: give the server's address, e.g. http://127.0.0.1:5000");
        if (!Uri.TryCreate(address, UriKind.Absolute, out var parsed)) throw new MlflowException("the tracking URI is no address such as http://127.0.0.1:5000");
        if (Get("MLFLOW_TRACKING_AUTH") is not null || Flag(Get, "MLFLOW_TRACKING_AWS_SIGV4"))
            throw new MlflowException("MLFLOW_TRACKING_AUTH and MLFLOW_TRACKING_AWS_SIGV4 name ways to log in that this client does not have: "
                + "unset them, and give a user and password or a token");
        var file = (Get("HOME") ?? Get("USERPROFILE")) is { } home ? Credentials(Path.Combine(home, ".mlflow", "credentials"), readFile ?? ReadFile) : [];
        var standard = new MlflowOptions { TrackingUri = parsed };
        return (standard with
        {
            Username = Get("MLFLOW_TRACKING_USERNAME") ?? file.GetValueOrDefault("mlflow_tracking_username"),
            Password = Get("MLFLOW_TRACKING_PASSWORD") ?? file.GetValueOrDefault("mlflow_tracking_password"),
            Token = Get("MLFLOW_TRACKING_TOKEN"),
            InsecureTls = Flag(Get, "MLFLOW_TRACKING_INSECURE_TLS"),
            ServerCertPath = Get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            ClientCertPath = Get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            MaxRetries = (int)Number(Get, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", standard.MaxRetries, 0, 100, whole: true),
            BackoffFactor = Number(Get, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", standard.BackoffFactor, 0, 3600),
            BackoffJitter = Number(Get, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", standard.BackoffJitter, 0, 3600),
            Timeout = TimeSpan.FromSeconds(Number(Get, "MLFLOW_HTTP_REQUEST_TIMEOUT", standard.Timeout.TotalSeconds, 0.001, 86400)),
            MultipartFrom = (long)Number(Get, "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", standard.MultipartFrom, 1, 1L << 50, whole: true),
            MultipartChunk = (int)Number(Get, "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", standard.MultipartChunk, 5 << 20, 1 << 30, whole: true),
        }).Checked();
    }

    /// <summary>The values of the section [mlflow], with those of [DEFAULT] below them; of other sections nothing.</summary>
    private static Dictionary<string, string> Credentials(string path, Func<string, string?> readFile)
    {
        var values = new Dictionary<string, string>();
        string? section = null;
        foreach (var line in (readFile(path) ?? "").Split('\n').Select(line => line.Trim()))
        {
            if (line.Length == 0 || line[0] is '#' or ';') continue;
            if (line[0] == '[')
            {
                section = line.TrimStart('[').TrimEnd(']');
                continue;
            }
            var at = line.AsSpan().IndexOfAny('=', ':');
            if (section is null || at <= 0) throw new MlflowException($"{path}: a line is neither a [section] nor a name with = and a value");     // its text may be a secret
            // Python's reader takes %% for %.
            var (key, value) = (line[..at].Trim().ToLowerInvariant(), line[(at + 1)..].Trim().Replace("%%", "%", StringComparison.Ordinal));
            if (section == "mlflow") values[key] = value;
            else if (section == "DEFAULT") values.TryAdd(key, value);
        }
        return values;
    }

    private static string? ReadFile(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new MlflowException($"{path} cannot be read: {MlflowNames.Plain(e.Message)}", e);
        }
    }

    private static bool Flag(Func<string, string?> get, string name) => get(name)?.ToUpperInvariant() switch
    {
        null or "FALSE" or "0" => false,
        "TRUE" or "1" => true,
        _ => throw new MlflowException($"{name} must be true, false, 1 or 0"),
    };

    private static double Number(Func<string, string?> get, string name, double standard, double least, double most, bool whole = false) =>
        get(name) is not { } text ? standard
        : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            && (!whole || value == Math.Floor(value)) ? value
        : throw new MlflowException(FormattableString.Invariant($"{name} must be a {(whole ? "whole " : "")}number from {least} to {most}"));
}
