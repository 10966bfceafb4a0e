using System.Globalization;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>What the recording does not do: all that a store can, on whatever store, told in rows with names in place of ids.</summary>
internal static class StoreScript
{
    public static List<string> Run(ITrackingStore store)
    {
        var (rows, names) = (new List<string>(), new Dictionary<string, string>());
        var first = store.GetOrCreateExperiment("first", new Dictionary<string, string> { ["a"] = "b", ["empty"] = "" });
        var second = store.GetOrCreateExperiment("Ünï 中");
        store.GetOrCreateExperiment("first", new Dictionary<string, string> { ["a"] = "not set on one that is there" });
        store.SetExperimentTag(second, "mlflow.note.content", "# note\n\"quoted\" <b>");
        rows.AddRange(store.Experiments().Select(e => $"{e.Id} {e.Name} {e.ArtifactLocation} {Pairs(e.Tags)}"));

        string New(string experiment, string name, long start, params (string Key, string Value)[] tags)
        {
            var id = store.CreateRun(experiment, name, start, tags.ToDictionary(t => t.Key, t => t.Value)).RunId;
            names[id] = name;
            return id;
        }
        var parent = New(first, "parent", 1000);
        var child = New(first, "child", 2000, ("mlflow.parentRunId", parent), ("k", "v"));
        var grandchild = New(first, "grandchild", 3000, ("mlflow.parentRunId", child));
        var foreign = New(second, "foreign", 4000, ("mlflow.runName", "foreign"));

        double[] odd = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, double.Epsilon, double.MaxValue, 0.1, 1e-300, -1.5];
        store.LogBatch(child, [.. odd.Select((v, i) => new Metric($"odd/{i}", v, 10 + i, i == 0 ? -3 : 9007199254740993 - i))], [], []);
        Metric[] points = [new("m", 1, 10, 5), new("m", 2, 10, 5), new("m", 9, 99, 4), new("m", double.NaN, 10, 5), new("m", 1, 10, 5), new("m", -1, 5, -7), new("m", 3, 10, 6), new("m", 3, 11, 6)];
        store.LogBatch(child, points, [], []);
        store.LogBatch(child, points, [], []);
        store.LogBatch(grandchild, [.. Enumerable.Range(0, 900).Select(i => new Metric("long", i / 7.0, i, i))], [.. Enumerable.Range(0, 50).Select(i => KeyValuePair.Create($"p{i}", $"{i}"))],
            [.. Enumerable.Range(0, 50).Select(i => KeyValuePair.Create($"t{i % 40}", $"{i}"))]);
        store.LogBatch(child, [], [new("lr", "1e-05"), new("empty", ""), new("ä b/c:d", "ünï中 \"q\" 'q' <b>\n2"), new("long", new string('v', 6001))], [new("long", new string('t', 8001))]);
        store.LogBatch(child, [], [new("lr", "1e-05")], [new("mlflow.runName", "child"), new("again", "1"), new("again", "2"), new("mlflow.runName", "")]);
        store.LogInputs(child, [new("set", "a1b2c3d4", "training", "{}", """{"num_rows":3}"""), new("set", "00000000", "eval", "{}", null, """{"mlflow_colspec":[]}""", "code")]);
        store.LogInputs(child, [new("set", "a1b2c3d4", "other", "{}")]);
        store.LogInputs(parent, [new("set", "a1b2c3d4", "eval", "{}")]);
        store.UploadArtifact(child, "a/b c & ü/+~;.txt", new MemoryStream("first"u8.ToArray()));
        store.UploadArtifact(child, "a/b c & ü/+~;.txt", new MemoryStream("second"u8.ToArray()));
        store.UploadArtifact(child, "empty.bin", new MemoryStream());
        store.UploadArtifact(child, "big.bin", new MemoryStream([.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * 31 >> 3))]));
        store.DeleteTag(child, "again");

        store.UpdateRun(child, RunStatus.Failed, 5000);
        Refuse("has ended (FAILED)", () => store.LogBatch(child, [new("late", 1, 1, 1)], [], []));
        store.LogBatch(child, [], [new("later", "param")], [new("later", "tag")]);
        store.UpdateRun(child, RunStatus.Running, null);
        store.LogBatch(child, [new("late", 1, 1, 1)], [], []);
        rows.Add($"resumed: {Info(store.GetRun(child).Info)}");
        store.UpdateRun(child, RunStatus.Failed, 5000, "renamed");
        names[child] = "renamed";
        store.UpdateRun(parent, RunStatus.Killed, 6000);
        store.UpdateRun(grandchild, RunStatus.Scheduled, null);
        store.DeleteRun(grandchild);
        Refuse("deleted", () => store.LogBatch(grandchild, [], [], [new("k", "v")]));
        Refuse("deleted", () => store.LogBatch(grandchild, [new("m", 1, 1, 1)], [], []));
        Search("deleted", new() { Stage = RunStage.Deleted });
        Search("without it", new() { ExperimentId = first });
        store.RestoreRun(grandchild);
        Refuse("'lr'", () => store.LogBatch(child, [new("x", 1, 1, 1)], [new("lr", "2")], []), resume: child);
        Refuse("none", () => store.DeleteTag(child, "none"));
        Refuse("no run", () => store.GetRun(new string('f', 32)));

        Search("all", new());
        Search("children", new() { ParentRunId = parent });
        Search("two", new() { MaxResults = 2 });
        Search("filter", new() { Filter = "metrics.m >= 3 AND params.lr LIKE '1e%'", Tags = new Dictionary<string, string> { ["k"] = "v" } });
        Search("order", new() { OrderBy = ["metrics.long DESC", "run_name"] });
        foreach (var id in new[] { parent, child, grandchild, foreign }) Tell(id);
        return rows;

        void Search(string what, RunQuery query) => rows.Add($"{what}: {string.Join(' ', store.SearchRuns(query).Select(r => r.Info.Name))}");

        void Refuse(string words, Action action, string? resume = null)
        {
            if (resume is not null) store.UpdateRun(resume, RunStatus.Running, 5000);
            var e = Assert.Throws<UserException>(action);
            Assert.DoesNotContain('\n', e.Message);
            Assert.Contains(words, e.Message, StringComparison.OrdinalIgnoreCase);
            if (resume is not null) store.UpdateRun(resume, RunStatus.Failed, 5000);
        }

        string Info(RunInfo i) => $"{i.Name} {i.ExperimentId} {i.Status} {i.StartTime} {i.EndTime} {i.ArtifactUri.Replace(i.RunId, "ID", StringComparison.Ordinal)} {i.Deleted}";

        void Tell(string id)
        {
            var run = store.GetRun(id);
            rows.Add(Info(run.Info));
            rows.Add($"params {Pairs(run.Params)}");
            rows.Add($"tags {Pairs(run.Tags.Where(t => t.Key != "jepat.create_id").Select(t => KeyValuePair.Create(t.Key, names.GetValueOrDefault(t.Value, t.Value))))}");
            rows.AddRange(run.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => $"latest {Point(m)}"));
            foreach (var key in run.Metrics.Keys.Order(StringComparer.Ordinal)) rows.AddRange(store.MetricHistory(id, key).Select(m => $"point {Point(m)}"));
            rows.AddRange(run.Inputs.Select(d => d.ToString()));
            rows.AddRange(store.Artifacts(id).Select(a => $"{a.Path} {a.Size} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(ContractStore.Bytes(store, id, a.Path)))}"));
        }
    }

    private static string Point(Metric m) =>
        string.Create(CultureInfo.InvariantCulture, $"{m.Key} {m.Timestamp} {m.Step} {BitConverter.DoubleToInt64Bits(m.Value):x16}");

    private static string Pairs(IEnumerable<KeyValuePair<string, string>> pairs) => string.Join(", ", pairs.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value}"));
}
