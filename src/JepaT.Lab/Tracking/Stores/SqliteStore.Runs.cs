using System.Globalization;
using Microsoft.Data.Sqlite;

namespace JepaT.Lab;

// Experiments and runs, their reading and searching.
public sealed partial class SqliteStore
{
    private const string RunColumns = "run_uuid, experiment_id, name, status, start_time, end_time, artifact_uri, lifecycle_stage";

    public string GetOrCreateExperiment(string name, IReadOnlyDictionary<string, string>? tags = null)
    {
        MlflowRules.CheckLength("experiment", "name", name, MlflowRules.MaxExperimentName, required: true);
        foreach (var (key, value) in tags ?? new Dictionary<string, string>()) CheckExperimentTag(key, value);
        return Write(() =>
        {
            // Not ON CONFLICT(name): after a server's upgrade the unique key is another one.
            var made = Execute("""
                INSERT OR IGNORE INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
                SELECT MAX(experiment_id) + 1, $1, 'mlflow-artifacts:/' || (MAX(experiment_id) + 1), 'active', $2, $2 FROM experiments
                """, name, Now());
            var (id, stage) = Query("SELECT experiment_id, lifecycle_stage FROM experiments WHERE name = $1 ORDER BY experiment_id",
                r => (r.GetInt64(0), r.GetString(1)), name)[0];
            if (stage != "active")
                throw new UserException($"the experiment '{name}' in {File} was deleted: restore it with `mlflow experiments restore -x {id}`, or choose another name");
            if (made > 0)
                foreach (var (key, value) in tags ?? new Dictionary<string, string>()) PutExperimentTag(id, key, value);
            return id.ToString(CultureInfo.InvariantCulture);
        });
    }

    public IReadOnlyList<ExperimentInfo> Experiments(RunStage view = RunStage.Active) => Guard(() =>
    {
        var tags = Query("SELECT experiment_id, key, value FROM experiment_tags ORDER BY key",
            r => (Id: r.GetInt64(0), Key: r.GetString(1), Value: r.IsDBNull(2) ? "" : r.GetString(2))).ToLookup(t => t.Id);
        return Query($"SELECT experiment_id, name, artifact_location, lifecycle_stage FROM experiments WHERE {Stage(view)} ORDER BY experiment_id", r => new ExperimentInfo(
            r.GetInt64(0).ToString(CultureInfo.InvariantCulture), r.GetString(1), r.IsDBNull(2) ? "" : r.GetString(2),
            tags[r.GetInt64(0)].ToDictionary(t => t.Key, t => t.Value), r.GetString(3) != "active"));
    });

    public void SetExperimentTag(string experimentId, string key, string value)
    {
        CheckExperimentTag(key, value);
        Write(() =>
        {
            Experiment(experimentId);
            PutExperimentTag(long.Parse(experimentId, CultureInfo.InvariantCulture), key, value);
        });
    }

    public RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags = null)
    {
        var all = new Dictionary<string, string>(tags ?? new Dictionary<string, string>());
        MlflowRules.CheckLength("run", "name", name, MlflowRules.MaxRunName, required: true);
        if (startTime < 0) throw new UserException($"run '{name}': the start time {startTime} is negative");
        if (all.TryGetValue("mlflow.runName", out var tagged) && tagged != name)
            throw new UserException($"run '{name}': the tag mlflow.runName says '{tagged}'; both must be the same");
        all["mlflow.runName"] = name;
        foreach (var (key, _) in all) MlflowRules.CheckKey("tag", key);
        var id = Guid.NewGuid().ToString("N");
        return Write(() =>
        {
            var uri = $"{Experiment(experimentId)}/{id}/artifacts";
            Execute("""
                INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time,
                    source_version, lifecycle_stage, artifact_uri, experiment_id, deleted_time)
                VALUES ($1, $2, 'UNKNOWN', '', '', $3, 'RUNNING', $4, NULL, '', 'active', $5, $6, NULL)
                """, id, name, all.GetValueOrDefault("mlflow.user", ""), startTime, uri, long.Parse(experimentId, CultureInfo.InvariantCulture));
            foreach (var (key, value) in all) PutTag(id, key, value);
            return new RunInfo(id, experimentId, name, RunStatus.Running, startTime, null, uri);
        });
    }

    public void UpdateRun(string runId, RunStatus status, long? endTime, string? name = null)
    {
        MlflowRules.CheckUpdate(runId, endTime, name);
        Write(() =>
        {
            RequireActive(runId);
            Execute("UPDATE runs SET status = $2, end_time = $3 WHERE run_uuid = $1", runId, status.ToString().ToUpperInvariant(), endTime);
            if (!string.IsNullOrEmpty(name)) PutTag(runId, "mlflow.runName", name);
        });
    }

    public void DeleteRun(string runId) => SetStage(runId, "deleted", Now());

    public void RestoreRun(string runId) => SetStage(runId, "active", null);

    private void SetStage(string runId, string stage, long? deleted) => Write(() =>
    {
        if (Execute("UPDATE runs SET lifecycle_stage = $2, deleted_time = $3 WHERE run_uuid = $1", runId, stage, deleted) == 0) throw NoRun(runId);
    });

    public Run GetRun(string runId) => Guard(() =>
    {
        var found = Query($"SELECT {RunColumns} FROM runs WHERE run_uuid = $1", Info, runId);
        return found.Count > 0 ? Fill(found[0]) : throw NoRun(runId);
    });

    public IReadOnlyList<Run> SearchRuns(RunQuery query)
    {
        if (query.MaxResults is < 1 or > MlflowRules.MaxResults)
            throw new UserException($"a search for {query.MaxResults} runs: 1 to {MlflowRules.MaxResults} are allowed");
        var (filter, order) = (RunFilter.Parse(query.Filter), RunOrder.Parse(query.OrderBy));
        var arguments = new List<object?> { query.ExperimentId, query.MaxResults };
        List<string> conditions = [Stage(query.Stage), "(experiment_id = CAST($1 AS INTEGER)"
            + " OR $1 IS NULL AND experiment_id IN (SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'active'))"];
        conditions.AddRange(query.AllTags.Select(tag => new FilterClause(new(FilterEntity.Tag, tag.Key), "=", tag.Value)).Concat(filter)
            .Select(clause => FilterSql.Condition(clause, Parameter)));
        var sql = $"SELECT {RunColumns} FROM runs WHERE {string.Join(" AND ", conditions)} ORDER BY {FilterSql.Order(order, Parameter)} LIMIT $2";
        return Guard(() =>
        {
            using var transaction = connection.BeginTransaction(deferred: true);     // one state for all the reading
            return Query(sql, Info, arguments.ToArray()).ConvertAll(Fill);
        });

        string Parameter(object value)
        {
            arguments.Add(value);
            return "$" + arguments.Count.ToString(CultureInfo.InvariantCulture);
        }
    }

    private static string Stage(RunStage view) => view switch
    {
        RunStage.Active => "lifecycle_stage = 'active'",
        RunStage.Deleted => "lifecycle_stage = 'deleted'",
        _ => "TRUE",
    };

    private static RunInfo Info(SqliteDataReader r) => new(
        r.GetString(0),
        r.GetInt64(1).ToString(CultureInfo.InvariantCulture),
        r.IsDBNull(2) ? "" : r.GetString(2),
        Enum.Parse<RunStatus>(r.GetString(3), ignoreCase: true),
        r.IsDBNull(4) ? 0 : r.GetInt64(4),
        r.IsDBNull(5) || r.GetInt64(5) == 0 ? null : r.GetInt64(5),         // the server stores a removed end as 0
        r.IsDBNull(6) ? "" : r.GetString(6),
        r.GetString(7) != "active");

    private Run Fill(RunInfo info) => new(
        info,
        Query("SELECT key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid = $1 ORDER BY key", ReadMetric, info.RunId).ToDictionary(m => m.Key),
        Query("SELECT key, value FROM params WHERE run_uuid = $1 ORDER BY key", Pair, info.RunId).ToDictionary(),
        Query("SELECT key, value FROM tags WHERE run_uuid = $1 ORDER BY key", Pair, info.RunId).ToDictionary(),
        ReadInputs(info.RunId));

    private static KeyValuePair<string, string> Pair(SqliteDataReader r) => new(r.GetString(0), r.IsDBNull(1) ? "" : r.GetString(1));

    private static void CheckExperimentTag(string key, string value)
    {
        MlflowRules.CheckKey("experiment tag", key);
        MlflowRules.CheckLength($"experiment tag '{key}'", "value", value, MlflowRules.MaxExperimentTagValue);
    }

    private void PutExperimentTag(long experimentId, string key, string value) => Execute("""
        INSERT INTO experiment_tags (key, value, experiment_id) VALUES ($1, $2, $3)
        ON CONFLICT (key, experiment_id) DO UPDATE SET value = excluded.value
        """, key, value, experimentId);

    /// <summary>The artifact location of an active experiment.</summary>
    private string Experiment(string experimentId)
    {
        var found = long.TryParse(experimentId, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? Query("SELECT artifact_location, lifecycle_stage FROM experiments WHERE experiment_id = $1", r => (r.GetString(0), r.GetString(1)), id) : [];
        if (found.Count == 0) throw new UserException($"there is no experiment {experimentId} in {File}");
        return found[0].Item2 == "active" ? found[0].Item1
            : throw new UserException($"the experiment {experimentId} in {File} was deleted: restore it with `mlflow experiments restore -x {experimentId}`");
    }

    private UserException NoRun(string runId) => new($"there is no run {runId} in {File}: `lab runs` lists those that are there");

    private RunInfo RequireActive(string runId)
    {
        var run = Query($"SELECT {RunColumns} FROM runs WHERE run_uuid = $1", Info, runId) is [var found] ? found : throw NoRun(runId);
        return !run.Deleted ? run
            : throw new UserException($"the run {runId} in {File} was deleted: restore it with `mlflow runs restore --run-id {runId}`");
    }
}
