using System.Globalization;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace JepaT.Lab;

/// <summary>Where the server is, how to log in, and how patient to be. <see cref="ToString"/> shows no secret.</summary>
public sealed record MlflowOptions
{
    private readonly Uri trackingUri = new("http://127.0.0.1:5000/");

    /// <summary>Address, http or https. A user:password in it becomes the login, before all others, and is taken out.</summary>
    public required Uri TrackingUri
    {
        get => trackingUri;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            if (!value.IsAbsoluteUri || value.Scheme is not ("http" or "https"))
                throw new MlflowException($"the tracking URI has the scheme \"{(value.IsAbsoluteUri ? value.Scheme : "")}\"; this client speaks http and https");
            if (value.UserInfo is { Length: > 0 } user)
            {
                var parts = user.Split(':', 2);
                (UriUsername, UriPassword) = (Uri.UnescapeDataString(parts[0]), parts.Length > 1 ? Uri.UnescapeDataString(parts[1]) : "");
            }
            trackingUri = new UriBuilder(value) { UserName = "", Password = "", Query = "", Fragment = "", Path = value.AbsolutePath.TrimEnd('/') + "/" }.Uri;
        }
    }

    /// <summary>For basic login, with <see cref="Password"/>; goes before the token.</summary>
    public string? Username { get; init; }

    /// <summary>A secret.</summary>
    public string? Password { get; init; }

    /// <summary>For bearer login; a secret.</summary>
    public string? Token { get; init; }

    /// <summary>Whether any certificate of the server is taken.</summary>
    public bool InsecureTls { get; init; }

    /// <summary>A PEM file of certificates to trust in place of the system's.</summary>
    public string? ServerCertPath { get; init; }

    /// <summary>A PEM file with our certificate and its key.</summary>
    public string? ClientCertPath { get; init; }

    /// <summary>How long a try may go without progress; 120 s by default.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>How often a failed call is tried again; 7 by default.</summary>
    public int MaxRetries { get; init; } = 7;

    /// <summary>Seconds of the wait, doubled with every further try; 2 by default.</summary>
    public double BackoffFactor { get; init; } = 2;

    /// <summary>At most so many seconds more, at random; 1 by default.</summary>
    public double BackoffJitter { get; init; } = 1;

    /// <summary>The size in bytes from which a multipart upload is tried where the server offers it; 500 MiB by default.</summary>
    public long MultipartFrom { get; init; } = 500L << 20;

    /// <summary>Bytes of one part; 10 MiB by default.</summary>
    public int MultipartChunk { get; init; } = 10 << 20;

    internal string? UriUsername { get; init; }

    internal string? UriPassword { get; init; }

    /// <summary>The address to show, without a secret.</summary>
    internal string Shown => TrackingUri.GetLeftPart(UriPartial.Path).TrimEnd('/');

    /// <summary>Reads MLflow's variables (MLFLOW_TRACKING_…, MLFLOW_HTTP_REQUEST_…).</summary>
    /// <param name="getenv">Gives a variable, null when not set.</param>
    /// <param name="uri">The address, before MLFLOW_TRACKING_URI.</param>
    public static MlflowOptions FromEnvironment(Func<string, string?> getenv, string? uri = null)
    {
        ArgumentNullException.ThrowIfNull(getenv);
        string? Get(string name) => getenv(name) is { Length: > 0 } value ? value : null;
        var address = uri ?? Get("MLFLOW_TRACKING_URI") ?? throw new MlflowException("MLFLOW_TRACKING_URI is not set: give the server's address, e.g. http://127.0.0.1:5000");
        if (!Uri.TryCreate(address, UriKind.Absolute, out var parsed)) throw new MlflowException("the tracking URI is no address such as http://127.0.0.1:5000");
        var standard = new MlflowOptions { TrackingUri = parsed };
        return (standard with
        {
            Username = Get("MLFLOW_TRACKING_USERNAME"),
            Password = Get("MLFLOW_TRACKING_PASSWORD"),
            Token = Get("MLFLOW_TRACKING_TOKEN"),
            InsecureTls = Flag(Get, "MLFLOW_TRACKING_INSECURE_TLS"),
            ServerCertPath = Get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
            ClientCertPath = Get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
            MaxRetries = (int)Number(Get, "MLFLOW_HTTP_REQUEST_MAX_RETRIES", standard.MaxRetries, 0, 100, whole: true),
            BackoffFactor = Number(Get, "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", standard.BackoffFactor, 0, 3600),
            BackoffJitter = Number(Get, "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", standard.BackoffJitter, 0, 3600),
            Timeout = TimeSpan.FromSeconds(Number(Get, "MLFLOW_HTTP_REQUEST_TIMEOUT", standard.Timeout.TotalSeconds, 0.001, 86400)),
        }).Checked();
    }

    /// <summary>A client for these options: certificates, no redirects and no cookies of its own. The caller disposes it.</summary>
    public HttpClient CreateHttpClient()
    {
        Checked();
        var ssl = new SslClientAuthenticationOptions();
        if (InsecureTls)
        {
#pragma warning disable CA5359 // what the user asked for by MLFLOW_TRACKING_INSECURE_TLS
            ssl.RemoteCertificateValidationCallback = (_, _, _, _) => true;
#pragma warning restore CA5359
        }
        else if (ServerCertPath is { } path)
        {
            var roots = new X509Certificate2Collection();
            Load("MLFLOW_TRACKING_SERVER_CERT_PATH", path, () => roots.ImportFromPemFile(path));
            if (roots.Count == 0) throw new MlflowException($"MLFLOW_TRACKING_SERVER_CERT_PATH: {path} holds no PEM certificate");
            ssl.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            ssl.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }
        if (ClientCertPath is { } own)
        {
            X509Certificate2? certificate = null;
            Load("MLFLOW_TRACKING_CLIENT_CERT_PATH", own, () => certificate = X509Certificate2.CreateFromPemFile(own));
            ssl.ClientCertificates = [certificate!];
            ssl.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate!;
        }
        return new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            SslOptions = ssl,
            PooledConnectionLifetime = TimeSpan.FromMinutes(10),
        })
        {
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The address only.</summary>
    public override string ToString() => $"MLflow at {Shown}";

    /// <summary>The Authorization header; null without a login. That of the URI goes first, then user and password, then the token.</summary>
    internal string? Authorization() =>
        UriUsername is { } user ? Basic(user, UriPassword ?? "")
        : Username is { Length: > 0 } name && Password is { Length: > 0 } password ? Basic(name, password)
        : Token is { Length: > 0 } token ? "Bearer " + token : null;

    /// <summary>Takes every secret out of a text.</summary>
    internal string Redact(string text)
    {
        var secrets = new[] { Password, Token, UriPassword, Authorization()?.Split(' ', 2)[1] }
            .Where(secret => secret is { Length: > 0 }).SelectMany(secret => new[] { secret!, Uri.EscapeDataString(secret!) });
        return secrets.OrderByDescending(secret => secret.Length).Aggregate(text, (shown, secret) => shown.Replace(secret, "***", StringComparison.Ordinal));
    }

    private MlflowOptions Checked() => InsecureTls && ServerCertPath is not null
        ? throw new MlflowException("MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH cannot both be set: unset one")
        : Authorization() is { } login && login.Any(c => c is < ' ' or > '~')
            ? throw new MlflowException("MLFLOW_TRACKING_TOKEN has characters that no HTTP header takes") : this;

    private static string Basic(string user, string password) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));

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

    private static void Load(string name, string path, Action load)
    {
        try
        {
            load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new MlflowException($"{name}: {path} cannot be read as PEM: {e.Message.Split('\n')[0]}", e);
        }
    }
}
