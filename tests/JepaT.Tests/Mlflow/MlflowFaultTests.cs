using System.Net;
using System.Text.Json;
using JepaT.Lab;
using static JepaT.Tests.FakeMlflow;

namespace JepaT.Tests;

/// <summary>What the server, a proxy or the way there may answer, and calls whose fate is unknown.</summary>
public class MlflowFaultTests
{
    private const string Run = """{"run":{"info":{"run_id":"r1","experiment_id":"1","status":"RUNNING"}}}""";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_recorded_answers_to_logins_are_understood()
    {
        var file = Path.Combine(MlflowServer.RepositoryRoot(), "..", "shared", "mlflow", "login.jsonl");
        Assert.SkipUnless(File.Exists(file), "no ../shared/mlflow beside the repository");
        var lines = await File.ReadAllLinesAsync(file, Cancel);
        var seen = 0;
        foreach (var line in lines.Where(line => line.Length > 0))
        {
            using var json = JsonDocument.Parse(line);
            var entry = json.RootElement;
            string Text(string name) => entry.GetProperty(name).GetString() ?? "";
            var status = entry.GetProperty("status").GetInt32();
            var server = new FakeMlflow((request, body) =>
            {
                Assert.Equal(Text("path"), request.RequestUri!.PathAndQuery);
                Assert.Equal(Text("method"), request.Method.Method);
                if (entry.GetProperty("body").ValueKind == JsonValueKind.Object)
                    Assert.Equal(entry.GetProperty("body").GetProperty("experiment_ids")[0].GetString(),
                        JsonDocument.Parse(body).RootElement.GetProperty("experiment_ids")[0].GetString());
                return Page(Text("answer"), status, Text("content_type").Split(';')[0]);
            });
            var none = new MlflowOptions { TrackingUri = new("http://tracking.test:5000") };
            var options = Text("name") switch
            {
                "no login" => none,
                "wrong password" => none with { Username = "admin", Password = "not the one" },
                "right password" => none with { Username = "admin", Password = "the right one" },
                _ => none with { Token = "a token not known" },
            };
            var client = server.Client(options);
            Func<Task<string>> call = Text("path").Split('?')[0] switch
            {
                "/health" => async () => await client.IsHealthyAsync(Cancel) ? "OK" : "",
                "/version" => () => client.GetVersionAsync(Cancel),
                "/api/2.0/mlflow/experiments/get" => async () => (await client.GetExperimentAsync("0", Cancel)).Name,
                "/api/2.0/mlflow/runs/search" => async () => $"{await client.SearchRunsAsync(["0"], cancel: Cancel).CountAsync(Cancel)}",
                var path => throw new InvalidOperationException($"no call for {path}"),
            };
            if (status == 200) Assert.Contains(await call(), new[] { "OK", "3.17.2", "Default", "0" });
            else
            {
                var error = await Assert.ThrowsAsync<MlflowException>(call);
                Assert.Equal(HttpStatusCode.Unauthorized, error.StatusCode);
                Assert.Contains((Text("name") == "no login" ? "set" : "does not take that of") + " MLFLOW_TRACKING_USERNAME", error.Message, StringComparison.Ordinal);
                Assert.DoesNotContain(options.Password ?? options.Token ?? "\0", error.ToString(), StringComparison.Ordinal);
                Assert.Single(server.Requests);     // a login does not mend itself
            }
            Assert.Equal(Text("name") == "no login", server.Requests[0].Login is null);
            seen++;
        }
        Assert.Equal(16, seen);
    }

    [Theory]
    [InlineData(400, "INVALID_PARAMETER_VALUE", false)]
    [InlineData(400, "BAD_REQUEST", false)]
    [InlineData(400, "RESOURCE_ALREADY_EXISTS", false)]
    [InlineData(404, "RESOURCE_DOES_NOT_EXIST", false)]
    [InlineData(501, "NOT_IMPLEMENTED", false)]
    [InlineData(401, "UNAUTHENTICATED", false)]
    [InlineData(403, "PERMISSION_DENIED", false)]
    [InlineData(409, "RESOURCE_CONFLICT", false)]
    [InlineData(409, "ABORTED", false)]
    [InlineData(408, "DEADLINE_EXCEEDED", true)]
    [InlineData(429, "REQUEST_LIMIT_EXCEEDED", true)]
    [InlineData(429, "RESOURCE_EXHAUSTED", true)]
    [InlineData(500, "INTERNAL_ERROR", true)]
    [InlineData(500, "INVALID_STATE", true)]
    [InlineData(502, "BAD_GATEWAY", true)]
    [InlineData(503, "TEMPORARILY_UNAVAILABLE", true)]
    [InlineData(504, "DEADLINE_EXCEEDED", true)]
    public async Task Each_code_is_given_and_only_those_that_may_pass_are_tried_again(int status, string code, bool again)
    {
        var server = new FakeMlflow((_, _) => Json($$"""{"error_code":"{{code}}","message":"a\nword"}""", status));
        var error = await Assert.ThrowsAsync<MlflowException>(() => server.Client().LogMetricAsync("r", new("a", 1, 1), Cancel));
        Assert.Equal((status, code, again), ((int)error.StatusCode!, error.ErrorCode, error.IsTransient));
        Assert.Equal(again ? 8 : 1, server.Requests.Count);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(status is 408 or >= 500, error.MayHaveArrived);
    }

    [Theory]
    [InlineData("<title>405</title><h1>Method Not Allowed</h1>", 405, "text/html", "does not know this call (405)")]
    [InlineData("<h1>Internal Server Error</h1>", 500, "text/html", "answers 500, not in MLflow's form")]
    [InlineData("<h1>Bad Gateway</h1>", 502, "text/html", "a proxy?")]
    [InlineData("Cross-origin request blocked", 403, "text/plain", "Origin header")]
    [InlineData("", 407, "text/plain", "a proxy on the way")]
    [InlineData("{\"run\":{}}", 200, "application/json", "($.run lacks 'info')")]
    [InlineData("{\"run\":{\"info\":null}}", 200, "application/json", "another form ($.run")]
    [InlineData("{\"run\":{\"info\":{\"run_id\":\"r\",\"status\":\"ODD\"}}}", 200, "application/json", "$.run.info.status")]
    [InlineData("{}", 200, "application/json", "($ lacks 'run')")]
    [InlineData("[1]", 200, "application/json", "another form")]
    public async Task Other_answers_are_named(string text, int status, string type, string expected)
    {
        var error = await Assert.ThrowsAsync<MlflowException>(() => new FakeMlflow((_, _) => Page(text, status, type)).Client().GetRunAsync("r", Cancel));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("JepaT", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('<', error.Message);
    }

    [Fact]
    public async Task A_list_of_files_is_read_to_its_end()
    {
        var server = new FakeMlflow((request, _) => Json(request.RequestUri!.Query.Contains("page_token=t", StringComparison.Ordinal)
            ? """{"files":[{"path":"b","is_dir":true}]}""" : """{"files":[{"path":"a","is_dir":false,"file_size":9007199254740993}],"next_page_token":"t"}"""));
        Assert.Equal([new MlflowFile("a", false, 9007199254740993), new MlflowFile("b", true)], await server.Client().ListArtifactsAsync("r", cancel: Cancel));
    }

    [Fact]
    public async Task A_wait_of_more_than_an_hour_is_told_not_slept()
    {
        var server = new FakeMlflow((_, _) =>
        {
            var answer = Json("{}", 429);
            answer.Headers.TryAddWithoutValidation("Retry-After", "99999999");
            return answer;
        });
        var error = await Assert.ThrowsAsync<MlflowException>(() => server.Client().DeleteRunAsync("r", Cancel));
        Assert.Equal(99999999, error.RetryAfter!.Value.TotalSeconds);
        Assert.Single(server.Requests);
    }

    [Theory]
    [InlineData(5, true)]
    [InlineData(-5000, false)]
    public async Task A_taken_name_is_ours_only_if_made_within_the_call(int after, bool ours)
    {
        // The server's clock is two days ahead of ours.
        var theirs = new DateTimeOffset(2026, 1, 3, 0, 0, 0, TimeSpan.Zero);
        var calls = 0;
        var server = new FakeMlflow((request, _) =>
        {
            if (request.Method == HttpMethod.Get)
                return Json($$$"""{"experiment":{"experiment_id":"7","name":"n","creation_time":{{{theirs.ToUnixTimeMilliseconds() + after}}}}}""");
            if (calls++ == 0) throw new HttpRequestException(HttpRequestError.ResponseEnded);
            var answer = Json("""{"error_code":"RESOURCE_ALREADY_EXISTS","message":"taken"}""", 400);
            answer.Headers.Date = theirs;
            return answer;
        });
        if (ours) Assert.Equal("7", await server.Client().CreateExperimentAsync("n", cancel: Cancel));
        else Assert.Equal("RESOURCE_ALREADY_EXISTS", (await Assert.ThrowsAsync<MlflowException>(() => server.Client().CreateExperimentAsync("n", cancel: Cancel))).ErrorCode);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 2)]
    public async Task A_create_answered_by_no_json_is_looked_for_before_it_is_repeated(bool arrived, int creates)
    {
        var calls = 0;
        var server = new FakeMlflow((request, _) => request.RequestUri!.AbsolutePath.EndsWith("search", StringComparison.Ordinal)
            ? Json(arrived ? "{\"runs\":[" + Run["{\"run\":".Length..^1] + "]}" : "{}")
            : calls++ == 0 ? Page("{\"run\": {\"in", 200, "application/json") : Json(Run));
        Assert.Equal("r1", (await server.Client().CreateRunAsync(new MlflowNewRun("1", "n", 5), Cancel)).Info.RunId);
        Assert.Equal(creates, calls);
        Assert.EndsWith("search", server.Requests[1].Address.AbsolutePath, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("runs/delete", true, true)]
    [InlineData("runs/delete", false, true)]
    [InlineData("runs/restore", true, true)]
    [InlineData("experiments/delete", true, true)]
    [InlineData("experiments/restore", true, true)]
    [InlineData("experiments/restore", false, true)]
    [InlineData("runs/delete", true, false)]
    [InlineData("experiments/delete", true, false)]
    public async Task A_repeat_that_finds_it_done_counts_as_done(string path, bool done, bool unanswered)
    {
        var calls = 0;
        var stage = path.EndsWith("delete", StringComparison.Ordinal) == done ? "deleted" : "active";
        var server = new FakeMlflow((request, _) =>
        {
            if (request.Method == HttpMethod.Get)
                return Json($$$"""{"run":{"info":{"run_id":"r","lifecycle_stage":"{{{stage}}}"}},"experiment":{"experiment_id":"r","lifecycle_stage":"{{{stage}}}"}}""");
            if (calls++ == 0 && unanswered) throw new HttpRequestException(HttpRequestError.ResponseEnded);
            return path.StartsWith("runs", StringComparison.Ordinal) ? Json("""{"error_code":"INVALID_PARAMETER_VALUE","message":"must be in the 'active' state"}""", 400)
                : Json("""{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"No Experiment with id=r exists"}""", 404);
        });
        var client = server.Client();
        Func<Task> call = path switch
        {
            "runs/delete" => () => client.DeleteRunAsync("r", Cancel),
            "runs/restore" => () => client.RestoreRunAsync("r", Cancel),
            "experiments/delete" => () => client.DeleteExperimentAsync("r", Cancel),
            _ => () => client.RestoreExperimentAsync("r", Cancel),
        };
        if (done && unanswered) await call();
        else await Assert.ThrowsAsync<MlflowException>(call);       // also a first try that is refused
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task After_a_500_a_reset_connection_is_replaced(bool atOnce)
    {
        var connections = 0;
        using var server = new Talker(async stream =>
        {
            if (connections++ > 0)
            {
                await Talker.HeadAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {Run.Length}\r\n\r\n{Run}");
                return;
            }
            await Talker.HeadAsync(stream, "HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/html\r\nContent-Length: 12\r\n\r\n<h1>500</h1>");
            if (!atOnce) await stream.ReadExactlyAsync(new byte[1]);         // the next request comes, and is reset
            stream.Socket.LingerState = new System.Net.Sockets.LingerOption(true, 0);
        });
        var options = server.Options with { MaxRetries = atOnce ? 1 : 2 };
        using var http = options.CreateHttpClient();
        var client = new MlflowClient(http, options, new SwiftClock());
        Assert.Equal("r1", (await client.GetRunAsync("r1", Cancel)).Info.RunId);
        Assert.Equal(2, connections);
    }

    [Fact]
    public async Task An_abort_that_fails_does_not_hide_why_and_the_store_is_named_without_its_signature()
    {
        var server = new FakeMlflow((request, _) => request.RequestUri!.AbsolutePath switch
        {
            "/api/3.0/mlflow/server-info" => Json("""{"multipart_uploads_enabled":true}"""),
            var path when path.Contains("/mpu/create/", StringComparison.Ordinal) =>
                Json("""{"upload_id":"u","credentials":[{"url":"https://store.test/bucket/key?X-Signature=s1gnature","part_number":1,"headers":{}}]}"""),
            var path when path.Contains("/mpu/abort/", StringComparison.Ordinal) => Json("""{"error_code":"INTERNAL_ERROR","message":"no abort"}""", 500),
            _ => Page("<Error><Code>SignatureDoesNotMatch</Code><SignatureProvided>s1gnature</SignatureProvided></Error>", 403, "application/xml"),
        });
        var client = server.Client(new MlflowOptions { TrackingUri = new("http://h"), Token = "secret", MultipartFrom = 1 });
        var error = await Assert.ThrowsAsync<MlflowException>(() => client.UploadArtifactAsync("mlflow-artifacts:/1/r", "f", new MemoryStream([1, 2]), Cancel));
        Assert.StartsWith("the artifact store https://store.test answers 403 SignatureDoesNotMatch; the parts sent are left in the store: ",
            error.Message, StringComparison.Ordinal);
        Assert.Contains("no abort", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s1gnature", error.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("bucket", error.ToString(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, error.StatusCode);
    }

    [Fact]
    public async Task A_server_without_multipart_gets_one_put()
    {
        var server = new FakeMlflow((request, _) =>
            request.RequestUri!.AbsolutePath.Contains("server-info", StringComparison.Ordinal)
            ? Json("""{"multipart_uploads_enabled":true}""")
            : request.Method == HttpMethod.Post ? Json("""{"error_code":"NOT_IMPLEMENTED","message":"Multipart upload is not supported for the current artifact repository"}""",
                501)
            : Page("", 200));
        await server.Client(new MlflowOptions { TrackingUri = new("http://h"), MultipartFrom = 1 })
            .UploadArtifactAsync("mlflow-artifacts:/1/r", "d/f", new MemoryStream("abc"u8.ToArray()), Cancel);
        Assert.Equal(("/api/2.0/mlflow-artifacts/artifacts/1/r/d/f", "abc"), (server.Requests[^1].Address.AbsolutePath, server.Requests[^1].Body));
        Assert.Equal(3, server.Requests.Count);
    }
}
