namespace JepaT.Lab;

/// <summary>Runs as people name them: by id, by the beginning of an id, by name.</summary>
internal static class RunLookup
{
    private const int IdLength = 32, ShortestPrefix = 4, MostCandidates = 10;

    /// <summary>The named runs in the order given; one that is named twice comes once.</summary>
    /// <exception cref="UserException">A name is unknown, or means several runs.</exception>
    public static RunSet Find(ITrackingStore store, IEnumerable<string> names, string? experiment) =>
        new([.. names.Select(n => Find(store, n, experiment)).DistinctBy(r => r.Id)]);

    /// <summary>The run of this name.</summary>
    /// <param name="store">The store, which stays open.</param>
    /// <param name="name">An id (deleted runs too), the beginning of one with four hex digits or more, or a name.</param>
    /// <param name="experiment">Name of the experiment to look in; null: all.</param>
    /// <exception cref="UserException">There is none, or several.</exception>
    public static LoggedRun Find(ITrackingStore store, string name, string? experiment)
    {
        if (name.Length == 0) throw new UserException("the name of a run is empty: give its id, the beginning of it, or its name");
        if (name.Length == IdLength && IsHex(name)) return ById(store, name.ToLowerInvariant());
        // The store is asked for few; what comes back is looked at again, since case and wildcards are the store's own.
        var prefix = name.Length is >= ShortestPrefix and < IdLength && IsHex(name) ? name.ToLowerInvariant() : null;
        var found = Named(store, name, experiment).Where(r => r.Name == name)
            .Concat(prefix is null ? [] : Search(store, $"attributes.run_id LIKE '{prefix}%'", experiment).Where(r => r.Id.StartsWith(prefix, StringComparison.Ordinal)))
            .DistinctBy(r => r.Id).ToList();
        return found switch
        {
            [var one] => one,
            [] => throw new UserException($"there is no run '{PlainText.Line(name)}' in {store.Uri}{(experiment is null ? "" : $", experiment '{PlainText.Line(experiment)}'")}: ./lab runs list shows those that are there"),
            _ => throw new UserException($"'{PlainText.Line(name)}' means {found.Count} runs: {string.Join(", ", found.Take(MostCandidates).Select(Candidate))}{(found.Count > MostCandidates ? ", …" : "")}; name one by its id"),
        };
    }

    private static LoggedRun ById(ITrackingStore store, string id)
    {
        var run = store.GetRun(id);
        return new(store, run, store.Experiments(RunStage.All).FirstOrDefault(e => e.Id == run.Info.ExperimentId)?.Name ?? run.Info.ExperimentId);
    }

    // A text of MLflow's language cannot hold both kinds of quotes.
    private static RunSet Named(ITrackingStore store, string name, string? experiment)
    {
        var quote = !name.Contains('\'', StringComparison.Ordinal) ? "'" : !name.Contains('"', StringComparison.Ordinal) ? "\"" : null;
        return Search(store, quote is null || name.Any(char.IsControl) ? null : $"attributes.run_name = {quote}{name}{quote}", experiment);
    }

    private static RunSet Search(ITrackingStore store, string? filter, string? experiment) => RunSet.Read(store, experiment, filter: filter);

    private static string Candidate(LoggedRun run) =>
        $"{run.ShortId} ({PlainText.Line(run.Name)} of {PlainText.Line(run.Experiment)}, {PlainText.Time(run.Run.Info.StartTime)})";

    private static bool IsHex(string text) => text.All(char.IsAsciiHexDigit);
}
