namespace JepaT.Lab;

/// <summary>A run that this process has started or gone on with.</summary>
/// <param name="StoreUri">Tracking URI of its store, with the full path where it is a file.</param>
/// <param name="RunId">MLflow's id.</param>
/// <param name="Name">The run's name.</param>
/// <param name="ParentId">Id of the run that it is nested in, if it is.</param>
internal sealed record OpenedRun(string StoreUri, string RunId, string Name, string? ParentId);

/// <summary>
/// The runs that this process has started or gone on with, in order: so a notebook's runner finds those that the notebook made, also when
/// they are finished, and can log the executed notebook to them.
/// </summary>
internal static class OpenedRuns
{
    private static readonly Lock Gate = new();
    private static readonly List<OpenedRun> Runs = [];

    public static void Add(OpenedRun run)
    {
        lock (Gate) Runs.Add(run);
    }

    public static IReadOnlyList<OpenedRun> All()
    {
        lock (Gate) return [.. Runs];
    }
}
