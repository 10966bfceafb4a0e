namespace JepaT.Lab;

/// <summary>
/// A tracking store that is made when the first run starts, so that a start that fails before leaves no empty database. One that is there
/// already is opened at once: what is wrong with it is told before anything is computed.
/// </summary>
internal sealed class DeferredStore : IDisposable
{
    private readonly Lazy<ITrackingStore> store;

    /// <param name="uri">The tracking URI; null: see <see cref="TrackingStores.UriOf"/>.</param>
    /// <exception cref="UserException">It cannot be used: the message says why.</exception>
    public DeferredStore(string? uri)
    {
        store = new(() => TrackingStores.OpenToLog(uri));
        if (TrackingStores.IsThere(uri)) _ = store.Value;
    }

    /// <summary>The store to go on in with a run's folder: the one given, else that of the run which the folder holds, else as ever.</summary>
    /// <exception cref="UserException">The folder's run has no store any more; or it cannot be used.</exception>
    public static DeferredStore ToGoOn(RunFolder folder, string? given)
    {
        var uri = UriOf(folder, given);
        if (folder.RunId is { } run && !TrackingStores.IsThere(uri))
            throw new UserException($"{folder.Path}: is of run {run}, but there is no store {TrackingStores.UriOf(uri)}: name the one that has the run with --tracking, or remove {folder.Of("mlflow-run")} to start another");
        return new(uri);
    }

    /// <summary>The store given, else that of the run which the folder holds, where it is there; null: as ever.</summary>
    public static string? UriOf(RunFolder folder, string? given) => given ?? (folder.RunId is not null && folder.Store is { } noted && TrackingStores.IsThere(noted)
        // The address in a folder has no login; that of the environment may have one.
        && !TrackingStores.IsSame(TrackingStores.UriOf(null), noted) ? noted : null);

    /// <summary>The store.</summary>
    /// <exception cref="UserException">It cannot be made.</exception>
    public ITrackingStore Value => store.Value;

    public void Dispose()
    {
        if (store.IsValueCreated) store.Value.Dispose();
    }
}
