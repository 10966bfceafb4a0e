using Microsoft.Data.Sqlite;

namespace JepaT.Lab;

// Metrics, params, tags and data sets.
public sealed partial class SqliteStore
{
    public void LogBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        MlflowRules.CheckBatch(metrics, parameters, tags);
        Write(() =>
        {
            var run = RequireActive(runId);
            if (metrics.Count > 0) MlflowRules.CheckNotEnded(run);
            foreach (var (key, value) in parameters) PutParam(runId, key, MlflowRules.Cut(value, MlflowRules.MaxParamValue));
            PutMetrics(runId, metrics);
            foreach (var (key, value) in tags) PutTag(runId, key, value);
        });
    }

    public void DeleteTag(string runId, string key) => Write(() =>
    {
        RequireActive(runId);
        if (Execute("DELETE FROM tags WHERE run_uuid = $1 AND key = $2", runId, key) == 0) throw new UserException($"the run {runId} has no tag '{key}'");
    });

    public void LogInputs(string runId, IReadOnlyCollection<DatasetInput> datasets)
    {
        foreach (var dataset in datasets) MlflowRules.CheckDataset(dataset);
        Write(() =>
        {
            RequireActive(runId);
            var experiment = (long)Scalar("SELECT experiment_id FROM runs WHERE run_uuid = $1", runId)!;
            foreach (var dataset in datasets) PutInput(runId, experiment, dataset);
        });
    }

    public IReadOnlyList<Metric> MetricHistory(string runId, string key) => Guard(() => Query(
        "SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = $1 AND key = $2 ORDER BY timestamp, step, value", ReadMetric, runId, key));

    private static Metric ReadMetric(SqliteDataReader r) =>
        new(r.GetString(0), r.GetBoolean(4) ? double.NaN : r.GetDouble(1), r.IsDBNull(2) ? 0 : r.GetInt64(2), r.GetInt64(3));

    private void PutMetrics(string runId, IReadOnlyCollection<Metric> metrics)
    {
        // One prepared statement each for up to 1000 values. The same value again is ignored; the latest is the greatest by
        // (step, timestamp, value), and without its row MLflow shows no such metric.
        using var all = Command("INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ($1, $2, $3, $4, $5, $6)",
            "", 0.0, 0L, runId, 0L, 0L);
        using var latest = Command("""
            INSERT INTO latest_metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (key, run_uuid) DO UPDATE
            SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
            WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
            """, "", 0.0, 0L, runId, 0L, 0L);
        foreach (var metric in metrics)
        {
            var (value, isNaN) = MlflowRules.Stored(metric.Value);
            foreach (var command in (ReadOnlySpan<SqliteCommand>)[all, latest])
            {
                command.Parameters[0].Value = metric.Key;
                command.Parameters[1].Value = value;
                command.Parameters[2].Value = metric.Timestamp;
                command.Parameters[4].Value = metric.Step;
                command.Parameters[5].Value = isNaN ? 1L : 0L;
                command.ExecuteNonQuery();
            }
        }
    }

    private void PutParam(string runId, string key, string value)
    {
        if (Execute("INSERT OR IGNORE INTO params (key, value, run_uuid) VALUES ($1, $2, $3)", key, value, runId) > 0) return;
        var old = (string?)Scalar("SELECT value FROM params WHERE key = $1 AND run_uuid = $2", key, runId);
        if (old != value) throw ParamChanged(runId, key, old, value);
    }

    internal static UserException ParamChanged(string runId, string key, string? old, string value) =>
        new($"param '{key}' of run {runId} is '{Short(old ?? "")}' and cannot become '{Short(value)}': a param is written once, start a new run");

    private static string Short(string text) => text.Length > 60 ? text[..60] + "…" : text;

    private void PutTag(string runId, string key, string value)
    {
        if (key == "mlflow.runName")        // name and tag are one thing in MLflow; an empty name is ignored
        {
            if (value.Length == 0) return;
            Execute("UPDATE runs SET name = $2 WHERE run_uuid = $1", runId, MlflowRules.Cut(value, MlflowRules.MaxTagValue));
        }
        Execute("""
            INSERT INTO tags (key, value, run_uuid) VALUES ($1, $2, $3)
            ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value
            """, key, MlflowRules.Cut(value, MlflowRules.MaxTagValue), runId);
    }

    private void PutInput(string runId, long experiment, DatasetInput d)
    {
        Execute("""
            INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
            """, Guid.NewGuid().ToString("N"), experiment, d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile);
        var dataset = (string)Scalar("SELECT dataset_uuid FROM datasets WHERE experiment_id = $1 AND name = $2 AND digest = $3", experiment, d.Name, d.Digest)!;
        var input = Guid.NewGuid().ToString("N");
        var made = Execute("""
            INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
            VALUES ($1, 'DATASET', $2, 'RUN', $3)
            """, input, dataset, runId);
        if (made > 0) Execute("INSERT INTO input_tags (input_uuid, name, value) VALUES ($1, 'mlflow.data.context', $2)", input, d.Context);
    }

    private List<DatasetInput> ReadInputs(string runId) => Query("""
        SELECT d.name, d.digest, COALESCE(t.value, ''), d.dataset_source, d.dataset_profile, d.dataset_schema, d.dataset_source_type
        FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
        LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'
        WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = $1 ORDER BY d.name, d.digest
        """, r => new DatasetInput(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3),
            r.IsDBNull(4) ? null : r.GetString(4), r.IsDBNull(5) ? null : r.GetString(5), r.GetString(6)), runId);
}
