namespace JepaT.Lab;

/// <summary>The run that MLFLOW_RUN_ID names.</summary>
internal static class NamedRun
{
    /// <summary>Its id, seen to be there; null: none is named.</summary>
    /// <exception cref="UserException">It does not exist, is deleted, or that cannot be found out.</exception>
    public static string? Of(ITrackingStore store)
    {
        if (TrackingStores.RunId is not { } id) return null;
        try
        {
            return !store.GetRun(id).Info.Deleted ? id : throw new UserException($"it is deleted: restore it with `mlflow runs restore --run-id {id}`");
        }
        catch (UserException e)
        {
            throw new UserException($"MLFLOW_RUN_ID={id}: {e.Message}; name another run, or unset it", e);
        }
    }
}
