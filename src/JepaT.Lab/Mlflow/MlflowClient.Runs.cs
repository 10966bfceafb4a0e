namespace JepaT.Lab;

public sealed partial class MlflowClient
{
    /// <summary>
    /// Creates a run. A try that may have arrived is not repeated blindly: the run is first looked for by its create id.
    /// </summary>
    public async Task<MlflowRun> CreateRunAsync(MlflowNewRun run, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        MlflowNames.Length("run name", run.RunName, 250);
        MlflowNames.Key("tag", run.CreateIdTag);
        if (run.CreateId.Length == 0 || !run.CreateId.All(c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            throw new ArgumentException("a create id has letters, digits and dashes only", nameof(run));
        MlflowNames.Time("start time", run.StartTime);
        MlflowNames.Tags(run.Tags, unique: true);
        var body = new
        {
            experiment_id = run.ExperimentId,
            run_name = run.RunName,
            start_time = run.StartTime,
            user_id = run.UserId,
            tags = run.Tags.Where(tag => tag.Key != run.CreateIdTag).Append(new MlflowTag(run.CreateIdTag, run.CreateId)).ToArray(),
        };
        for (var failures = 0; ;)
        {
            try
            {
                return (await transport.OnceAsync<RunAnswer>(HttpMethod.Post, Api + "runs/create", body, cancel).ConfigureAwait(false)).Run;
            }
            catch (MlflowException e) when (e.IsTransient || e.MayHaveArrived)
            {
                if (e.RetryAfter > Options.LongestWait || (++failures > Options.MaxRetries && !e.MayHaveArrived)) throw;
                await transport.WaitAsync(failures, e.RetryAfter, cancel).ConfigureAwait(false);
                if (e.MayHaveArrived && await FindCreatedAsync(run, cancel).ConfigureAwait(false) is { } found) return found;
                if (failures > Options.MaxRetries) throw;
            }
        }
    }

    /// <summary>The run that a create with this id made; null when there is none.</summary>
    public async Task<MlflowRun?> FindCreatedAsync(MlflowNewRun run, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(run);
        var filter = $"tags.`{run.CreateIdTag}` = '{run.CreateId}'";
        await foreach (var found in SearchRunsAsync([run.ExperimentId], filter, view: MlflowView.All, pageSize: 1, cancel: cancel).ConfigureAwait(false))
            return found;
        return null;
    }

    /// <summary>A run, also a deleted one. RESOURCE_DOES_NOT_EXIST when there is none.</summary>
    public async Task<MlflowRun> GetRunAsync(string runId, CancellationToken cancel = default) =>
        (await GetAsync<RunAnswer>("runs/get", Query("run_id", runId), cancel).ConfigureAwait(false)).Run;

    /// <summary>Changes what is not null; end time in milliseconds, 0 takes it away.</summary>
    public async Task<MlflowRunInfo> UpdateRunAsync(string runId, MlflowRunStatus? status = null, long? endTime = null, string? name = null,
        CancellationToken cancel = default)
    {
        if (endTime is { } end) MlflowNames.Time("end time", end);
        if (name is not null) MlflowNames.Length("run name", name, 250);
        var answer = await PostAsync<RunInfoAnswer>("runs/update", new { run_id = runId, status, end_time = endTime, run_name = name }, cancel)
            .ConfigureAwait(false);
        return answer.RunInfo;
    }

    /// <summary>Opens an ended run again: RUNNING, without an end time.</summary>
    public Task<MlflowRunInfo> ResumeRunAsync(string runId, CancellationToken cancel = default) =>
        UpdateRunAsync(runId, MlflowRunStatus.Running, 0, cancel: cancel);

    /// <summary>Puts a run into the trash.</summary>
    public Task DeleteRunAsync(string runId, CancellationToken cancel = default) =>
        DoneAsync("runs/delete", new { run_id = runId }, async () => (await GetRunAsync(runId, cancel).ConfigureAwait(false)).Info.Deleted, cancel);

    /// <summary>Takes a run out of the trash.</summary>
    public Task RestoreRunAsync(string runId, CancellationToken cancel = default) =>
        DoneAsync("runs/restore", new { run_id = runId }, async () => !(await GetRunAsync(runId, cancel).ConfigureAwait(false)).Info.Deleted, cancel);

    /// <summary>All runs that fit, page by page to the end; newest first without an order.</summary>
    public IAsyncEnumerable<MlflowRun> SearchRunsAsync(IReadOnlyList<string> experimentIds, string? filter = null,
        IReadOnlyList<string>? orderBy = null, MlflowView view = MlflowView.ActiveOnly, int pageSize = 1000, CancellationToken cancel = default)
    {
        CheckPage(pageSize);
        return PagesAsync<MlflowRun>(async token =>
        {
            var answer = await PostAsync<RunsAnswer>("runs/search", new
            {
                experiment_ids = experimentIds,
                filter,
                run_view_type = view,
                max_results = pageSize,
                order_by = orderBy,
                page_token = token,
            }, cancel).ConfigureAwait(false);
            return (answer.Runs, answer.NextPageToken);
        }, cancel);
    }

    /// <summary>Sets the run's note (markdown).</summary>
    public Task SetRunNoteAsync(string runId, string markdown, CancellationToken cancel = default) =>
        SetTagAsync(runId, "mlflow.note.content", markdown, cancel);

    private sealed record RunAnswer([property: System.Text.Json.Serialization.JsonRequired] MlflowRun Run);

    private sealed record RunInfoAnswer([property: System.Text.Json.Serialization.JsonRequired] MlflowRunInfo RunInfo);

    private sealed record RunsAnswer(string? NextPageToken = null)
    {
        public IReadOnlyList<MlflowRun> Runs { get; init; } = [];
    }
}
