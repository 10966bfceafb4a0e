namespace JepaT.Lab;

/// <summary>What to copy of a store.</summary>
public sealed record CopyOptions
{
    /// <summary>Only this experiment; null: all that are not deleted.</summary>
    public string? Experiment { get; init; }

    /// <summary>Only this run (its id, or the start of it), with the runs that it is nested in and those nested in it; null: all.</summary>
    public string? Run { get; init; }

    /// <summary>Whether the runs' files are copied.</summary>
    public bool Artifacts { get; init; } = true;
}

/// <summary>
/// Copies experiments and runs from one store to another: nested runs with their times, status, params, full histories, tags, data sets
/// and files. A run is known again by its origin (<see cref="CopyTags"/>), so the same copy again copies nothing twice, an interrupted one
/// goes on where it was, a run that still goes on is topped up, and a copy brought back adds to its origin only what that lacks.
/// What a store cannot say is not copied: deleted runs and experiments, logged models, traces, an experiment's creation time.
/// </summary>
public sealed partial class StoreCopy
{
    private readonly ITrackingStore source;
    private readonly ITrackingStore? target;
    private readonly CopyOptions options;
    private readonly CancellationToken cancel;

    /// <param name="source">Where to read.</param>
    /// <param name="target">Where to write; null only for a plan: an empty store.</param>
    /// <param name="options">What to copy.</param>
    /// <param name="cancel">Ends the copy between two batches, or in the middle of a file.</param>
    public StoreCopy(ITrackingStore source, ITrackingStore? target, CopyOptions options, CancellationToken cancel = default)
    {
        (this.source, this.target, this.options, this.cancel) = (source, target, options, cancel);
        if (source.FullUri == target?.FullUri) throw new UserException($"{source.Uri} is both the source and the target: name two stores");
    }

    /// <summary>Copies what is planned; what cannot be copied of one run does not keep the others from it.</summary>
    /// <param name="plan">Of <see cref="Plan"/>.</param>
    /// <param name="progress">Told of the bytes moved and the run under way; may be null.</param>
    /// <exception cref="UserException">A store is out of reach: the same copy goes on later.</exception>
    public CopyReport Copy(CopyPlan plan, Action<long, string>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (target is null) throw new InvalidOperationException("a copy needs a target");
        var report = new CopyReport { Unchanged = plan.Report.Unchanged, Trashed = plan.Report.Trashed };
        report.Problems.AddRange(plan.Report.Problems);
        var experiments = CopyExperiments(plan, report);
        var ids = new Dictionary<string, string>(plan.Ids);
        var number = 0;
        foreach (var step in plan.Steps)
        {
            cancel.ThrowIfCancellationRequested();
            number++;
            if (!experiments.TryGetValue(step.Run.Info.ExperimentId, out var experiment)) continue;         // told already
            var run = new RunCopy(this, step, ids, report, progress is null ? _ => { } : bytes => progress(bytes, $"run {number}/{plan.Steps.Count} {step.Run.Info.Name}"));
            try
            {
                run.Copy(experiment);
            }
            catch (UserException e) when (!run.Raced && !IsTransient(e))
            {
                report.Add(step.Run, e.Message);
            }
            catch (UserException e) when (IsTransient(e))
            {
                throw new UserException($"{e.Message}; what is copied stays, the same command goes on from here", e);
            }
        }
        return report;
    }

    private Dictionary<string, string> CopyExperiments(CopyPlan plan, CopyReport report)
    {
        var there = target!.Experiments().DistinctBy(e => e.Name).ToDictionary(e => e.Name);
        var ids = new Dictionary<string, string>();
        foreach (var experiment in plan.Experiments)
        {
            cancel.ThrowIfCancellationRequested();
            try
            {
                var id = ids[experiment.Id] = target.GetOrCreateExperiment(experiment.Name);
                var found = there.GetValueOrDefault(experiment.Name);
                if (found is null) report.Experiments++;
                foreach (var (key, value) in experiment.Tags)
                    if (found?.Tags.ContainsKey(key) != true) target.SetExperimentTag(id, key, value);
            }
            catch (UserException e) when (!IsTransient(e))
            {
                report.Problems.Add($"experiment '{experiment.Name}': {e.Message}");
            }
        }
        return ids;
    }

    private bool IsTransient(Exception error)
    {
        if (source.IsTransient(error) || target?.IsTransient(error) == true) return true;
        for (Exception? e = error; e is not null; e = e.InnerException)
            if (e is MlflowException { IsTransient: true }) return true;
        return false;
    }

    /// <summary>The values of a metric that the run at the target lacks.</summary>
    private IReadOnlyList<Metric> Missing(Run run, string key, Run? there)
    {
        var all = source.MetricHistory(run.Info.RunId, key);
        if (there?.Metrics.ContainsKey(key) != true) return all;
        var have = target!.MetricHistory(there.Info.RunId, key).Select(CopyTags.Stored).ToHashSet();
        return [.. all.Where(m => !have.Contains(CopyTags.Stored(m)))];
    }

    private static bool Ended(RunInfo run) => run.EndTime is not null || run.Status is not (RunStatus.Running or RunStatus.Scheduled);
}
