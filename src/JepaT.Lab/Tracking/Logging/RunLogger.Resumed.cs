namespace JepaT.Lab;

// What a run had when it was resumed: steps that are trained again are not logged again.
public sealed partial class RunLogger
{
    private readonly Dictionary<string, long> lastSteps = [];       // of each metric
    private HashSet<string>? pictures;                              // up to their step

    /// <summary>Whether the run had a value of this metric for this step when it was resumed.</summary>
    internal bool HadMetric(string key, long step) => lastSteps.TryGetValue(key, out var last) && step <= last;

    /// <summary>Whether the run had this picture of this step when it was resumed; false where that cannot be found out.</summary>
    internal bool HadImage(string key, long step)
    {
        if (lastSteps.Count == 0 || step > lastSteps.Values.Max()) return false;
        pictures ??= [.. Files().Where(p => p.StartsWith("images/", StringComparison.Ordinal) && p.EndsWith(".png", StringComparison.Ordinal)
            && !p.EndsWith(TwinEnd, StringComparison.Ordinal)).Select(p => p.Split("+timestamp+")[0])];
        return pictures.Contains(ImageName(key, step));
    }

    private List<string> Files()
    {
        List<string> files = [.. (store as SpooledStore)?.WaitingFiles(id) ?? []];
        if (store is SpooledStore { IsAway: true }) return files;
        try
        {
            files.AddRange(store.Artifacts(id).Select(a => a.Path));
        }
        catch (UserException) { }           // a picture twice is better than none
        return files;
    }
}
