using System.Net;
using System.Text;

namespace JepaT.Lab;

/// <summary>Where the server is, how to log in, and how patient to be. <see cref="ToString"/> shows no secret.</summary>
public sealed partial record MlflowOptions
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
                throw new MlflowException($"the tracking URI {Scheme(value)}; this client speaks http and https");
            // As the Python client: a user without a colon is no login. A new address drops the login of the former.
            var parts = value.UserInfo.Split(':', 2);
            (UriUsername, UriPassword) = parts.Length > 1 && value.UserInfo.Length > 1
                ? (Uri.UnescapeDataString(parts[0]), Uri.UnescapeDataString(parts[1])) : (null, null);
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

    /// <summary>A PEM file, or a folder of them, of certificates to trust in place of the system's.</summary>
    public string? ServerCertPath { get; init; }

    /// <summary>A PEM file with our certificate, its key (not encrypted) and, if any, the certificates between it and its root.</summary>
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

    /// <summary>A server that asks for more is not waited for: the caller learns the time.</summary>
    internal TimeSpan LongestWait { get; init; } = TimeSpan.FromHours(1);

    internal string? UriUsername { get; private init; }

    internal string? UriPassword { get; private init; }

    /// <summary>The address to show, without a secret.</summary>
    internal string Shown => TrackingUri.GetLeftPart(UriPartial.Path).TrimEnd('/');

    /// <summary>The address only.</summary>
    public override string ToString() => $"MLflow at {Shown}";

    /// <summary>The Authorization header; null without a login. That of the URI goes first, then user and password, then the token.</summary>
    internal string? Authorization() =>
        UriUsername is { } user ? Basic(user, UriPassword ?? "")
        : Username is { Length: > 0 } name && Password is { Length: > 0 } password ? Basic(name, password)
        : Token is { Length: > 0 } token ? "Bearer " + token : null;

    /// <summary>
    /// Whether a foreign text repeats the login in some form; such a text is never shown, not even in parts. What is shorter
    /// than 8 characters counts as a word of its own only, else no text could be shown at all.
    /// </summary>
    internal bool IsRepeatedIn(string text)
    {
        var forms = new[] { Username, Password, Token, UriUsername, UriPassword, Authorization()?.Split(' ', 2)[1] }
            .Where(secret => secret is { Length: > 0 }).SelectMany(secret => new[] { secret!, Uri.EscapeDataString(secret!), WebUtility.UrlEncode(secret!) });
        foreach (var form in forms)
        {
            for (var at = 0; (at = text.IndexOf(form, at, StringComparison.OrdinalIgnoreCase)) >= 0; at++)
            {
                var end = at + form.Length;
                if (form.Length >= 8 || ((at == 0 || !char.IsLetterOrDigit(text[at - 1])) && (end == text.Length || !char.IsLetterOrDigit(text[end])))) return true;
            }
        }
        return false;
    }

    private MlflowOptions Checked() => InsecureTls && ServerCertPath is not null
        ? throw new MlflowException("MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH cannot both be set: unset one")
        : Authorization() is { } login && login.Any(c => c is < ' ' or > '~')
            ? throw new MlflowException("MLFLOW_TRACKING_TOKEN has characters that no HTTP header takes (a line break?)") : this;

    /// <summary>The scheme, unless it may be a user's name (user:password@host).</summary>
    private static string Scheme(Uri address) =>
        !address.IsAbsoluteUri || address.OriginalString.Contains('@', StringComparison.Ordinal)
        || !address.OriginalString.StartsWith(address.Scheme + ":/", StringComparison.OrdinalIgnoreCase)
            ? "must begin with http:// or https://" : $"has the scheme \"{address.Scheme}\"";

    private static string Basic(string user, string password) => "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
}
