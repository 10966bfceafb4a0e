using Microsoft.Data.Sqlite;

namespace JepaT.Lab;

// Making a database, judging one that is there, and saying what is wrong with it.
public sealed partial class SqliteStore
{
    private const int Busy = 5, Locked = 6;

    // What we write, per table. Another program's database serves when it has all this and asks for nothing else.
    private static readonly Dictionary<string, string[]> Written = new()
    {
        ["experiments"] = ["experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time"],
        ["experiment_tags"] = ["key", "value", "experiment_id"],
        ["runs"] = ["run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
            "source_version", "lifecycle_stage", "artifact_uri", "experiment_id", "deleted_time"],
        ["tags"] = ["key", "value", "run_uuid"],
        ["params"] = ["key", "value", "run_uuid"],
        ["metrics"] = ["key", "value", "timestamp", "run_uuid", "step", "is_nan"],
        ["latest_metrics"] = ["key", "value", "timestamp", "step", "is_nan", "run_uuid"],
        ["datasets"] = ["dataset_uuid", "experiment_id", "name", "digest", "dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile"],
        ["inputs"] = ["input_uuid", "source_type", "source_id", "destination_type", "destination_id"],
        ["input_tags"] = ["input_uuid", "name", "value"],
    };

    private void Prepare(bool readOnly)
    {
        Guard(() =>
        {
            connection.Open();
            // SQLite's own waiting looks more often than the library's fixed pauses do.
            // LIKE as MLflow's server has it: case-sensitive.
            return Execute($"PRAGMA busy_timeout = {(long)patience.TotalMilliseconds}; PRAGMA case_sensitive_like = ON");
        });
        if (readOnly) Guard(() => { Judge(); return 0; });
        else
            // One write tells now, not after the first hour, whether the file can be written (SQLite grants the write lock of a
            // read-only file too). Two programs that make one file at the same time are kept apart by the transaction.
            Write(() =>
            {
                if (Tables().Count == 0) Create();
                Judge();
                Execute("UPDATE experiments SET name = name WHERE experiment_id = (SELECT MIN(experiment_id) FROM experiments)");
            });
    }

    private void Create()
    {
        using var resource = typeof(SqliteStore).Assembly.GetManifestResourceStream("schema-acf3f17fdcc7.sql")!;
        Execute(new StreamReader(resource).ReadToEnd());
        Execute("""
            INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time)
            VALUES (0, 'Default', 'mlflow-artifacts:/0', 'active', $1, $1)
            """, Now());
    }

    private HashSet<string> Tables() => [.. Query("SELECT name FROM sqlite_master WHERE type = 'table'", r => r.GetString(0))];

    private void Judge()
    {
        var tables = Tables();
        if (!tables.Contains("alembic_version") || !tables.Contains("experiments") || !tables.Contains("runs"))
            throw new UserException($"{File} is a database of another program, not MLflow's: name another file in the tracking URI");
        foreach (var (table, columns) in Written)
        {
            var found = Query($"SELECT name, \"notnull\" = 1 AND dflt_value IS NULL AND pk = 0 FROM pragma_table_info('{table}')",
                r => (Name: r.GetString(0), Required: r.GetBoolean(1)));
            var missing = columns.Except(found.Select(c => c.Name)).FirstOrDefault();
            if (missing is not null)
                throw new UserException($"{File} lacks the column {table}.{missing}: if it is older than MLflow 2.8, run `mlflow db upgrade {Uri}` in its folder; if it is newer, use a newer JepaT or another file");
            var foreign = found.FirstOrDefault(c => c.Required && !columns.Contains(c.Name)).Name;
            if (foreign is not null)
                throw new UserException($"{File} is newer than this program knows (revision {Revision()}; it wants {table}.{foreign}): use a newer JepaT or another file");
        }
    }

    /// <summary>Lets the file grow to so many pages only, for tests of a full disk.</summary>
    internal void LimitPages(long pages) => Guard(() => Execute($"PRAGMA max_page_count = {pages}"));

    private object? Revision() => Scalar("SELECT version_num FROM alembic_version");

    private UserException Explain(SqliteException e) => new(e.SqliteErrorCode switch
    {
        Busy or Locked => $"{File} is locked by another program for more than {patience.TotalSeconds:0.#} s: let it end, or close it, then try again",
        8 => $"{File} is read-only: mend its rights or those of its folder, or name another file in the tracking URI",
        3 or 14 or 23 => $"{File} cannot be opened: mend the rights of the file and its folder, or name another file in the tracking URI",
        10 => $"{File} cannot be read or written ({e.Message}): check the disk it is on",
        11 => $"{File} is damaged ({e.Message}): restore a copy, or name another file in the tracking URI",
        13 => $"{File}: the disk is full: free some space",
        26 => $"{File} is not an SQLite database: name another file in the tracking URI",
        _ => $"{File}: {e.Message}",
    }, e);
}
