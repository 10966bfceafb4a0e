using System.Globalization;
using Microsoft.Data.Sqlite;

namespace JepaT.Lab;

/// <summary>
/// MLflow's own SQLite database, written by us, with the artifacts in <c>mlartifacts/</c> beside it: <c>mlflow server</c> started
/// in that folder shows everything without an import. Made at revision acf3f17fdcc7, which every later server upgrades; it goes
/// on working after such an upgrade, also in mid run (all columns are named, conflicts are named by primary keys only, and
/// <c>alembic_version</c> is never touched). Tested against MLflow 3.17.2.
/// </summary>
/// <remarks>
/// Journal mode: SQLite's default, <c>delete</c>, which is also what MLflow makes. Measured with four processes that write 500
/// values twice a second each and are killed with SIGKILL: in either mode nothing committed was lost, the file was whole and the
/// longest transaction took 0.4 s. In WAL mode, however, a copy of mlflow.db alone then lacked up to a third of the values, and
/// users do copy that one file, before a server upgrades it for instance; and WAL does not work on network disks. A file that
/// is in WAL mode already stays so.
/// </remarks>
public sealed partial class SqliteStore : ITrackingStore
{
    /// <summary>How long a call waits for another program's lock before it gives up, by default.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromSeconds(20);

    private readonly Lock gate = new();
    private readonly SqliteConnection connection;
    private readonly TimeProvider clock;
    private readonly TimeSpan patience;

    private SqliteStore(string uri, string file, TimeProvider clock, TimeSpan patience)
    {
        (Uri, File, this.clock, this.patience) = (uri, file, clock, patience);
        connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = file,
            ForeignKeys = true,
            Pooling = false,            // a pooled connection would keep the file open after Dispose
            DefaultTimeout = Math.Max(1, (int)patience.TotalSeconds),
        }.ToString());
    }

    public string Uri { get; }

    public string FullUri => "sqlite:///" + File;

    /// <summary>Full path of the database.</summary>
    public string File { get; }

    /// <summary>Full path of the folder that holds the database and <c>mlartifacts/</c>.</summary>
    public string Folder => Path.GetDirectoryName(File)!;

    /// <summary>Opens a database, or makes it.</summary>
    /// <param name="uri"><c>sqlite:///mlflow.db</c> (from the current folder) or <c>sqlite:////full/path/mlflow.db</c>.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    /// <param name="readOnly">Refuse to make a database and do not ask whether it can be written.</param>
    /// <param name="patience">How long to wait for another program's lock; 20 s by default.</param>
    /// <exception cref="UserException">Not a store that can be used: the message names the file and the mend.</exception>
    public static SqliteStore Open(string uri, TimeProvider? clock = null, bool readOnly = false, TimeSpan? patience = null)
    {
        var file = FileOf(uri);
        if (Directory.Exists(file)) throw new UserException($"{file} is a folder: name a database file in it, e.g. {uri.TrimEnd('/')}/mlflow.db");
        if (readOnly && !System.IO.File.Exists(file)) throw new UserException($"there is no database {file}: train something first, or name the store where it is (--uri, or the address given to the call)");
        var store = new SqliteStore(uri, file, clock ?? TimeProvider.System, patience ?? DefaultPatience);
        try
        {
            if (!readOnly) store.MakeFolders();
            store.Prepare(readOnly);
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    public bool IsTransient(Exception error) => error is UserException { InnerException: SqliteException { SqliteErrorCode: Busy or Locked } };

    public void Dispose()
    {
        lock (gate) connection.Dispose();
    }

    internal static string FileOf(string uri)
    {
        const string scheme = "sqlite:///";
        if (!uri.StartsWith(scheme, StringComparison.OrdinalIgnoreCase))
            throw new UserException((uri.Contains("://", StringComparison.Ordinal) && !uri.StartsWith("file:", StringComparison.OrdinalIgnoreCase)) || uri is "databricks" or "databricks-uc"
                ? $"tracking URI {uri.Split("://")[0]}://… is not supported: use sqlite:///mlflow.db, or the http address of an MLflow server"
                : $"tracking URI {uri}: a folder of files (./mlruns) is no store since MLflow 3.13; use sqlite:///mlflow.db, and `mlflow migrate-filestore` for old runs");
        var path = uri[scheme.Length..];
        if (path.Length == 0 || path == ":memory:") throw new UserException($"tracking URI {uri} names no file: use sqlite:///mlflow.db");
        return Path.GetFullPath(path);
    }

    private void MakeFolders()
    {
        try
        {
            Directory.CreateDirectory(Folder);
            Directory.CreateDirectory(Path.Combine(Folder, "mlartifacts"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"cannot write into the folder {Folder} ({e.Message}): choose another one or mend its rights", e);
        }
    }

    private long Now() => clock.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>One short transaction that takes the write lock at its start, so that it never has to upgrade a read lock.</summary>
    private T Write<T>(Func<T> body) => Guard(() =>
    {
        using var transaction = connection.BeginTransaction(deferred: false);
        var result = body();
        transaction.Commit();
        return result;
    });

    private void Write(Action body) => Write(() => { body(); return 0; });

    private T Guard<T>(Func<T> body)
    {
        lock (gate)
        {
            try
            {
                return body();
            }
            catch (SqliteException e)
            {
                throw Explain(e);
            }
        }
    }

    private SqliteCommand Command(string sql, params ReadOnlySpan<object?> arguments)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        for (var i = 0; i < arguments.Length; i++) command.Parameters.AddWithValue("$" + (i + 1).ToString(CultureInfo.InvariantCulture), arguments[i] ?? DBNull.Value);
        return command;
    }

    private int Execute(string sql, params ReadOnlySpan<object?> arguments)
    {
        using var command = Command(sql, arguments);
        return command.ExecuteNonQuery();
    }

    private object? Scalar(string sql, params ReadOnlySpan<object?> arguments)
    {
        using var command = Command(sql, arguments);
        return command.ExecuteScalar() is { } value and not DBNull ? value : null;
    }

    private List<T> Query<T>(string sql, Func<SqliteDataReader, T> row, params ReadOnlySpan<object?> arguments)
    {
        using var command = Command(sql, arguments);
        using var reader = command.ExecuteReader();
        var rows = new List<T>();
        while (reader.Read()) rows.Add(row(reader));
        return rows;
    }
}
