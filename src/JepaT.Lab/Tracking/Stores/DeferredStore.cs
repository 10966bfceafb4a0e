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

    /// <summary>The store.</summary>
    /// <exception cref="UserException">It cannot be made.</exception>
    public ITrackingStore Value => store.Value;

    public void Dispose()
    {
        if (store.IsValueCreated) store.Value.Dispose();
    }
}
