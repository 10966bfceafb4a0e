using System.Text.Json.Nodes;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>A run that has ended takes no metrics unless it is resumed; and what a server's error codes become for a store's user.</summary>
[Trait("Category", "Contract")]
public sealed class EndedRunTests : IDisposable
{
    private const string Id = "0123456789abcdef0123456789abcdef";
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Metrics_go_into_an_ended_run_only_after_it_is_resumed(bool overHttp)
    {
        using var server = overHttp ? MlflowServer.Start(folder.Path) : null;
        using var store = overHttp ? TrackingStores.Open(server!.Address.ToString()) : folder.Open();
        using var other = overHttp ? TrackingStores.Open(server!.Address.ToString()) : folder.Open();        // has not seen how the run was made
        var experiment = store.GetOrCreateExperiment("ended");
        foreach (var status in new[] { RunStatus.Finished, RunStatus.Failed, RunStatus.Killed })
        {
            var id = store.CreateRun(experiment, $"a {status} run", 1000).RunId;
            store.LogBatch(id, [new("m", 1, 1, 1)], [], []);
            store.UpdateRun(id, status, 5000);
            foreach (var one in new[] { store, other })
            {
                var message = Assert.Throws<UserException>(() => one.LogBatch(id, [new("m", 2, 2, 2)], [new("not", "written")], [])).Message;
                Assert.Contains($"'a {status} run' ({id}) has ended ({status.ToString().ToUpperInvariant()})", message, StringComparison.Ordinal);
                Assert.Contains("resume it first", message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', message);
            }
            other.LogBatch(id, [], [new("later", "1")], [new("later", "note")]);
            Assert.Equal(["later"], store.GetRun(id).Params.Keys);

            // As a later evaluation does it: opened, written, closed with the end it had.
            var before = other.GetRun(id).Info;
            other.UpdateRun(id, RunStatus.Running, before.EndTime);
            other.LogBatch(id, [new("eval/fid", 30.5, 9000, 0)], [], []);
            other.UpdateRun(id, before.Status, before.EndTime);
            Assert.Equal(before, store.GetRun(id).Info);
            Assert.Throws<UserException>(() => other.LogBatch(id, [new("m", 3, 3, 3)], [], []));

            using (var log = RunLogger.Resume(store, id))
            {
                Assert.Null(store.GetRun(id).Info.EndTime);
                log.Metric("m", 4, 4);
                log.Finish(status);
            }
            Assert.Equal([1.0, 4], other.MetricHistory(id, "m").Select(m => m.Value));
            Assert.Equal(30.5, other.GetRun(id).Metrics["eval/fid"].Value);
        }
        var open = store.CreateRun(experiment, "without an end", 1).RunId;
        store.UpdateRun(open, RunStatus.Finished, null);        // as a foreign program may leave it
        other.LogBatch(open, [new("m", 1, 1, 1)], [], []);
    }

    [Fact]
    public void A_server_is_asked_once_whether_a_run_goes_on_and_never_of_one_made_or_resumed_here()
    {
        using var server = new ReplayServer([Run("RUNNING", 0), Batch, Batch, Update("RUNNING"), Batch, Update("FINISHED"), Run("FINISHED", 5), Run("FINISHED", 5),
            Run("RUNNING", 5), Batch, Create, Batch, Batch]);
        using var store = Over(server);
        Log();
        Log();
        store.UpdateRun(Id, RunStatus.Running, 5);
        Log();
        store.UpdateRun(Id, RunStatus.Finished, 5);
        Assert.Throws<UserException>(Log);
        Assert.Throws<UserException>(Log);      // another program may have resumed it: asked again
        Log();
        store.CreateRun("1", "made", 1);
        Log();
        Log();
        Assert.Equal([], server.Wrong);
        Assert.Equal(13, server.Served);

        void Log() => store.LogBatch(Id, [new("m", 1, 1, 1)], [], []);
    }

    [Theory]
    [InlineData(400, "INVALID_PARAMETER_VALUE", false)]
    [InlineData(400, "BAD_REQUEST", false)]
    [InlineData(400, "RESOURCE_ALREADY_EXISTS", false)]
    [InlineData(401, "UNAUTHENTICATED", false)]
    [InlineData(403, "PERMISSION_DENIED", false)]
    [InlineData(404, "RESOURCE_DOES_NOT_EXIST", false)]
    [InlineData(409, "ABORTED", false)]
    [InlineData(409, "RESOURCE_CONFLICT", false)]
    [InlineData(429, "REQUEST_LIMIT_EXCEEDED", true)]
    [InlineData(429, "RESOURCE_EXHAUSTED", true)]
    [InlineData(500, "INTERNAL_ERROR", true)]
    [InlineData(500, "INVALID_STATE", true)]
    [InlineData(501, "NOT_IMPLEMENTED", false)]
    [InlineData(503, "TEMPORARILY_UNAVAILABLE", true)]
    [InlineData(504, "DEADLINE_EXCEEDED", true)]
    public void Each_error_code_is_one_line_for_the_user_of_a_store(int status, string code, bool transient)
    {
        using var server = new ReplayServer([Line("POST", "runs/log-batch", $$"""{"error_code":"{{code}}","message":"a\nreason"}""", status: status)]);      // again and again
        using var store = Over(server);
        var error = Assert.Throws<UserException>(() => store.LogBatch(Id, [], [], [new("k", "v")]));
        Assert.Contains(status == 401 ? "MLFLOW_TRACKING_USERNAME" : $"{status} {code}: a reason", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Equal(transient, store.IsTransient(error));
        Assert.Equal(transient ? 8 : 1, server.Served);
    }

    [Fact]
    public void A_database_that_is_locked_is_what_may_pass_there()
    {
        using var store = folder.Open(TimeSpan.FromSeconds(1));
        var run = store.CreateRun(store.GetOrCreateExperiment("e"), "r", 1).RunId;
        using var other = folder.Connect();
        using var transaction = other.BeginTransaction(deferred: false);
        Assert.True(store.IsTransient(Assert.Throws<UserException>(() => store.LogBatch(run, [new("m", 1, 1, 1)], [], []))));
        transaction.Rollback();
        Assert.False(store.IsTransient(Assert.Throws<UserException>(() => store.GetRun("none"))));
    }

    private static RestStore Over(ReplayServer server)
    {
        var options = new MlflowOptions { TrackingUri = server.Address, Timeout = TimeSpan.FromSeconds(1000) };
        var http = options.CreateHttpClient();
        return new(http, new MlflowClient(http, options, new SwiftClock()));
    }

    private static Recorded Batch => Line("POST", "runs/log-batch", "{}", $$"""{"run_id":"{{Id}}","metrics":[{"key":"m","value":1,"timestamp":1,"step":1}]}""");

    private static Recorded Create => Line("POST", "runs/create", "{\"run\":{\"info\":" + Info("RUNNING", 0) + "}}",
        """{"experiment_id":"1","run_name":"made","start_time":1,"tags":[]}""");

    private static Recorded Run(string status, long end) => Line("GET", "runs/get", "{\"run\":{\"info\":" + Info(status, end) + "}}", query: $$"""{"run_id":"{{Id}}"}""");

    private static Recorded Update(string status) => Line("POST", "runs/update", "{\"run_info\":" + Info(status, 5) + "}",
        $$"""{"run_id":"{{Id}}","status":"{{status}}","end_time":5}""");

    private static string Info(string status, long end) => $$"""{"run_id":"{{Id}}","experiment_id":"1","run_name":"r","status":"{{status}}","end_time":{{end}}}""";

    private static Recorded Line(string method, string path, string answer, string? body = null, string? query = null, int status = 200) => new(new JsonObject
    {
        ["name"] = path,
        ["method"] = method,
        ["path"] = "/api/2.0/mlflow/" + path,
        ["query"] = query is null ? null : JsonNode.Parse(query),
        ["body"] = body is null ? null : JsonNode.Parse(body),
        ["status"] = status,
        ["content_type"] = "application/json",
        ["answer"] = new JsonObject { ["json"] = JsonNode.Parse(answer) },
    }.ToJsonString());
}
