namespace JepaT.Lab;

/// <summary>The run that MLFLOW_RUN_ID names.</summary>
internal static class NamedRun
{
    /// <summary>Its id, seen to be there; null: none is named.</summary>
    /// <exception cref="UserException">It does not exist, is deleted, or that cannot be found out.</exception>
    public static string? Of(ITrackingStore store)
    {
        if (TrackingStores.RunId is not { } id) return null;
        return Guard(id, () => !store.GetRun(id).Info.Deleted ? id : throw new UserException($"it is deleted: restore it with `mlflow runs restore --run-id {id}`"));
    }

    /// <summary>Refuses, before anything is written, a run that has been trained already or has other params.</summary>
    /// <exception cref="UserException">It is such a run, or that cannot be found out.</exception>
    public static void RequireFits(ITrackingStore store, string id, IEnumerable<KeyValuePair<string, object?>> parameters) => Guard(id, () =>
    {
        var run = store.GetRun(id);
        // Its steps would be there twice.
        if (run.Metrics.Values.Where(m => m.Key.StartsWith("train/", StringComparison.Ordinal)).Select(m => (long?)m.Step).Max() is { } step)
            throw new UserException($"it has been trained for {step} steps already: go on with './lab train --resume {run.Tags.GetValueOrDefault("jepat.folder", "FOLDER")}'");
        foreach (var (key, value) in parameters)
        {
            var text = MlflowRules.Cut(ParamText.Of(value), MlflowRules.MaxParamValue);
            if (run.Params.TryGetValue(key, out var old) && old != text) throw SqliteStore.ParamChanged(id, key, old, text);
        }
        return id;
    });

    private static string Guard(string id, Func<string> use)
    {
        try
        {
            return use();
        }
        catch (UserException e)
        {
            throw new UserException($"MLFLOW_RUN_ID={id}: {e.Message}; name another run, or unset it", e);
        }
    }
}
