using System.Text;
using System.Text.Json;
using JepaT.Lab;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using static JepaT.Tests.FakeMlflow;

namespace JepaT.Tests;

public class MlflowClientTests
{
    private const string Run =
        """{"run":{"info":{"run_id":"r1","experiment_id":"1","status":"RUNNING","new":1},"data":{"metrics":[{"key":"a","value":"NaN","timestamp":1,"step":9007199254740993}]}}}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Special_numbers_are_quoted_words_and_steps_keep_all_digits()
    {
        var server = new FakeMlflow((_, _) => Json("{}"));
        await server.Client().LogBatchAsync("r", [new("a", double.NaN, 1), new("b", double.PositiveInfinity, 1, 9007199254740993),
            new("c", double.NegativeInfinity, 1, -3), new("d", 5e-324, 1)], cancel: Cancel);
        using var body = JsonDocument.Parse(server.Requests.Single().Body);     // a bare NaN would not parse
        var metrics = body.RootElement.GetProperty("metrics");
        Assert.Equal(["NaN", "Infinity", "-Infinity"], metrics.EnumerateArray().Take(3).Select(m => m.GetProperty("value").GetString()));
        Assert.Equal(9007199254740993, metrics[1].GetProperty("step").GetInt64());
        Assert.Equal(5e-324, metrics[3].GetProperty("value").GetDouble());
    }

    [Fact]
    public async Task A_run_is_read_with_absent_and_unknown_fields()
    {
        var run = await new FakeMlflow((_, _) => Json(Run)).Client().GetRunAsync("r1", Cancel);
        Assert.Equal((double.NaN, 9007199254740993), (run.Data.Metrics[0].Value, run.Data.Metrics[0].Step));
        Assert.Empty(run.Data.Tags);
        Assert.Null(run.Info.EndTime);
    }

    [Theory]
    [InlineData("<html>Sign in</html>", 200, "text/html", "HTML page")]
    [InlineData("", 200, "application/json", "empty body")]
    [InlineData("{\"run\": {\"inf", 200, "application/json", "ends early")]
    [InlineData("{}", 200, "application/json", "another form")]
    [InlineData("hello", 200, "text/plain", "no JSON")]
    [InlineData("Invalid Host header - possible DNS rebinding attack detected", 403, "text/plain", "--allowed-hosts 'tracking.test:*")]
    [InlineData("You are not authenticated.", 401, "text/html", "MLFLOW_TRACKING_USERNAME")]
    [InlineData("<h1>Not Found</h1>", 404, "text/html", "is it an MLflow server")]
    public async Task An_unexpected_answer_is_named(string text, int status, string type, string expected)
    {
        var error = await Assert.ThrowsAsync<MlflowException>(() => new FakeMlflow((_, _) => Page(text, status, type)).Client().GetRunAsync("r", Cancel));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.DoesNotContain('<', error.Message);
    }

    [Fact]
    public async Task Transient_answers_are_tried_again_seven_times_with_doubling_waits()
    {
        var server = new FakeMlflow((_, _) => Json("{}", 503));
        var error = await Assert.ThrowsAsync<MlflowException>(() =>
            server.Client(new MlflowOptions { TrackingUri = new("http://h"), BackoffJitter = 0 }).DeleteRunAsync("r", Cancel));
        Assert.True(error.IsTransient && error.MayHaveArrived);
        Assert.Equal(8, server.Requests.Count);
        Assert.Equal([4, 8, 16, 32, 64, 120], server.Clock.Waits.Select(wait => wait.TotalSeconds).Where(s => s > 0));
    }

    [Theory]
    [InlineData("7", 7)]
    [InlineData("Thu, 01 Jan 2026 00:00:30 GMT", 30)]
    public async Task Retry_after_is_heeded(string header, int seconds)
    {
        var calls = 0;
        var server = new FakeMlflow((_, _) =>
        {
            var answer = Json("{}", calls++ == 0 ? 429 : 200);
            if (calls == 1) answer.Headers.TryAddWithoutValidation("Retry-After", header);
            return answer;
        });
        await server.Client().DeleteRunAsync("r", Cancel);
        Assert.Equal(seconds, Assert.Single(server.Clock.Waits).TotalSeconds);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 2)]
    public async Task A_create_that_may_have_arrived_is_looked_for_first(bool arrived, int creates)
    {
        var calls = 0;
        var server = new FakeMlflow((request, _) => request.RequestUri!.AbsolutePath.EndsWith("search", StringComparison.Ordinal)
            ? Json(arrived ? Run.Replace("\"run\":", "\"runs\":[", StringComparison.Ordinal)[..^1] + "]}" : "{}")
            : calls++ == 0 ? throw new HttpRequestException(HttpRequestError.ResponseEnded) : Json(Run));
        var run = await server.Client().CreateRunAsync(new MlflowNewRun("1", "name", 5), Cancel);
        Assert.Equal("r1", run.Info.RunId);
        Assert.Equal(creates, server.Requests.Count(r => r.Address.AbsolutePath.EndsWith("create", StringComparison.Ordinal)));
        Assert.Contains("client.create_id", server.Requests[1].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pages_are_read_to_the_end()
    {
        var server = new FakeMlflow((request, _) => Json(request.RequestUri!.Query.Contains("page_token", StringComparison.Ordinal)
            ? """{"metrics":[{"key":"a","value":2,"timestamp":2,"step":2}]}""" : """{"metrics":[{"key":"a","value":1,"timestamp":1,"step":1}],"next_page_token":"t=/"}"""));
        var values = new List<double>();
        await foreach (var point in server.Client().GetMetricHistoryAsync("r", "a", 1, Cancel)) values.Add(point.Value);
        Assert.Equal([1.0, 2.0], values);
        Assert.Contains("page_token=t%3D%2F", server.Requests[1].Address.AbsoluteUri, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("https://other.test/x", false)]
    [InlineData("http://tracking.test:5001/x", false)]
    [InlineData("http://tracking.test:5000/x", true)]
    public async Task A_redirect_carries_the_login_to_the_same_host_only(string target, bool login)
    {
        var server = new FakeMlflow((request, _) =>
        {
            if (request.RequestUri!.AbsolutePath == "/x") return Json(Run);
            var answer = Page("", 302);
            answer.Headers.Location = new Uri(target);
            return answer;
        });
        await server.Client(new MlflowOptions { TrackingUri = new("http://tracking.test:5000"), Token = "secret" }).GetRunAsync("r", Cancel);
        Assert.Equal("Bearer secret", server.Requests[0].Login);
        Assert.Equal(login ? "Bearer secret" : null, server.Requests[1].Login);
        await Assert.ThrowsAsync<MlflowException>(() => server.Client().DeleteRunAsync("r", Cancel));     // a POST with 302 is not followed
    }

    [Fact]
    public async Task Secrets_are_in_no_text()
    {
        var options = new MlflowOptions { TrackingUri = new("http://me:pa55w%2Frd@h/"), Username = "u", Password = "hunter22", Token = "t0ken999" };
        string[] secrets = ["pa55w", "hunter22", "t0ken999", Convert.ToBase64String(Encoding.UTF8.GetBytes("me:pa55w/rd"))];
        var texts = new List<string> { options.ToString(), options.TrackingUri.AbsoluteUri };
        foreach (var status in new[] { 200, 400, 401, 403, 404, 418, 502 })
            foreach (var echo in secrets.Append("pa55w/rd"))
                texts.Add((await Assert.ThrowsAsync<MlflowException>(() =>
                    new FakeMlflow((_, _) => Page("you sent " + (echo == "pa55w" ? "pa55w/rd" : echo), status)).Client(options).GetRunAsync("r", Cancel))).ToString());
        Assert.All(texts, text => Assert.All(secrets, secret => Assert.DoesNotContain(secret, text, StringComparison.Ordinal)));
    }

    [Fact]
    public void The_environment_is_read_as_the_python_client_does()
    {
        static MlflowOptions From(params (string, string)[] set) => MlflowOptions.FromEnvironment(name => set.FirstOrDefault(pair => pair.Item1 == name).Item2, "http://h");
        Assert.StartsWith("Basic ", From(("MLFLOW_TRACKING_USERNAME", "u"), ("MLFLOW_TRACKING_PASSWORD", "p"), ("MLFLOW_TRACKING_TOKEN", "t")).Authorization());
        Assert.Equal("Bearer t", From(("MLFLOW_TRACKING_USERNAME", "u"), ("MLFLOW_TRACKING_TOKEN", "t")).Authorization());
        Assert.Contains("MLFLOW_HTTP_REQUEST_MAX_RETRIES", Assert.Throws<MlflowException>(() => From(("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "abc"))).Message);
        Assert.Contains("INSECURE_TLS", Assert.Throws<MlflowException>(() => From(("MLFLOW_TRACKING_INSECURE_TLS", "true"), ("MLFLOW_TRACKING_SERVER_CERT_PATH", "x"))).Message);
        Assert.Contains("ftp", Assert.Throws<MlflowException>(() => MlflowOptions.FromEnvironment(_ => null, "ftp://h")).Message);
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("a#b")]
    [InlineData("a%b")]
    [InlineData("a//b")]
    [InlineData("/a")]
    [InlineData("a\\b")]
    public async Task A_bad_artifact_name_is_refused_before_sending(string path)
    {
        var server = new FakeMlflow((_, _) => Json("{}"));
        await Assert.ThrowsAsync<ArgumentException>(() => server.Client().UploadArtifactAsync("mlflow-artifacts:/1/r", path, new MemoryStream(), Cancel));
        await Assert.ThrowsAsync<MlflowException>(() => server.Client().DownloadArtifactAsync("mlflow-artifacts:/1/r", path, Path.GetTempPath(), Cancel));
        Assert.Empty(server.Requests);
    }

    [Fact]
    public async Task A_cut_body_and_a_reset_are_tried_again_on_a_new_connection()
    {
        var whole = $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Run.Length}\r\n\r\n{Run}";
        foreach (var first in new[] { null, whole[..^20] })
        {
            using var server = new RawServer(first, whole);
            using var http = server.Options.CreateHttpClient();
            Assert.Equal("r1", (await new MlflowClient(http, server.Options, new SwiftClock()).GetRunAsync("r1", Cancel)).Info.RunId);
            Assert.Equal(2, server.Served);
        }
    }

    [Fact]
    public void The_folder_compiles_alone_against_the_framework()
    {
        var folder = Path.Combine(MlflowServer.RepositoryRoot(), "src", "JepaT.Lab", "Mlflow");
        const string Usings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; "
            + "global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";
        var trees = Directory.GetFiles(folder, "*.cs").Select(File.ReadAllText).Append(Usings).Select(text => CSharpSyntaxTree.ParseText(text, cancellationToken: Cancel));
        var framework = Path.GetDirectoryName(typeof(object).Assembly.Location)!;
        var references = Directory.GetFiles(framework, "System*.dll").Where(file => !file.Contains("Native", StringComparison.Ordinal))
            .Select(file => MetadataReference.CreateFromFile(file));
        var errors = CSharpCompilation.Create("alone", trees, references,
                new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable))
            .GetDiagnostics(Cancel).Where(d => d.Severity == DiagnosticSeverity.Error)
            .Where(d => d.Id != "CS8795");       // the generated regular expressions: made by a generator of the framework
        Assert.Empty(errors);
    }
}
