namespace JepaT.Lab;

/// <summary>Which backend a tracking URI means: the one place that knows.</summary>
public static class TrackingStores
{
    /// <summary>The store where none is named and MLFLOW_TRACKING_URI is not set.</summary>
    public const string DefaultUri = "sqlite:///mlflow.db";

    /// <summary>The URI given, else that of MLFLOW_TRACKING_URI, else <paramref name="otherwise"/>.</summary>
    public static string UriOf(string? given, string otherwise = DefaultUri) => given ?? (Environment.GetEnvironmentVariable("MLFLOW_TRACKING_URI") is { Length: > 0 } uri ? uri : otherwise);

    /// <summary>Opens <c>sqlite:///FILE</c> (made when it is not there) or the server at <c>http(s)://…</c>.</summary>
    /// <param name="uri">The tracking URI; null: see <see cref="UriOf"/>.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    /// <param name="readOnly">Make no database, and do not ask whether it can be written.</param>
    /// <exception cref="UserException">It cannot be used: the message says why.</exception>
    public static ITrackingStore Open(string? uri, TimeProvider? clock = null, bool readOnly = false)
    {
        var named = UriOf(uri);
        return IsServer(named) ? RestStore.Open(named, clock) : SqliteStore.Open(named, clock, readOnly);
    }

    /// <summary>Whether opening makes nothing: a server, or a database that is there.</summary>
    /// <exception cref="UserException">The URI names no store.</exception>
    internal static bool IsThere(string? uri) => UriOf(uri) is var named && (IsServer(named) || File.Exists(SqliteStore.FileOf(named)));

    /// <summary>
    /// Opens a store for a command that logs runs and must not wait: a server may be away, see <see cref="SpooledStore"/>. Runs that
    /// killed processes of this machine have left RUNNING are marked, see <see cref="StaleRuns"/>.
    /// </summary>
    /// <param name="uri">As for <see cref="Open"/>.</param>
    /// <exception cref="UserException">It cannot be used: the message says why.</exception>
    public static ITrackingStore OpenToLog(string? uri)
    {
        var named = UriOf(uri);
        ITrackingStore store = IsServer(named) ? SpooledStore.Open(named) : SqliteStore.Open(named);
        StaleRuns.Mark(store, Console.Error);
        return store;
    }

    /// <summary>The experiment that MLFLOW_EXPERIMENT_NAME names, else the given.</summary>
    public static string ExperimentOf(string given) => Environment.GetEnvironmentVariable("MLFLOW_EXPERIMENT_NAME") is { Length: > 0 } name ? name : given;

    /// <summary>The run that MLFLOW_RUN_ID names, which is gone on with; null: none.</summary>
    public static string? RunId => Environment.GetEnvironmentVariable("MLFLOW_RUN_ID") is { Length: > 0 } id ? id : null;

    /// <summary>Whether two addresses are of one server, whatever login is in them.</summary>
    internal static bool IsSame(string one, string other) => IsServer(one) && IsServer(other) && System.Uri.TryCreate(one, UriKind.Absolute, out var a)
        && System.Uri.TryCreate(other, UriKind.Absolute, out var b) && (a.Scheme, a.Host, a.Port, a.AbsolutePath.TrimEnd('/')) == (b.Scheme, b.Host, b.Port, b.AbsolutePath.TrimEnd('/'));

    private static bool IsServer(string uri) => uri.StartsWith("http:", StringComparison.OrdinalIgnoreCase) || uri.StartsWith("https:", StringComparison.OrdinalIgnoreCase);
}
