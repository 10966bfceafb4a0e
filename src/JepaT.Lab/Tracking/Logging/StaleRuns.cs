namespace JepaT.Lab;

/// <summary>Runs that a killed process has left RUNNING, which only another process can mark.</summary>
internal static class StaleRuns
{
    public const string Tag = "jepat.marked";

    /// <summary>
    /// Marks the runs of this machine that are RUNNING though their process has ended as KILLED, with their last sign of life as the end. Runs of other
    /// machines, and those whose last values still wait in a spool, are left alone. What the store refuses is told, not thrown.
    /// </summary>
    /// <returns>How many were marked.</returns>
    public static int Mark(ITrackingStore store, TextWriter output, TimeProvider? clock = null, string? spool = null)
    {
        if (store is SpooledStore { IsAway: true }) return 0;
        spool ??= (store as SpooledStore)?.Spool;
        var marked = 0;
        try
        {
            foreach (var run in Running(store))
            {
                if (!run.Tags.TryGetValue(RunProcess.ProcessTag, out var process) || !RunProcess.IsGone(process)) continue;
                if (spool is not null && Waits(spool, run.Info.RunId)) continue;
                var end = run.Metrics.Values.Select(m => m.Timestamp).Append(run.Info.StartTime).Max();
                var time = (clock ?? TimeProvider.System).GetUtcNow();
                store.LogBatch(run.Info.RunId, [], [], [KeyValuePair.Create(Tag, FormattableString.Invariant($"KILLED since its process was gone when another started, {time:yyyy-MM-dd HH:mm:ss}Z"))]);
                store.UpdateRun(run.Info.RunId, RunStatus.Killed, end);
                output.WriteLine($"run '{run.Info.Name}' ({run.Info.RunId}) was left RUNNING by a process that is gone: marked KILLED"
                    + (run.Tags.TryGetValue("jepat.folder", out var folder) && new RunFolder(folder).HasCheckpoint ? $"; './lab train --resume {folder}' goes on with it" : ""));
                marked++;
            }
        }
        catch (UserException e)
        {
            output.WriteLine($"warning: runs of killed processes are not marked: {e.Message}");
        }
        return marked;
    }

    private static bool Waits(string spool, string runId) => File.Exists(SpoolFile.PathOf(spool, runId))
        || SpoolFile.In(spool).Any(f => f.Head is { Create: not null } head && SpoolSender.Known(spool, head.RunId) == runId);

    private static IEnumerable<Run> Running(ITrackingStore store) => store.SearchRuns(new RunQuery
    {
        Tags = new Dictionary<string, string> { [RunProcess.MachineTag] = RunProcess.Machine },
        Filter = "attributes.status = 'RUNNING'",
        MaxResults = MlflowRules.MaxResults,
    });
}
