using System.Security.Cryptography;
using System.Text;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class SqliteStoreTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void The_schema_is_MLflows_at_revision_acf3f17fdcc7()
    {
        using var resource = typeof(SqliteStore).Assembly.GetManifestResourceStream("schema-acf3f17fdcc7.sql")!;
        var sql = new StreamReader(resource).ReadToEnd();
        using (folder.Open()) { }

        // The hash of the statements that were tried with the server; where the original is, the text itself.
        Assert.Equal("7d2f7641f30c7e63efcd719d9fcf06f851e5ee0b6ec7cf398ba065b02f44bb48", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))));
        var original = Path.Combine(MlflowServer.RepositoryRoot(), "..", "shared", "mlflow", "schema-acf3f17fdcc7.sql");
        if (File.Exists(original)) Assert.Equal(File.ReadAllText(original), sql);
        var wanted = sql.Split('\n').Where(l => l.StartsWith("CREATE", StringComparison.Ordinal)).Select(l => l.TrimEnd(';')).Order();
        Assert.Equal(wanted, folder.Rows("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").Order());
        Assert.Equal(["acf3f17fdcc7"], folder.Rows("SELECT version_num FROM alembic_version"));
        Assert.Equal(["0|Default|mlflow-artifacts:/0|active"], folder.Rows("SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments"));
        Assert.Equal(["delete"], folder.Rows("PRAGMA journal_mode"));
    }

    [Fact]
    public void A_run_is_written_as_the_server_writes_it()
    {
        using var store = folder.Open();
        var experiment = store.GetOrCreateExperiment("ablation");
        var run = store.CreateRun(experiment, "full", 1760000000000, new Dictionary<string, string> { ["mlflow.user"] = "tester" });

        Assert.Equal("1", experiment);
        Assert.Equal(experiment, store.GetOrCreateExperiment("ablation"));
        Assert.Equal("2", store.GetOrCreateExperiment("other"));
        Assert.Matches("^[0-9a-f]{32}$", run.RunId);
        Assert.Equal([$"full|UNKNOWN|||tester|RUNNING|1760000000000||active|mlflow-artifacts:/1/{run.RunId}/artifacts|1|"],
            folder.Rows("SELECT name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, experiment_id, deleted_time FROM runs"));
        Assert.Equal(["mlflow.runName|full", "mlflow.user|tester"], folder.Rows("SELECT key, value FROM tags ORDER BY key"));
    }

    [Fact]
    public void Renaming_by_update_and_by_tag_keeps_name_and_tag_equal()
    {
        using var store = folder.Open();
        var id = NewRun(store);

        store.UpdateRun(id, RunStatus.Finished, 5, "second");
        Assert.Equal("second|second|FINISHED|5", Names());
        store.LogBatch(id, [], [], [new("mlflow.runName", "third")]);
        Assert.Equal("third|third|FINISHED|5", Names());
        store.LogBatch(id, [], [], [new("mlflow.runName", "")]);
        Assert.Equal("third|third|FINISHED|5", Names());

        string Names() => folder.Rows("SELECT name, value, status, end_time FROM runs JOIN tags USING (run_uuid) WHERE key = 'mlflow.runName'").Single();
    }

    [Fact]
    public void Numbers_are_stored_as_MLflow_stores_them()
    {
        using var store = folder.Open();
        var id = NewRun(store);
        double[] values = [double.NaN, double.PositiveInfinity, double.NegativeInfinity, -0.0, double.Epsilon, double.MaxValue, 0.1];
        store.LogBatch(id, [.. values.Select((v, i) => new Metric($"odd/{i}", v, 7, long.MaxValue - i))], [], []);

        var read = values.Select((_, i) => store.MetricHistory(id, $"odd/{i}").Single()).ToList();

        Assert.Equal([double.NaN, double.MaxValue, double.MinValue, 0.0, double.Epsilon, double.MaxValue, 0.1], read.Select(m => m.Value));
        Assert.False(double.IsNegative(read[3].Value));
        Assert.Equal(values.Select((_, i) => long.MaxValue - i), read.Select(m => m.Step));
        Assert.Equal(["0|1"], folder.Rows("SELECT value, is_nan FROM metrics WHERE key = 'odd/0'"));
        Assert.Equal(7, store.GetRun(id).Metrics.Count);
    }

    [Fact]
    public void The_latest_value_is_the_greatest_by_step_then_time_then_value()
    {
        using var store = folder.Open();
        var id = NewRun(store);

        Assert.Equal(3, Log(new("m", 3, 10, 5)));
        Assert.Equal(3, Log(new("m", 9, 99, 4)));              // gone back in steps: the old value stays
        Assert.Equal(4, Log(new("m", 4, 10, 5)));              // greater value at the same step and time
        Assert.Equal(1, Log(new("m", 1, 11, 5)));              // later
        Assert.Equal(1, Log(new("m", double.NaN, 11, 5)));     // NaN counts as 0
        Assert.Equal(2, Log(new("m", 2, 0, 6)));
        Assert.Equal(6, store.MetricHistory(id, "m").Count);

        double Log(Metric metric)
        {
            store.LogBatch(id, [metric], [], []);
            return store.GetRun(id).Metrics["m"].Value;
        }
    }

    [Fact]
    public void History_comes_by_time_then_step_then_value_and_repeating_adds_nothing()
    {
        using var store = folder.Open();
        var id = NewRun(store);
        Metric[] metrics = [new("m", 2, 20, 0), new("m", 5, 10, 3), new("m", 1, 10, -3), new("m", 4, 10, 3), new("m", 8, 10, 9007199254740993)];

        store.LogBatch(id, metrics, [], []);
        store.LogBatch(id, metrics, [], []);

        Assert.Equal([metrics[2], metrics[3], metrics[1], metrics[4], metrics[0]], store.MetricHistory(id, "m"));
    }

    [Fact]
    public void A_param_is_written_once_and_a_bad_batch_writes_nothing()
    {
        using var store = folder.Open();
        var id = NewRun(store);
        store.LogBatch(id, [], [new("dim", "128")], []);
        store.LogBatch(id, [], [new("dim", "128")], []);

        var changed = Assert.Throws<UserException>(() => store.LogBatch(id, [new("m", 1, 0, 0)], [new("new", "x"), new("dim", "256")], [new("t", "x")]));
        Assert.Throws<UserException>(() => store.LogBatch(id, [new("good", 1, 0, 0), new("bad//key", 1, 0, 0)], [], []));

        Assert.Contains("'dim'", changed.Message, StringComparison.Ordinal);
        var run = store.GetRun(id);
        Assert.Equal(["dim"], run.Params.Keys);
        Assert.Empty(run.Metrics);
        Assert.DoesNotContain("t", run.Tags.Keys);
    }

    [Fact]
    public void Long_params_and_tags_are_cut_and_long_experiment_tags_refused()
    {
        using var store = folder.Open();
        var id = NewRun(store);
        store.LogBatch(id, [], [new("p", new string('v', 6001))], [new("t", new string('v', 8001))]);
        store.SetExperimentTag("1", "note", new string('v', 20_000));

        Assert.Equal(6000, store.GetRun(id).Params["p"].Length);
        Assert.Equal(8000, store.GetRun(id).Tags["t"].Length);
        Assert.Throws<UserException>(() => store.SetExperimentTag("1", "note", new string('v', 20_001)));
        Assert.Throws<UserException>(() => store.GetOrCreateExperiment(new string('e', 501)));
    }

    [Fact]
    public void A_data_set_used_twice_is_one_row_and_its_first_context_stays()
    {
        using var store = folder.Open();
        var (a, b) = (NewRun(store), NewRun(store));
        var data = new DatasetInput("fashion", "a1b2c3d4", "training", """{"uri":"x"}""", """{"num_rows":60000}""");

        store.LogInputs(a, [data]);
        store.LogInputs(a, [data with { Context = "eval" }]);
        store.LogInputs(b, [data with { Context = "eval" }]);

        Assert.Equal([data], store.GetRun(a).Inputs);
        Assert.Equal([data with { Context = "eval" }], store.GetRun(b).Inputs);
        Assert.Equal(["1"], folder.Rows("SELECT COUNT(*) FROM datasets"));
        Assert.Throws<UserException>(() => store.LogInputs(a, [data with { Digest = new string('a', 37) }]));
    }

    [Fact]
    public void Searching_finds_by_experiment_parent_and_tag_newest_first()
    {
        using var store = folder.Open();
        var (one, two) = (store.GetOrCreateExperiment("one"), store.GetOrCreateExperiment("two"));
        var parent = store.CreateRun(one, "parent", 1).RunId;
        var tags = new Dictionary<string, string> { ["mlflow.parentRunId"] = parent, ["hash"] = "x" };
        store.CreateRun(one, "first", 2, tags);
        store.CreateRun(one, "second", 3, new Dictionary<string, string>(tags) { ["hash"] = "y" });
        store.CreateRun(two, "foreign", 4);

        Assert.Equal(["foreign", "second", "first", "parent"], Names(new()));
        Assert.Equal(["second", "first", "parent"], Names(new() { ExperimentId = one }));
        Assert.Equal(["second", "first"], Names(new() { ParentRunId = parent }));
        Assert.Equal(["first"], Names(new() { ParentRunId = parent, Tags = new Dictionary<string, string> { ["hash"] = "x" } }));
        Assert.Equal(["foreign", "second"], Names(new() { MaxResults = 2 }));
        Assert.Throws<UserException>(() => Names(new() { MaxResults = 50_001 }));

        IEnumerable<string> Names(RunQuery query) => store.SearchRuns(query).Select(r => r.Info.Name);
    }

    [Fact]
    public void Deleted_experiments_and_runs_are_refused_with_the_mend()
    {
        using var store = folder.Open();
        var id = NewRun(store);
        folder.Execute("UPDATE runs SET lifecycle_stage = 'deleted'");

        var run = Assert.Throws<UserException>(() => store.LogBatch(id, [new("m", 1, 0, 0)], [], []));
        folder.Execute("UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = 1");
        var experiment = Assert.Throws<UserException>(() => store.GetOrCreateExperiment("test"));

        Assert.Contains("mlflow runs restore", run.Message, StringComparison.Ordinal);
        Assert.Contains("mlflow experiments restore", experiment.Message, StringComparison.Ordinal);
        Assert.Throws<UserException>(() => store.CreateRun("1", "x", 0));
        Assert.Throws<UserException>(() => store.GetRun("ffffffffffffffffffffffffffffffff"));
    }

    [Fact]
    public void An_artifact_is_stored_whole_and_replaced_whole()
    {
        using var store = folder.Open();
        var id = NewRun(store);

        store.UploadArtifact(id, "a/b.txt", new MemoryStream("first"u8.ToArray()));
        store.UploadArtifact(id, "a/b.txt", new MemoryStream("second"u8.ToArray()));

        using var content = new StreamReader(store.OpenArtifact(id, "a/b.txt"));
        Assert.Equal("second", content.ReadToEnd());
        Assert.Equal(["a/b.txt"], store.Artifacts(id).Select(a => a.Path));
        Assert.True(File.Exists(Path.Combine(folder.Path, "mlartifacts", "1", id, "artifacts", "a", "b.txt")));
        Assert.Throws<UserException>(() => store.OpenArtifact(id, "none"));
        Assert.Throws<UserException>(() => store.UploadArtifact(id, "images/README", new MemoryStream()));
    }

    private static string NewRun(SqliteStore store) => store.CreateRun(store.GetOrCreateExperiment("test"), "run", 1).RunId;
}
