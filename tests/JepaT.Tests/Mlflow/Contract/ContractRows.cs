namespace JepaT.Tests;

/// <summary>The rows of MLflow's core tables, with the start of the run (which the scripts make unique) in place of its id. An end that was taken away is 0 or null.</summary>
internal static class ContractRows
{
    private static readonly string[] Queries =
    [
        "SELECT 'experiment', experiment_id, name, artifact_location, lifecycle_stage FROM experiments ORDER BY experiment_id",
        "SELECT 'experiment tag', experiment_id, key, value FROM experiment_tags ORDER BY 2, 3",
        """
        SELECT 'run', start_time, name, source_type, source_name, entry_point_name, status, NULLIF(end_time, 0), source_version, lifecycle_stage,
            REPLACE(artifact_uri, run_uuid, 'ID'), experiment_id, deleted_time IS NULL FROM runs ORDER BY start_time
        """,
        """
        SELECT 'tag', start_time, key, CASE key WHEN 'mlflow.parentRunId' THEN (SELECT p.start_time FROM runs p WHERE p.run_uuid = value) ELSE value END
        FROM tags JOIN runs USING (run_uuid) WHERE key NOT LIKE '%.create_id' ORDER BY 2, 3
        """,
        "SELECT 'param', start_time, key, value FROM params JOIN runs USING (run_uuid) ORDER BY 2, 3",
        "SELECT 'metric', start_time, key, timestamp, step, value, is_nan FROM metrics JOIN runs USING (run_uuid) ORDER BY 2, 3, 4, 5, 6, 7",
        "SELECT 'latest', start_time, key, timestamp, step, value, is_nan FROM latest_metrics JOIN runs USING (run_uuid) ORDER BY 2, 3",
        "SELECT 'data set', experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, dataset_profile FROM datasets ORDER BY 2, 3, 4",
        """
        SELECT 'input', start_time, d.name, d.digest, i.source_type, i.destination_type, t.name, t.value FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
        JOIN runs ON run_uuid = i.destination_id LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid ORDER BY 2, 3, 4, 7
        """,
    ];

    public static List<string> Of(TrackingFolder folder) => [.. Queries.SelectMany(folder.Rows)];
}
