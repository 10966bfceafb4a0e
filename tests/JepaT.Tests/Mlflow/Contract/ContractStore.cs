using System.Text.Json;
using System.Text.Json.Nodes;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Does what recorded requests ask for through a tracking store, and gives what comes back in MLflow's names.</summary>
internal sealed class ContractStore(ITrackingStore store, Action<string> deleteExperiment)
{
    // No call of a store can say these.
    private static readonly string[] Unsayable =
        ["health", "version", "log metric missing timestamp", "log metric text value", "malformed json", "unknown endpoint", "multipart create", "foreign host", "foreign origin"];

    public static bool CanSay(Recorded line) => !Unsayable.Contains(line.Name);

    /// <summary>What the store gives; null where it says that there is none.</summary>
    public JsonNode? Do(Recorded line) => Call(line) is { } value ? JsonNode.Parse(MlflowJson.Write(value)) : null;

    private object? Call(Recorded line)
    {
        var arguments = line.Body ?? line.Query ?? [];
        string Text(string name) => (string)arguments[name]!;
        T? Read<T>(string name) => arguments[name] is { } node ? MlflowJson.Read<T>(JsonSerializer.SerializeToUtf8Bytes(node)) : default;
        var run = (string?)arguments["run_id"] ?? "";
        if (line.Artifact is { } at)
        {
            if (line.Method != HttpMethod.Put) return new { base64 = Convert.ToBase64String(Bytes(store, at.Run, at.File)) };
            store.UploadArtifact(at.Run, at.File, new MemoryStream(line.Content!));
            return new { base64 = "" };
        }
        switch (line.Path.Replace("/api/2.0/mlflow/", "", StringComparison.Ordinal))
        {
            case "experiments/create":
                return new { experiment_id = store.GetOrCreateExperiment(Text("name"), Read<MlflowTag[]>("tags")?.ToDictionary(t => t.Key, t => t.Value)) };
            case "experiments/get": return Only(store.Experiments(RunStage.All).Where(e => e.Id == Text("experiment_id")));
            case "experiments/get-by-name": return Only(store.Experiments(RunStage.All).Where(e => e.Name == Text("experiment_name")));
            case "experiments/search": return new { experiments = store.Experiments().Where(e => e.Name == "contract").Select(Shown) };       // no filter in a store
            case "experiments/set-experiment-tag": store.SetExperimentTag(Text("experiment_id"), Text("key"), Text("value")); break;
            case "experiments/delete": deleteExperiment(Text("experiment_id")); break;
            case "runs/create":
                var tags = Read<MlflowTag[]>("tags")?.ToDictionary(t => t.Key, t => t.Value);
                var made = store.CreateRun(Text("experiment_id"), (string?)arguments["run_name"] ?? "unnamed", (long)arguments["start_time"]!, tags);
                return new { run = new { info = Shown(made) } };
            case "runs/get": return new { run = Shown(store.GetRun(run)) };
            case "runs/update":
                // Without an end the recorded one stays; the store's call says it each time.
                var end = (long?)arguments["end_time"] ?? store.GetRun(run).Info.EndTime;
                store.UpdateRun(run, Enum.Parse<RunStatus>(Text("status"), ignoreCase: true), end, (string?)arguments["run_name"]);
                return new { run_info = Shown(store.GetRun(run).Info) };
            case "runs/delete": store.DeleteRun(run); break;
            case "runs/restore": store.RestoreRun(run); break;
            case "runs/search":
                var stage = (string?)arguments["run_view_type"] == "DELETED_ONLY" ? RunStage.Deleted : RunStage.Active;
                var query = new RunQuery { ExperimentId = Read<string[]>("experiment_ids")![0], Filter = (string?)arguments["filter"], OrderBy = Read<string[]>("order_by") ?? [], Stage = stage };
                return new { runs = store.SearchRuns(query).Select(Shown) };
            case "runs/log-batch":
                store.LogBatch(run, [.. (Read<MlflowMetric[]>("metrics") ?? []).Select(m => new Metric(m.Key, m.Value, m.Timestamp, m.Step))],
                    [.. (Read<MlflowParam[]>("params") ?? []).Select(p => KeyValuePair.Create(p.Key, p.Value))],
                    [.. (Read<MlflowTag[]>("tags") ?? []).Select(t => KeyValuePair.Create(t.Key, t.Value))]);
                break;
            case "runs/log-metric":
                store.LogBatch(run, [new(Text("key"), Read<double>("value"), (long)arguments["timestamp"]!, (long)arguments["step"]!)], [], []);
                break;
            case "runs/log-parameter": store.LogBatch(run, [], [new(Text("key"), Text("value"))], []); break;
            case "runs/set-tag": store.LogBatch(run, [], [], [new(Text("key"), Text("value"))]); break;
            case "runs/delete-tag": store.DeleteTag(run, Text("key")); break;
            case "runs/log-inputs":
                store.LogInputs(run, [.. Read<MlflowDatasetInput[]>("datasets")!.Select(d => new DatasetInput(d.Dataset.Name, d.Dataset.Digest, d.Tags[0].Value,
                    d.Dataset.Source, d.Dataset.Profile, d.Dataset.Schema, d.Dataset.SourceType))]);
                break;
            case "metrics/get-history": return new { metrics = store.MetricHistory(run, Text("metric_key")).Select(Shown) };
            case "artifacts/list": return new { files = Files(run, (string?)arguments["path"] ?? "") };
            default: throw new NotSupportedException($"{line.Name}: {line.Path}");
        }
        return new { };
    }

    public static byte[] Bytes(ITrackingStore store, string run, string path)
    {
        using var stream = store.OpenArtifact(run, path);
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    // A store lists all files; the server one folder.
    private IEnumerable<MlflowFile> Files(string run, string folder)
    {
        var prefix = folder.Length > 0 ? folder + "/" : "";
        return store.Artifacts(run).Where(f => f.Path.StartsWith(prefix, StringComparison.Ordinal)).GroupBy(f => f.Path[prefix.Length..].Split('/')[0])
            .Select(g => g.First().Path == prefix + g.Key ? new MlflowFile(prefix + g.Key, false, g.First().Size) : new MlflowFile(prefix + g.Key, true));
    }

    private static object? Only(IEnumerable<ExperimentInfo> found) => found.SingleOrDefault() is { } one ? new { experiment = Shown(one) } : null;

    private static MlflowExperiment Shown(ExperimentInfo e) =>
        new(e.Id, e.Name, e.ArtifactLocation, e.Deleted ? "deleted" : "active") { Tags = Tags(e.Tags) };

    private static MlflowTag[] Tags(IReadOnlyDictionary<string, string> tags) => [.. tags.Select(t => new MlflowTag(t.Key, t.Value))];

    private static MlflowMetric Shown(Metric m) => new(m.Key, m.Value, m.Timestamp, m.Step);

    private static MlflowRunInfo Shown(RunInfo i) => new(i.RunId, i.ExperimentId, i.Name, "", Enum.Parse<MlflowRunStatus>(i.Status.ToString()), i.StartTime,
        i.EndTime, i.ArtifactUri, i.Deleted ? "deleted" : "active");

    private static MlflowRun Shown(Run run) => new(Shown(run.Info))
    {
        Data = new() { Metrics = [.. run.Metrics.Values.Select(Shown)], Params = [.. run.Params.Select(p => new MlflowParam(p.Key, p.Value))], Tags = Tags(run.Tags) },
        Inputs = new()
        {
            DatasetInputs = [.. run.Inputs.Select(d => new MlflowDatasetInput(new(d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile))
            { Tags = [new("mlflow.data.context", d.Context)] })],
        },
    };
}
