namespace JepaT.Lab;

// What there is at both ends, and what follows from it.
public sealed partial class StoreCopy
{
    /// <summary>About the size of a value on its way, to weigh values against files.</summary>
    internal const int BytesOfValue = 100;

    /// <summary>Reads both stores and tells what a copy would do; writes nothing.</summary>
    /// <param name="progress">Told of the runs looked at and how many there are; may be null.</param>
    /// <exception cref="UserException">An experiment is unknown or deleted at the target, or the run is unknown.</exception>
    public CopyPlan Plan(Action<int, int>? progress = null)
    {
        var plan = new CopyPlan();
        var experiments = source.Experiments().Where(e => options.Experiment is null || e.Name == options.Experiment).ToList();
        if (experiments.Count == 0 && options.Experiment is not null)
            throw new UserException($"there is no experiment '{options.Experiment}' in {source.Uri}: there are {string.Join(", ", source.Experiments().Select(e => $"'{e.Name}'"))}");
        var runs = Nested(Chosen([.. experiments.SelectMany(e => All(source, e.Id, RunStage.Active))]));
        plan.Experiments.AddRange(experiments.Where(e => options.Run is null || runs.Any(r => r.Info.ExperimentId == e.Id)));
        var (there, taken) = (Index(), (target?.Experiments(RunStage.All) ?? []).DistinctBy(e => e.Name).ToDictionary(e => e.Name));
        foreach (var e in plan.Experiments)
            if (!taken.TryGetValue(e.Name, out var found)) plan.Report.Experiments++;
            else if (found.Deleted)
                throw new UserException($"the experiment '{e.Name}' was deleted at {target!.Uri}: restore it with `mlflow experiments restore -x {found.Id}`, or leave it out with --experiment");

        var roots = runs.ToDictionary(r => r.Info.RunId, CopyTags.RootOf);
        foreach (var (id, root) in roots)
            if (there.TryGetValue(root, out var run)) plan.Ids[id] = run.Info.RunId;
        var thereRoots = there.ToDictionary(r => r.Value.Info.RunId, r => r.Key);
        for (var i = 0; i < runs.Count; i++)
        {
            cancel.ThrowIfCancellationRequested();
            progress?.Invoke(i, runs.Count);
            try
            {
                Add(plan, runs[i], there.GetValueOrDefault(roots[runs[i].Info.RunId]), roots, thereRoots);
            }
            catch (UserException e) when (!IsTransient(e))
            {
                plan.Report.Add(runs[i], e.Message);
            }
        }
        progress?.Invoke(runs.Count, runs.Count);
        return plan;
    }

    private void Add(CopyPlan plan, Run run, Run? there, Dictionary<string, string> roots, Dictionary<string, string> thereRoots)
    {
        if (there?.Info.Deleted == true)
        {
            plan.Report.Trashed++;
            return;
        }
        var (root, hash, mark) = (roots[run.Info.RunId], CopyTags.ValuesHash(run, roots), CopyMark.Of(there));
        var back = there?.Info.RunId == root;
        var overwrite = !back && (run.Info.RunId == root || !mark.Whole || (Ended(run.Info) && !Ended(there!.Info)));
        var same = back ? CopyTags.ValuesHash(there!, thereRoots) == hash : mark.Values == hash;
        var values = !same || (!back && (!mark.Whole || !ParentIsRight(plan, run, there!, roots)));

        var all = options.Artifacts ? source.Artifacts(run.Info.RunId) : [];
        var filesHash = options.Artifacts ? CopyTags.FilesHash(all) : values && !same ? "-" : mark.Files;
        IReadOnlyList<ArtifactInfo> files = !back && mark.Whole && same && mark.Files == filesHash ? [] : FilesToCopy(all, there, same, overwrite);
        var refused = new List<string>();
        foreach (var file in files)
            if (Refusal(file.Path) is { } why) refused.Add(why);
        if (refused.Count > 0) files = [.. files.Where(f => Refusal(f.Path) is null)];

        if (there is not null && !values && files.Count == 0 && refused.Count == 0 && (back || mark.Files == filesHash))
        {
            plan.Report.Unchanged++;
            return;
        }
        var points = values ? run.Metrics.Keys.Sum(key => (long)Missing(run, key, there).Count) : 0;
        if (there is not null && !overwrite && points == 0 && files.Count == 0 && refused.Count == 0 && (back || ParentIsRight(plan, run, there, roots))
            && !LacksWords(run, there, roots, thereRoots)) plan.Report.Unchanged++;
        else
        {
            if (there is null) plan.Report.Created++;
            else plan.Report.ToppedUp++;
            plan.Report.Values += points;
            plan.Report.Files += files.Count;
            plan.Report.Bytes += files.Sum(f => f.Size);
            plan.Steps.Add(new(run, root, there, overwrite, new(refused.Count == 0, hash, filesHash), values, files));
        }
        foreach (var why in refused) plan.Report.Add(run, why);
    }

    // While the run goes on, a file of the same size may be another one (a checkpoint); where nothing of the run has changed it is not.
    private IReadOnlyList<ArtifactInfo> FilesToCopy(IReadOnlyList<ArtifactInfo> all, Run? there, bool same, bool overwrite)
    {
        if (there is null || all.Count == 0) return all;
        var have = target!.Artifacts(there.Info.RunId).ToDictionary(f => f.Path, f => f.Size);
        return [.. all.Where(f => !have.TryGetValue(f.Path, out var size) || (overwrite && (!same || size != f.Size)))];
    }

    private static string? Refusal(string path)
    {
        try
        {
            MlflowRules.CheckArtifactPath(path);
            return null;
        }
        catch (UserException e)
        {
            return e.Message;
        }
    }

    /// <summary>Whether a run nested at the source is nested in the same one at the target: the parent may have come later.</summary>
    private static bool ParentIsRight(CopyPlan plan, Run run, Run there, Dictionary<string, string> roots)
    {
        if (run.Tags.GetValueOrDefault("mlflow.parentRunId") is not { } parent || !roots.ContainsKey(parent)) return true;
        return there.Tags.GetValueOrDefault("mlflow.parentRunId") == plan.Ids.GetValueOrDefault(parent);
    }

    private static bool LacksWords(Run run, Run there, Dictionary<string, string> roots, Dictionary<string, string> thereRoots)
    {
        var tags = CopyTags.Of(there, thereRoots).Select(t => t.Key).ToHashSet();
        return run.Params.Any(p => there.Params.GetValueOrDefault(p.Key) != p.Value) || CopyTags.Of(run, roots).Any(t => !tags.Contains(t.Key))
            || run.Inputs.Any(d => !there.Inputs.Any(o => (o.Name, o.Digest) == (d.Name, d.Digest)));
    }

    /// <summary>The target's runs by origin: the first of its kind before a copy of it, one in use before one in the trash.</summary>
    private Dictionary<string, Run> Index() => (target?.Experiments() ?? []).SelectMany(e => All(target!, e.Id, RunStage.All)).GroupBy(CopyTags.RootOf)
        .ToDictionary(g => g.Key, g => g.OrderBy(r => r.Info.Deleted).ThenBy(r => r.Info.RunId != g.Key).ThenBy(r => r.Info.RunId, StringComparer.Ordinal).First());

    private static IReadOnlyList<Run> All(ITrackingStore store, string experiment, RunStage stage)
    {
        var runs = store.SearchRuns(new() { ExperimentId = experiment, Stage = stage, MaxResults = MlflowRules.MaxResults });
        return runs.Count < MlflowRules.MaxResults ? runs
            : throw new UserException($"experiment {experiment} in {store.Uri} has {MlflowRules.MaxResults} runs or more, which are too many to copy: divide them into experiments");
    }

    /// <summary>The run asked for with its parents and all below it, or all.</summary>
    private List<Run> Chosen(List<Run> runs)
    {
        if (options.Run is not { } wanted) return runs;
        var found = runs.Where(r => r.Info.RunId.StartsWith(wanted, StringComparison.Ordinal)).ToList();
        if (wanted.Length == 0 || found.Count != 1)
            throw new UserException(found.Count == 0 ? $"there is no run {wanted} in {source.Uri}: `lab runs` lists those that are there" : $"run '{wanted}': {found.Count} runs begin so, give more of the id");
        var byId = runs.ToDictionary(r => r.Info.RunId);
        var children = runs.ToLookup(Parent);
        var chosen = new HashSet<string>();
        for (var up = found[0]; up is not null && chosen.Add(up.Info.RunId);) up = Parent(up) is { } parent ? byId.GetValueOrDefault(parent) : null;
        var down = new Stack<Run>(children[found[0].Info.RunId]);
        while (down.TryPop(out var run))
            if (chosen.Add(run.Info.RunId))
                foreach (var child in children[run.Info.RunId]) down.Push(child);
        return [.. runs.Where(r => chosen.Contains(r.Info.RunId))];
    }

    /// <summary>Oldest first, each parent before its children.</summary>
    private static List<Run> Nested(List<Run> runs)
    {
        var (byId, order, seen) = (runs.ToDictionary(r => r.Info.RunId), new List<Run>(), new HashSet<string>());
        foreach (var run in runs.OrderBy(r => r.Info.StartTime).ThenBy(r => r.Info.RunId, StringComparer.Ordinal))
        {
            var line = new Stack<Run>();
            for (var up = run; up is not null && seen.Add(up.Info.RunId);)
            {
                line.Push(up);
                up = Parent(up) is { } parent ? byId.GetValueOrDefault(parent) : null;
            }
            order.AddRange(line);
        }
        return order;
    }

    private static string? Parent(Run run) => run.Tags.GetValueOrDefault("mlflow.parentRunId");
}
