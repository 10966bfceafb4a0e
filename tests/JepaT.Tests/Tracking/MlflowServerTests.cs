using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>What we log is what MLflow's own server, started in the folder, gives back.</summary>
public sealed class MlflowServerTests : IDisposable
{
    private const string Api = "api/2.0/mlflow/";
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_server_gives_back_every_value_picture_and_file_and_we_go_on_logging_after_its_upgrade()
    {
        using var store = folder.Open();
        using var parent = RunLogger.Start(store, "short", "parent");
        using var child = RunLogger.Start(store, "short", "child", parent.RunId);
        LogMuch(child);
        child.Finish();
        parent.Metric("eval/fid", 30.5, 0);
        parent.Table("ablation", ["preset", "fid"], [["none", 84.5], ["full", null]]);
        parent.Flush();

        using var server = MlflowServer.Start(folder.Path);
        Compare(server, store, child.RunId);
        Compare(server, store, parent.RunId);

        parent.Metric("eval/fid", 29.5, 1);             // under the running server, in its newer tables
        parent.Image("eval/grid", 1, TrackingFolder.Png(256, 256));
        parent.Finish();
        using (var other = RunLogger.Start(store, "made after the upgrade", "later"))
        {
            LogMuch(other);
            other.Finish(RunStatus.Killed);
            Compare(server, store, other.RunId);
        }
        using (var resumed = RunLogger.Resume(store, child.RunId))
        {
            resumed.Metric("train/loss", 0.5, 100);
            resumed.Flush();
            Compare(server, store, child.RunId);
        }
        Compare(server, store, parent.RunId);
        Assert.NotEqual(["acf3f17fdcc7"], folder.Rows("SELECT version_num FROM alembic_version"));
        using var again = folder.Open();
        Assert.Equal(3, again.SearchRuns(new()).Count);
    }

    private static void LogMuch(RunLogger log)
    {
        log.Params(new Dictionary<string, object?> { ["model.dim"] = 128, ["lr"] = 1e-5, ["empty"] = "", ["note"] = "ünï中 \"quoted\" <b>", ["long"] = new string('v', 6001) });
        log.Tag("phase", "smoke");
        log.Tag("long", new string('t', 8001));
        log.Note("# A note\n\nwith *stars*");
        log.Dataset("fashion-captions", "a1b2c3d4", "training", "fashion-mnist", """{"num_rows":60000}""", """{"mlflow_colspec":[{"type":"string","name":"caption","required":true}]}""");
        log.Dataset("fashion-test", "00c3d4ff", "eval", "fashion-mnist");
        for (var i = 0; i < 1500; i++) log.Metric("train/loss", 3.0 / (i + 1), i);
        double[] odd = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, double.Epsilon, double.MaxValue];
        for (var i = 0; i < odd.Length; i++) log.Metric($"odd/{i}", odd[i], 9007199254740993 + i);
        log.Metric("odd/back", 1, 5);
        log.Metric("odd/back", 2, -3);
        for (var step = 0; step < 3; step++) log.Image("train/samples", 100 * step, TrackingFolder.Png(400, 300));
        log.ArtifactText("config.yaml", "model:\n  dim: 128\n");
        log.ArtifactText("plots/a name with spaces & ü.html", "<h1>x</h1>");
        log.Artifact("checkpoints/model.safetensors", [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31))]);
    }

    private static void Compare(MlflowServer server, SqliteStore store, string id)
    {
        var ours = store.GetRun(id);
        var theirs = Get(server, $"{Api}runs/get?run_id={id}").GetProperty("run");
        var info = theirs.GetProperty("info");
        Assert.Equal((ours.Info.Name, ours.Info.Status.ToString().ToUpperInvariant(), ours.Info.StartTime, ours.Info.ArtifactUri),
            (Text(info, "run_name"), Text(info, "status"), info.GetProperty("start_time").GetInt64(), Text(info, "artifact_uri")));
        Assert.Equal(ours.Info.EndTime, info.TryGetProperty("end_time", out var end) ? end.GetInt64() : null);

        var data = theirs.GetProperty("data");
        Assert.Equal(ours.Params.OrderBy(p => p.Key, StringComparer.Ordinal), Pairs(data, "params"));
        Assert.Equal(ours.Tags.OrderBy(p => p.Key, StringComparer.Ordinal), Pairs(data, "tags"));
        Assert.Equal(ours.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal), Items(data, "metrics").Select(Metric).OrderBy(m => m.Key, StringComparer.Ordinal));
        foreach (var key in ours.Metrics.Keys)
            Assert.Equal(store.MetricHistory(id, key),
                Items(Get(server, $"{Api}metrics/get-history?run_id={id}&metric_key={Uri.EscapeDataString(key)}"), "metrics").Select(Metric));

        var inputs = Items(theirs.TryGetProperty("inputs", out var found) ? found : default, "dataset_inputs").Select(Dataset).OrderBy(d => d.Name, StringComparer.Ordinal);
        Assert.Equal(ours.Inputs, inputs);

        var files = Files(server, id, "").Order(StringComparer.Ordinal).ToList();
        Assert.Equal(store.Artifacts(id).Select(a => a.Path), files);
        foreach (var file in files)
        {
            using var stream = store.OpenArtifact(id, file);
            using var bytes = new MemoryStream();
            stream.CopyTo(bytes);
            var path = string.Join('/', file.Split('/').Select(Uri.EscapeDataString));
            Assert.Equal(bytes.ToArray(), server.Client.GetByteArrayAsync($"api/2.0/mlflow-artifacts/artifacts/{ours.Info.ExperimentId}/{id}/artifacts/{path}").GetAwaiter().GetResult());
        }
    }

    private static IEnumerable<string> Files(MlflowServer server, string id, string folder) =>
        Items(Get(server, $"{Api}artifacts/list?run_id={id}&path={Uri.EscapeDataString(folder)}"), "files").SelectMany(f =>
            f.GetProperty("is_dir").GetBoolean() ? Files(server, id, Text(f, "path")) : [Text(f, "path")]);

    private static JsonElement Get(MlflowServer server, string path) => server.Client.GetFromJsonAsync<JsonElement>(path).GetAwaiter().GetResult();

    private static JsonElement[] Items(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var list) ? [.. list.EnumerateArray()] : [];

    private static IEnumerable<KeyValuePair<string, string>> Pairs(JsonElement data, string name) =>
        Items(data, name).Select(e => KeyValuePair.Create(Text(e, "key"), Text(e, "value"))).OrderBy(p => p.Key, StringComparer.Ordinal);

    private static string Text(JsonElement element, string name) => element.TryGetProperty(name, out var value) ? value.GetString()! : "";

    private static Metric Metric(JsonElement m)
    {
        var value = m.GetProperty("value");
        var number = value.ValueKind == JsonValueKind.String ? double.Parse(value.GetString()!, CultureInfo.InvariantCulture) : value.GetDouble();
        return new(Text(m, "key"), number, m.GetProperty("timestamp").GetInt64(), m.GetProperty("step").GetInt64());
    }

    private static DatasetInput Dataset(JsonElement input)
    {
        var d = input.GetProperty("dataset");
        var context = Items(input, "tags").Single(t => Text(t, "key") == "mlflow.data.context");
        return new(Text(d, "name"), Text(d, "digest"), Text(context, "value"), Text(d, "source"), Optional("profile"), Optional("schema"), Text(d, "source_type"));

        string? Optional(string name) => d.TryGetProperty(name, out var value) ? value.GetString() : null;
    }
}
