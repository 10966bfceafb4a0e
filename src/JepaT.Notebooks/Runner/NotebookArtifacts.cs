namespace JepaT.Notebooks;

/// <summary>Logs the executed notebook to the MLflow runs that it made, so that each run carries what made it.</summary>
internal static class NotebookArtifacts
{
    /// <summary>
    /// Uploads a file as <c>notebooks/NAME</c> to each of the runs, once; children are left out where their parent is among them. Gives
    /// a line for each, also where it could not be done: the notebook has run all the same.
    /// </summary>
    public static IEnumerable<string> Log(string file, string name, IEnumerable<OpenedRun> runs)
    {
        var all = runs.DistinctBy(r => (r.StoreUri, r.RunId)).ToList();
        var ids = all.Select(r => r.RunId).ToHashSet();
        foreach (var run in all.Where(r => r.ParentId is null || !ids.Contains(r.ParentId))) yield return Log(file, name, run);
    }

    private static string Log(string file, string name, OpenedRun run)
    {
        try
        {
            using var store = TrackingStores.Open(run.StoreUri, readOnly: true);    // read only: makes no database anew where one was deleted
            using var content = File.OpenRead(file);
            store.UploadArtifact(run.RunId, $"notebooks/{name}", content);
            return $"logged to run '{run.Name}' ({run.RunId[..8]}) as notebooks/{name}";
        }
        catch (UserException e)
        {
            return $"warning: the notebook could not be logged to run '{run.Name}': {e.Message}";
        }
    }
}
