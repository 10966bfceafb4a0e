using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using JepaT.Lab;
using static JepaT.Tests.FakeMlflow;

namespace JepaT.Tests;

public class MlflowClientArtifactTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_large_file_goes_in_parts_and_a_failed_part_ends_the_upload(bool fails)
    {
        var server = new FakeMlflow((request, body) => request.RequestUri!.AbsolutePath switch
        {
            "/api/3.0/mlflow/server-info" => Json("""{"multipart_uploads_enabled":true}"""),
            var path when path.Contains("/mpu/create/", StringComparison.Ordinal) =>
                Json("""{"upload_id":"u","credentials":[{"url":"https://store.test/1?sig=s","part_number":1},{"url":"https://store.test/2?sig=s","part_number":2}]}"""),
            "/2" when fails => Page("<Error>no</Error>", 403),
            "/1" or "/2" => new HttpResponseMessage(HttpStatusCode.OK) { Headers = { ETag = new("\"e\"") } },
            _ => Json("{}"),
        });
        var client = server.Client(new MlflowOptions { TrackingUri = new("http://h"), Token = "secret", MultipartFrom = 5, MultipartChunk = 4 });
        var upload = client.UploadArtifactAsync("mlflow-artifacts:/1/r/artifacts", "d/f.bin", new MemoryStream("abcdefg"u8.ToArray()), Cancel);
        if (fails) await Assert.ThrowsAsync<MlflowException>(() => upload);
        else await upload;
        Assert.Equal(["abcd", "efg"], server.Requests.Where(r => r.Method == HttpMethod.Put).Select(r => r.Body));
        Assert.All(server.Requests.Where(r => r.Address.Host == "store.test"), r => Assert.Null(r.Login));
        Assert.EndsWith(fails ? "/mpu/abort/1/r/artifacts/d" : "/mpu/complete/1/r/artifacts/d", server.Requests[^1].Address.AbsolutePath, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Local_artifacts_are_written_on_the_disk_and_links_are_not_followed()
    {
        var folder = Directory.CreateTempSubdirectory("mlflow-local").FullName;
        try
        {
            var client = new FakeMlflow((_, _) => Json("{}")).Client();
            foreach (var uri in new[] { folder, new Uri(folder).AbsoluteUri })
            {
                await client.UploadArtifactAsync(uri, "a/b.txt", new MemoryStream("hi"u8.ToArray()), Cancel);
                await using var read = await client.OpenArtifactAsync(uri, "a/b.txt", Cancel);
                Assert.Equal("hi", await new StreamReader(read).ReadToEndAsync(Cancel));
            }
            if (OperatingSystem.IsWindows()) return;
            Directory.CreateSymbolicLink(Path.Combine(folder, "out"), Path.GetTempPath());
            await Assert.ThrowsAsync<MlflowException>(() => client.DownloadArtifactAsync("mlflow-artifacts:/1/r", "out/x", folder, Cancel));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Only_a_trusted_certificate_is_taken()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        using var certificate = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        var pem = Path.GetTempFileName();
        await File.WriteAllTextAsync(pem, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem(), Cancel);
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var clients = 0;
        var serving = Task.Run(async () =>
        {
            for (var i = 0; i < 4; i++)
            {
                using var socket = await listener.AcceptTcpClientAsync();
                await using var ssl = new SslStream(socket.GetStream());
                try
                {
                    await ssl.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                    {
                        ServerCertificate = certificate,
                        ClientCertificateRequired = true,
                        RemoteCertificateValidationCallback = (_, theirs, _, _) => theirs is null || clients++ >= 0,
                    });
                    var count = await ssl.ReadAsync(new byte[65536]);
                    if (count > 0) await ssl.WriteAsync(Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK"));
                }
                catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
                {
                    continue;       // the client did not trust us
                }
            }
        }, Cancel);
        var options = new MlflowOptions { TrackingUri = new($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}"), MaxRetries = 0 };
        async Task<bool> Healthy(MlflowOptions with)
        {
            using var http = with.CreateHttpClient();
            return await new MlflowClient(http, with, TimeProvider.System).IsHealthyAsync(Cancel);
        }
        Assert.Contains("certificate is not trusted", (await Assert.ThrowsAsync<MlflowException>(() => Healthy(options))).Message, StringComparison.Ordinal);
        Assert.True(await Healthy(options with { ServerCertPath = pem, ClientCertPath = pem }));
        Assert.Equal(1, clients);
        var authorities = Directory.CreateTempSubdirectory("mlflow-roots").FullName;
        File.Copy(pem, Path.Combine(authorities, "root.pem"));
        Assert.True(await Healthy(options with { ServerCertPath = authorities }));
        Directory.Delete(authorities, recursive: true);
        Assert.True(await Healthy(options with { InsecureTls = true }));
        await serving;
        File.Delete(pem);
    }
}
