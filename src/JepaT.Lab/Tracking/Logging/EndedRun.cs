namespace JepaT.Lab;

/// <summary>Values for a run that has ended already, which only a run that goes on takes: it goes on for a moment.</summary>
internal static class EndedRun
{
    /// <summary>Adds metrics and tags; the run has its old status and end afterwards, also when it does not take them.</summary>
    /// <exception cref="UserException">The store cannot be written, or refuses a value.</exception>
    public static void Add(ITrackingStore store, string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        var before = store.GetRun(runId).Info;
        if (before.Status is RunStatus.Running or RunStatus.Scheduled)          // someone is at work on it: its status is theirs
        {
            store.LogBatch(runId, metrics, [], tags);
            return;
        }
        store.UpdateRun(runId, RunStatus.Running, endTime: null);
        try
        {
            store.LogBatch(runId, metrics, [], tags);
        }
        finally
        {
            SetBack(store, before);
        }
    }

    private static void SetBack(ITrackingStore store, RunInfo before)
    {
        try
        {
            store.UpdateRun(before.RunId, before.Status, before.EndTime);
        }
        catch (UserException e)
        {
            throw new UserException($"run '{before.Name}' ({before.RunId}) now counts as RUNNING, it was {before.Status.ToString().ToUpperInvariant()}: {e.Message}", e);
        }
    }
}
