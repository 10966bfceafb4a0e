using System.Security.Cryptography;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Runs with everything that is copied, and all rows of a database as text with a run's first id in place of its own.</summary>
internal static class StoreCopySample
{
    /// <summary>An ablation of a parent with three runs (finished, failed, still running) and a run in another experiment; gives the parent's id and that of the running one.</summary>
    public static (string Parent, string Running) Fill(ITrackingStore store, string name = "ablation")
    {
        var experiment = store.GetOrCreateExperiment(name, new Dictionary<string, string> { ["mlflow.note.content"] = "# Why\nünï", ["kind"] = "short" });
        var parent = store.CreateRun(experiment, "parent", 1_700_000_000_000, new Dictionary<string, string> { ["mlflow.user"] = "ada" }).RunId;
        string Child(string run, long start) => store.CreateRun(experiment, run, start, new Dictionary<string, string> { ["mlflow.parentRunId"] = parent, ["mlflow.user"] = "ada" }).RunId;
        var (full, failed, running) = (Child("full", 1_700_000_001_000), Child("failed", 1_700_000_002_000), Child("running", 1_700_000_003_000));

        for (var from = 0; from < 2500; from += 500)
            store.LogBatch(full, [.. Enumerable.Range(from, 500).Select(i => new Metric("train/loss", 3.0 / (i + 1), 1_700_000_001_000 + i, i))], [], []);
        double[] odd = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, double.Epsilon, double.MaxValue];
        store.LogBatch(full, [.. odd.Select((value, i) => new Metric("odd/values", value, 5, 9007199254740993 + i))], [], []);
        store.LogBatch(full, [new("odd/back", 1, 7, 5), new("odd/back", 2, 8, -3), new("odd/back", double.NaN, 8, -3)], [], []);
        for (var i = 0; i < 120; i += 60)
        {
            store.LogBatch(full, [], [.. Enumerable.Range(i, 60).Select(k => KeyValuePair.Create($"model.p{k}", $"v{k}"))], []);
            store.LogBatch(full, [], [], [.. Enumerable.Range(i, 60).Select(k => KeyValuePair.Create($"tag{k}", $"ü \"{k}\""))]);
        }
        store.LogBatch(full, [], [KeyValuePair.Create("empty", "")], [KeyValuePair.Create("mlflow.note.content", "# done"), KeyValuePair.Create("best", failed), KeyValuePair.Create("said", $"lab train --resume {failed}")]);
        store.LogBatch(parent, [], [], [KeyValuePair.Create("mlflow.loggedArtifacts", """[{"path": "ablation.json", "type": "table"}]"""), KeyValuePair.Create("rows", $"[\"{full}\"]")]);
        store.LogInputs(full, [new("fashion", "a1b2c3d4", "training", "here", """{"num_rows":60000}""", """{"mlflow_colspec":[]}"""), new("fashion-test", "00c3d4ff", "eval", "there")]);
        store.LogInputs(failed, [new("fashion", "a1b2c3d4", "training", "here")]);
        Upload(store, parent, "ablation.json", "{\"columns\":[],\"data\":[]}"u8.ToArray());
        Upload(store, full, "checkpoints/model.safetensors", [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31))]);
        Upload(store, full, "plots/a name with spaces & ü.html", "<h1>x</h1>"u8.ToArray());
        Upload(store, full, "empty.txt", []);
        Upload(store, full, "images/train~samples+step+100+timestamp+5+a1.png", TrackingFolder.Png(300, 300));
        store.LogBatch(running, [new("train/loss", 1, 3, 0), new("train/loss", 2, 4, 1)], [], []);
        Upload(store, running, "last.bin", [1, 2, 3]);

        store.UpdateRun(full, RunStatus.Finished, 1_700_000_009_999, "full, renamed");
        store.UpdateRun(failed, RunStatus.Failed, 1_700_000_002_500);
        store.UpdateRun(parent, RunStatus.Finished, 1_700_000_010_000);
        var single = store.CreateRun(store.GetOrCreateExperiment("other"), "alone", 1_600_000_000_000).RunId;
        store.UpdateRun(single, RunStatus.Killed, 1_600_000_000_001);
        store.DeleteRun(store.CreateRun(experiment, "in the trash", 1_700_000_004_000).RunId);
        return (parent, running);
    }

    public static void Upload(ITrackingStore store, string run, string path, byte[] bytes)
    {
        using var content = new MemoryStream(bytes);
        store.UploadArtifact(run, path, content);
    }

    /// <summary>All that a database and its files say of runs in use and their experiments, sorted.</summary>
    public static List<string> Rows(TrackingFolder folder)
    {
        var root = folder.Rows("SELECT r.run_uuid, COALESCE(t.value, r.run_uuid) FROM runs r LEFT JOIN tags t ON t.run_uuid = r.run_uuid AND t.key = 'jepat.origin' WHERE r.lifecycle_stage = 'active'")
            .Select(r => r.Split('|')).ToDictionary(r => r[0], r => r[1]);
        var rows = new List<string>();
        Add("experiment", "SELECT name, lifecycle_stage FROM experiments WHERE lifecycle_stage = 'active'");
        Add("experiment tag", "SELECT e.name, t.key, t.value FROM experiment_tags t JOIN experiments e USING (experiment_id) WHERE e.lifecycle_stage = 'active'");
        Add("run", "SELECT r.run_uuid, r.name, e.name, r.status, r.start_time, COALESCE(NULLIF(r.end_time, 0), 'none'), r.user_id FROM runs r JOIN experiments e USING (experiment_id) WHERE r.lifecycle_stage = 'active'");
        Add("param", "SELECT run_uuid, key, value FROM params");
        Add("tag", "SELECT run_uuid, key, value FROM tags WHERE key NOT IN ('jepat.origin', 'jepat.origin_store', 'jepat.copied', 'jepat.create_id') AND run_uuid IN (SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active')");
        Add("metric", "SELECT run_uuid, key, timestamp, step, is_nan, value FROM metrics");
        Add("latest", "SELECT run_uuid, key, timestamp, step, is_nan, value FROM latest_metrics");
        Add("input", """
            SELECT i.destination_id, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile, t.value
            FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid
            """);
        using var store = folder.Open();
        foreach (var run in root.Keys)
            foreach (var file in store.Artifacts(run))
                using (var bytes = store.OpenArtifact(run, file.Path))
                    rows.Add($"file|{root[run]}|{file.Path}|{file.Size}|{Convert.ToHexString(SHA256.HashData(bytes))}");
        rows.Sort(StringComparer.Ordinal);
        return rows;

        void Add(string what, string sql) => rows.AddRange(folder.Rows(sql).Select(r => root.Aggregate($"{what}|{r}", (text, id) => text.Contains("lab train", StringComparison.Ordinal)
            ? text.Replace(id.Key + "|", id.Value + "|", StringComparison.Ordinal) : text.Replace(id.Key, id.Value, StringComparison.Ordinal))));
    }
}
