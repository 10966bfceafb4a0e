using System.Text;
using System.Text.Json;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>Each limit and each name, just within and just beyond, on a database, on a server, and (raw) by the server itself.</summary>
[Trait("Category", "Contract")]
public sealed class LimitContractTests : IDisposable
{
    private static readonly string[] GoodKeys = ["train/loss", "é", "中.文", "a:b", "a b", "a-b_c.d/e", "9", new('k', 250)];
    private static readonly string[] BadKeys = ["", "a//b", "../a", "a/", "/a", "a/./b", "a/../b", ".", "..", "a#b", "a@b", "a,b", "a\\b", "a\nb", new('k', 251)];
    private readonly TrackingFolder folder = new(), served = new();

    public void Dispose()
    {
        folder.Dispose();
        served.Dispose();
    }

    [Fact]
    public async Task Each_limit_holds_on_both_stores_as_on_the_server()
    {
        using var server = MlflowServer.Start(served.Path);
        using var rest = TrackingStores.Open(server.Address.ToString());
        using var sqlite = folder.Open();
        var wrong = new List<string>();
        foreach (var store in new[] { sqlite, rest })
        {
            var experiment = store.GetOrCreateExperiment("limits");
            var count = 0;
            foreach (var (what, call, taken) in Limits(experiment))
            {
                var run = store.CreateRun(experiment, $"run {count++}", count).RunId;
                try
                {
                    call(store, run);
                    if (!taken) wrong.Add($"{store.Uri}: {what} is taken");
                }
                catch (UserException e)
                {
                    if (taken || e.Message.Contains('\n', StringComparison.Ordinal)) wrong.Add($"{store.Uri}: {what}: {e.Message}");
                    // Nothing of it is written, and the run is as it was.
                    if (store.GetRun(run) is not { Metrics.Count: 0, Params.Count: 0, Inputs.Count: 0 }) wrong.Add($"{store.Uri}: {what} is written in part");
                }
            }
        }
        var raw = rest.CreateRun("1", "raw", 1).RunId;
        foreach (var (what, path, body, taken) in Raw(raw))
        {
            using var content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
            using var answer = await server.Client.PostAsync("api/2.0/mlflow/" + path, content, TestContext.Current.CancellationToken);
            if ((int)answer.StatusCode != (taken ? 200 : 400)) wrong.Add($"the server answers {(int)answer.StatusCode} to {what}");
        }
        Assert.Equal([], wrong);
        foreach (var store in new[] { sqlite, rest })
        {
            var cut = store.SearchRuns(new() { Filter = "params.`cut param` IS NOT NULL" }).Single();
            Assert.Equal((6000, 8000), (cut.Params["cut param"].Length, cut.Tags["cut tag"].Length));
            Assert.Equal("last", store.SearchRuns(new() { Filter = "tags.twice IS NOT NULL" }).Single().Tags["twice"]);
            Assert.Equal(["limits", new string('e', 500)], store.Experiments().Select(e => e.Name).Skip(1));
        }
    }

    private static IEnumerable<(string What, Action<ITrackingStore, string> Call, bool Taken)> Limits(string experiment)
    {
        foreach (var (metrics, parameters, tags, taken) in new[] { (1000, 0, 0, true), (1001, 0, 0, false), (0, 100, 100, true), (0, 101, 0, false), (0, 0, 101, false), (800, 100, 100, true), (801, 100, 100, false) })
            yield return ($"a batch of {metrics}, {parameters}, {tags}", (s, r) => s.LogBatch(r, [.. Enumerable.Range(0, metrics).Select(i => new Metric("m", i, i, i))],
                Pairs(parameters), Pairs(tags)), taken);
        foreach (var (key, taken) in GoodKeys.Select(k => (k, true)).Concat(BadKeys.Select(k => (k, false))))
        {
            yield return ($"metric {key}", (s, r) => s.LogBatch(r, [new(key, 1, 1, 1)], [], []), taken);
            yield return ($"param {key}", (s, r) => s.LogBatch(r, [], [new(key, "1")], []), taken);
            yield return ($"tag {key}", (s, r) => s.LogBatch(r, [], [], [new(key, "1")]), taken);
        }
        yield return ("a bad one among good ones", (s, r) => s.LogBatch(r, [new("good", 1, 1, 1), new("bad//key", 1, 1, 1)], [new("p", "1")], []), false);
        yield return ("a long param and tag", (s, r) => s.LogBatch(r, [], [new("cut param", new('v', 6001))], [new("cut tag", new('v', 8001))]), true);
        yield return ("empty values", (s, r) => s.LogBatch(r, [], [new("p", "")], [new("t", "")]), true);
        yield return ("a param twice", (s, r) => s.LogBatch(r, [], [new("p", "1"), new("p", "1")], []), false);
        yield return ("a tag twice", (s, r) => s.LogBatch(r, [], [], [new("twice", "first"), new("twice", "last")]), true);
        yield return ("time -1", (s, r) => s.LogBatch(r, [new("m", 1, -1, 1)], [], []), false);
        yield return ("steps at the ends", (s, r) => s.LogBatch(r, [new("m", 1, 1, long.MaxValue), new("m", 1, 1, long.MinValue)], [], []), true);
        foreach (var (length, taken) in new[] { (20_000, true), (20_001, false) })
            yield return ($"an experiment's tag of {length}", (s, _) => s.SetExperimentTag(experiment, "note", new('v', length)), taken);
        foreach (var (length, taken) in new[] { (500, true), (501, false) })
            yield return ($"an experiment's name of {length}", (s, _) => s.GetOrCreateExperiment(new('e', length)), taken);
        yield return ("an experiment without a name", (s, _) => s.GetOrCreateExperiment(""), false);
        foreach (var (length, taken) in new[] { (250, true), (251, false) })
        {
            yield return ($"a run's name of {length}", (s, _) => s.CreateRun(experiment, new('r', length), 1), taken);
            yield return ($"a run's new name of {length}", (s, r) => s.UpdateRun(r, RunStatus.Running, null, new('r', length)), taken);
        }
        yield return ("a start at -1", (s, _) => s.CreateRun(experiment, "r", -1), false);
        yield return ("an end at -1", (s, r) => s.UpdateRun(r, RunStatus.Finished, -1), false);
        yield return ("two names of one run", (s, _) => s.CreateRun(experiment, "r", 1, new Dictionary<string, string> { ["mlflow.runName"] = "q" }), false);
        var set = new DatasetInput("set", "a1b2c3d4", "training", "{}");
        foreach (var over in new[] { 0, 1 })
            foreach (var (what, data) in new[]
            {
                ("name", set with { Name = new('n', 500 + over) }), ("digest", set with { Digest = new('d', 36 + over) }), ("source type", set with { SourceType = new('s', 36 + over) }),
                ("source", set with { Name = "source", Source = new('s', 65_535 + over) }), ("schema", set with { Name = "schema", Schema = new('s', 1_048_575 + over) }),
                ("context", set with { Name = "context", Context = new('c', 500 + over) }), ("profile", set with { Name = "profile", Profile = new('p', 16_777_215 + over) }),
            })
                yield return ($"a data set's {what}, {over} too long", (s, r) => s.LogInputs(r, [data]), over == 0);
        foreach (var (results, taken) in new[] { (0, false), (1, true), (50_000, true), (50_001, false) })
            yield return ($"{results} results", (s, _) => s.SearchRuns(new() { MaxResults = results }), taken);
        yield return ("an artifact of 12 MiB", (s, r) => s.UploadArtifact(r, "big.bin", new MemoryStream(new byte[12 << 20])), true);
        foreach (var path in new[] { "a#b", "../x", "a/../b", "a//b", "a/", "/a", "p%41", "a\\b", "images/README" })
            yield return ($"artifact {path}", (s, r) => s.UploadArtifact(r, path, new MemoryStream([1])), false);
        yield return ("an unknown run", (s, _) => s.LogBatch(new string('f', 32), [], [], [new("t", "1")]), false);
        yield return ("metrics of an unknown run", (s, _) => s.LogBatch(new string('f', 32), [new("m", 1, 1, 1)], [], []), false);
        yield return ("an unknown run's end", (s, _) => s.UpdateRun(new string('f', 32), RunStatus.Finished, 1), false);
        yield return ("a run in an unknown experiment", (s, _) => s.CreateRun("987654", "r", 1), false);
        yield return ("a tag of an unknown experiment", (s, _) => s.SetExperimentTag("987654", "k", "v"), false);
        yield return ("an unknown tag's end", (s, r) => s.DeleteTag(r, "none"), false);
        yield return ("an unknown artifact", (s, r) => s.OpenArtifact(r, "none").Dispose(), false);
        yield return ("the history of an unknown metric", (s, r) => Assert.Empty(s.MetricHistory(r, "none")), true);
    }

    // What the server itself says to what our stores do not send. On SQLite it takes a longer name of a run and type of a source than its
    // columns (250, 36) hold; other databases could not, so our stores refuse both.
    private static IEnumerable<(string What, string Path, object Body, bool Taken)> Raw(string run)
    {
        static object[] Many(int n) => [.. Enumerable.Range(0, n).Select(i => new { key = $"k{i}", value = "v" })];
        static object[] Points(int n) => [.. Enumerable.Range(0, n).Select(i => new { key = "m", value = i, timestamp = i, step = i })];
        yield return ("101 tags", "runs/log-batch", new { run_id = run, tags = Many(101) }, false);
        yield return ("1001 items", "runs/log-batch", new { run_id = run, metrics = Points(801), @params = Many(100), tags = Many(100) }, false);
        yield return ("a param twice", "runs/log-batch", new { run_id = run, @params = new[] { new { key = "p", value = "1" }, new { key = "p", value = "1" } } }, false);
        foreach (var key in BadKeys.Where(k => k.Length > 0))
        {
            yield return ($"metric {key}", "runs/log-metric", new { run_id = run, key, value = 1, timestamp = 1, step = 1 }, false);
            yield return ($"param {key}", "runs/log-parameter", new { run_id = run, key, value = "1" }, false);
            yield return ($"tag {key}", "runs/set-tag", new { run_id = run, key, value = "1" }, false);
        }
        yield return ("time -1", "runs/log-metric", new { run_id = run, key = "m", value = 1, timestamp = -1, step = 1 }, false);
        yield return ("a number as a param", "runs/log-parameter", new { run_id = run, key = "n", value = 1 }, false);
        yield return ("an experiment's tag of 20001", "experiments/set-experiment-tag", new { experiment_id = "1", key = "k", value = new string('v', 20_001) }, false);
        yield return ("an experiment's name of 501", "experiments/create", new { name = new string('x', 501) }, false);
        foreach (var results in new[] { 0, 50_001 })
            yield return ($"{results} results", "runs/search", new { experiment_ids = new[] { "1" }, max_results = results }, false);
        foreach (var (name, digest, type) in new[] { (501, 8, 5), (3, 37, 5), (3, 8, 37) })
        {
            var dataset = new { name = new string('n', name), digest = new string('d', digest), source_type = new string('s', type), source = "{}" };
            yield return ($"a data set of {name}, {digest}, {type}", "runs/log-inputs", new { run_id = run, datasets = new[] { new { dataset } } }, type > 36);
        }
        yield return ("a run's name of 251", "runs/create", new { experiment_id = "1", run_name = new string('r', 251), start_time = 1 }, true);
    }

    private static KeyValuePair<string, string>[] Pairs(int n) => [.. Enumerable.Range(0, n).Select(i => KeyValuePair.Create($"k{i}", "v"))];
}
