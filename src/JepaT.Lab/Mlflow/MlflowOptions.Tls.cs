using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace JepaT.Lab;

public sealed partial record MlflowOptions
{
    /// <summary>A client for these options: certificates, no redirects and no cookies of its own. The caller disposes it.</summary>
    /// <exception cref="MlflowException">A certificate that cannot be read, in one line that names its variable.</exception>
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
            ssl.CertificateChainPolicy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            ssl.CertificateChainPolicy.CustomTrustStore.AddRange(Load("MLFLOW_TRACKING_SERVER_CERT_PATH", path, () => Roots(path)));
        }
        if (ClientCertPath is { } own)
        {
            var (certificate, between) = Load("MLFLOW_TRACKING_CLIENT_CERT_PATH", own, () => (WithKey(own), Roots(own)));
            ssl.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, [.. between.Skip(1)], offline: true);
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

    /// <summary>The certificates of a PEM file, or of all PEM files of a folder.</summary>
    private static X509Certificate2Collection Roots(string path)
    {
        var roots = new X509Certificate2Collection();
        foreach (var file in Directory.Exists(path) ? Directory.GetFiles(path) : [path]) roots.ImportFromPem(File.ReadAllText(file));
        return roots.Count > 0 ? roots : throw new CryptographicException("there is no PEM certificate in it");
    }

    private static X509Certificate2 WithKey(string path)
    {
        var certificate = X509Certificate2.CreateFromPemFile(path);
        if (!OperatingSystem.IsWindows()) return certificate;
        using (certificate) return X509CertificateLoader.LoadPkcs12(certificate.Export(X509ContentType.Pkcs12), null);       // its TLS takes no key without a place
    }

    private static T Load<T>(string name, string path, Func<T> load)
    {
        try
        {
            return load();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new MlflowException($"{name}: {path} cannot be read as PEM: {MlflowNames.Plain(e.Message)}", e);
        }
    }
}
