namespace JepaT.Lab;

// Experiments, runs and their values.
public sealed partial class RestStore
{
    public string GetOrCreateExperiment(string name, IReadOnlyDictionary<string, string>? tags = null)
    {
        MlflowRules.CheckLength("experiment", "name", name, MlflowRules.MaxExperimentName, required: true);
        return Guard(async () =>
        {
            if (await client.GetExperimentByNameAsync(name) is { } there) return Active(there);
            try
            {
                return await client.CreateExperimentAsync(name, tags: Pairs(tags));
            }
            catch (MlflowException e) when (e.ErrorCode == "RESOURCE_ALREADY_EXISTS")
            {
                // Another program has made it since.
                return await client.GetExperimentByNameAsync(name) is { } made ? Active(made) : throw new UserException(e.Message, e);
            }
        });

        string Active(MlflowExperiment found) => !found.Deleted ? found.ExperimentId : throw new UserException(
            $"the experiment '{name}' at {Uri} was deleted: restore it with `mlflow experiments restore -x {found.ExperimentId}`, or choose another name");
    }

    public IReadOnlyList<ExperimentInfo> Experiments(RunStage view = RunStage.Active) => Guard(async () =>
    {
        var all = new List<MlflowExperiment>();
        await foreach (var experiment in client.SearchExperimentsAsync(view: ViewOf(view))) all.Add(experiment);
        return all.OrderBy(e => e.CreationTime).ThenBy(e => e.ExperimentId.Length).ThenBy(e => e.ExperimentId, StringComparer.Ordinal)
            .Select(e => new ExperimentInfo(e.ExperimentId, e.Name, e.ArtifactLocation, e.Tags.ToDictionary(t => t.Key, t => t.Value), e.Deleted)).ToList();
    });

    public void SetExperimentTag(string experimentId, string key, string value)
    {
        MlflowRules.CheckKey("tag", key);
        MlflowRules.CheckLength($"tag '{key}' of the experiment", "value", value, MlflowRules.MaxExperimentTagValue);
        Guard(() => client.SetExperimentTagAsync(experimentId, key, value));
    }

    public RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags = null)
    {
        var made = CreateRun(experimentId, name, startTime, tags, Guid.NewGuid().ToString("N"), lookFirst: false);
        going[made.RunId] = true;
        return made;
    }

    public void UpdateRun(string runId, RunStatus status, long? endTime, string? name = null)
    {
        MlflowRules.CheckUpdate(runId, endTime, name);
        going.TryRemove(runId, out _);
        Guard(() => client.UpdateRunAsync(runId, Enum.Parse<MlflowRunStatus>(status.ToString()), endTime ?? 0, string.IsNullOrEmpty(name) ? null : name));
        if (status is RunStatus.Running or RunStatus.Scheduled || endTime is null or 0) going[runId] = true;
    }

    public void DeleteRun(string runId) => Guard(() => client.DeleteRunAsync(runId));

    public void RestoreRun(string runId) => Guard(() => client.RestoreRunAsync(runId));

    public void LogBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        MlflowRules.CheckBatch(metrics, parameters, tags);
        if (metrics.Count > 0 && !going.ContainsKey(runId))
        {
            var run = GetRun(runId).Info;
            if (!run.Deleted)       // for a deleted one the server has words
            {
                MlflowRules.CheckNotEnded(run);
                going[runId] = true;
            }
        }
        SendBatch(runId, metrics, parameters, tags);
    }

    public void DeleteTag(string runId, string key) => Guard(() => client.DeleteTagAsync(runId, key));

    public void LogInputs(string runId, IReadOnlyCollection<DatasetInput> datasets)
    {
        foreach (var dataset in datasets) MlflowRules.CheckDataset(dataset);
        Guard(() => client.LogInputsAsync(runId, [.. datasets.Select(d =>
            new MlflowDatasetInput(new MlflowDataset(d.Name, d.Digest, d.SourceType, d.Source, d.Schema, d.Profile)) { Tags = [new(ContextTag, d.Context)] })]));
    }

    public Run GetRun(string runId)
    {
        try
        {
            return Guard(async () => ToRun(await client.GetRunAsync(runId)));
        }
        catch (UserException e) when (e.InnerException is MlflowException { ErrorCode: "RESOURCE_DOES_NOT_EXIST" })
        {
            throw new UserException($"there is no run {runId} at {Uri}: `lab runs` lists those that are there", e);
        }
    }

    public IReadOnlyList<Run> SearchRuns(RunQuery query)
    {
        if (query.MaxResults is < 1 or > MlflowRules.MaxResults)
            throw new UserException($"a search for {query.MaxResults} runs: 1 to {MlflowRules.MaxResults} are allowed");
        _ = (RunFilter.Parse(query.Filter), RunOrder.Parse(query.OrderBy));        // refused here, in the words of every store
        IReadOnlyList<string> experiments = query.ExperimentId is { } id ? [id] : [.. Experiments().Select(e => e.Id)];
        if (experiments.Count == 0) return [];
        var clauses = query.AllTags.Select(t => $"tags.`{t.Key}` = {Quoted(t.Key, t.Value)}");
        var filter = string.Join(" AND ", string.IsNullOrWhiteSpace(query.Filter) ? clauses : clauses.Append(query.Filter));
        return Guard(async () =>
        {
            var found = new List<Run>();
            await foreach (var run in client.SearchRunsAsync(experiments, filter.Length > 0 ? filter : null, query.OrderBy, ViewOf(query.Stage), Math.Min(query.MaxResults, 1000)))
            {
                found.Add(ToRun(run));
                if (found.Count == query.MaxResults) break;
            }
            return found;
        });
    }

    // In MLflow's filters a text cannot hold the quote that it stands in.
    private static string Quoted(string key, string value) => !value.Contains('\'', StringComparison.Ordinal) ? $"'{value}'"
        : !value.Contains('"', StringComparison.Ordinal) ? $"\"{value}\""
        : throw new UserException($"tag '{key}': a value with both kinds of quotes cannot be searched for on a server");

    public IReadOnlyList<Metric> MetricHistory(string runId, string key) => Guard(async () =>
    {
        var points = new List<Metric>();
        await foreach (var m in client.GetMetricHistoryAsync(runId, key)) points.Add(new(m.Key, m.Value, m.Timestamp, m.Step));
        return points;
    });

    private const string ContextTag = "mlflow.data.context";

    private Run ToRun(MlflowRun run) => new(
        Info(run.Info),
        run.Data.Metrics.ToDictionary(m => m.Key, m => new Metric(m.Key, m.Value, m.Timestamp, m.Step)),
        run.Data.Params.ToDictionary(p => p.Key, p => p.Value),
        run.Data.Tags.ToDictionary(t => t.Key, t => t.Value),
        [.. run.Inputs.DatasetInputs.Select(Input).OrderBy(d => d.Name, StringComparer.Ordinal).ThenBy(d => d.Digest, StringComparer.Ordinal)]);

    private static DatasetInput Input(MlflowDatasetInput input)
    {
        var (data, context) = (input.Dataset, input.Tags.FirstOrDefault(t => t.Key == ContextTag)?.Value ?? "");
        return new(data.Name, data.Digest, context, data.Source, data.Profile, data.Schema, data.SourceType);
    }

    private RunInfo Info(MlflowRunInfo info)
    {
        artifactUris[info.RunId] = info.ArtifactUri;
        return new(info.RunId, info.ExperimentId, info.RunName, Enum.Parse<RunStatus>(info.Status.ToString()), info.StartTime,
            info.EndTime is null or 0 ? null : info.EndTime, info.ArtifactUri, info.Deleted);
    }

    private static MlflowView ViewOf(RunStage view) => view switch { RunStage.Active => MlflowView.ActiveOnly, RunStage.Deleted => MlflowView.DeletedOnly, _ => MlflowView.All };

    private static MlflowTag[] Pairs(IReadOnlyDictionary<string, string>? tags) =>
        [.. (tags ?? new Dictionary<string, string>()).Select(t => new MlflowTag(t.Key, MlflowRules.Cut(t.Value, MlflowRules.MaxTagValue)))];

    private static void Guard(Func<Task> call) => Guard(async () =>
    {
        await call();
        return 0;
    });
}
