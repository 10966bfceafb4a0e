namespace JepaT.Lab;

public sealed partial class MlflowClient
{
    /// <summary>Creates an experiment and gives its id. RESOURCE_ALREADY_EXISTS when the name is taken, also by a deleted one.</summary>
    public async Task<string> CreateExperimentAsync(string name, string? artifactLocation = null, IReadOnlyList<MlflowTag>? tags = null,
        CancellationToken cancel = default)
    {
        MlflowNames.Length("experiment name", name, 500);
        var sent = new MlflowAttempts();
        var (start, now) = (clock.GetTimestamp(), clock.GetUtcNow());
        try
        {
            var answer = await transport.JsonAsync<IdAnswer>(HttpMethod.Post, Api + "experiments/create",
                new { name, artifact_location = artifactLocation, tags }, cancel, sent).ConfigureAwait(false);
            return answer.ExperimentId;
        }
        catch (MlflowException e) when (e.ErrorCode == "RESOURCE_ALREADY_EXISTS" && sent.MayHaveArrived)
        {
            // Ours only if an earlier, unanswered try has made it: by the server's clock, after this call began. Its Date has whole seconds.
            var began = e.ServerTime is { } then ? then - clock.GetElapsedTime(start) - TimeSpan.FromSeconds(1) : now;
            if (await GetExperimentByNameAsync(name, cancel).ConfigureAwait(false) is { Deleted: false } made
                && made.CreationTime >= began.ToUnixTimeMilliseconds()) return made.ExperimentId;
            throw;
        }
    }

    /// <summary>An experiment, also a deleted one. RESOURCE_DOES_NOT_EXIST when there is none.</summary>
    public async Task<MlflowExperiment> GetExperimentAsync(string experimentId, CancellationToken cancel = default) =>
        (await GetAsync<ExperimentAnswer>("experiments/get", Query("experiment_id", experimentId), cancel).ConfigureAwait(false)).Experiment;

    /// <summary>An experiment by its name, also a deleted one; null when there is none.</summary>
    public async Task<MlflowExperiment?> GetExperimentByNameAsync(string name, CancellationToken cancel = default)
    {
        try
        {
            return (await GetAsync<ExperimentAnswer>("experiments/get-by-name", Query("experiment_name", name), cancel).ConfigureAwait(false)).Experiment;
        }
        catch (MlflowException e) when (e.ErrorCode == "RESOURCE_DOES_NOT_EXIST")
        {
            return null;
        }
    }

    /// <summary>All experiments that fit, page by page to the end; newest first without an order.</summary>
    public IAsyncEnumerable<MlflowExperiment> SearchExperimentsAsync(string? filter = null, IReadOnlyList<string>? orderBy = null,
        MlflowView view = MlflowView.ActiveOnly, int pageSize = 1000, CancellationToken cancel = default)
    {
        CheckPage(pageSize);
        return PagesAsync<MlflowExperiment>(async token =>
        {
            var answer = await PostAsync<ExperimentsAnswer>("experiments/search",
                new { max_results = pageSize, filter, order_by = orderBy, view_type = view, page_token = token }, cancel).ConfigureAwait(false);
            return (answer.Experiments, answer.NextPageToken);
        }, cancel);
    }

    /// <summary>Renames an experiment.</summary>
    public Task RenameExperimentAsync(string experimentId, string newName, CancellationToken cancel = default)
    {
        MlflowNames.Length("experiment name", newName, 500);
        return PostAsync("experiments/update", new { experiment_id = experimentId, new_name = newName }, cancel);
    }

    /// <summary>Puts an experiment, with its runs, into the trash.</summary>
    public Task DeleteExperimentAsync(string experimentId, CancellationToken cancel = default) =>
        DoneAsync("experiments/delete", new { experiment_id = experimentId }, async () => (await GetExperimentAsync(experimentId, cancel).ConfigureAwait(false)).Deleted, cancel);

    /// <summary>Takes an experiment out of the trash.</summary>
    public Task RestoreExperimentAsync(string experimentId, CancellationToken cancel = default) =>
        DoneAsync("experiments/restore", new { experiment_id = experimentId }, async () => !(await GetExperimentAsync(experimentId, cancel).ConfigureAwait(false)).Deleted, cancel);

    /// <summary>Sets a tag: key at most 250, value at most 20000 characters.</summary>
    public Task SetExperimentTagAsync(string experimentId, string key, string value, CancellationToken cancel = default)
    {
        MlflowNames.Key("tag", key);
        MlflowNames.Length("experiment tag", value, 20000, allowEmpty: true);
        return PostAsync("experiments/set-experiment-tag", new { experiment_id = experimentId, key, value }, cancel);
    }

    /// <summary>Deletes a tag; RESOURCE_DOES_NOT_EXIST when there is none.</summary>
    public Task DeleteExperimentTagAsync(string experimentId, string key, CancellationToken cancel = default) =>
        DeleteTagAsync("experiments/delete-experiment-tag", new { experiment_id = experimentId, key }, cancel);

    /// <summary>Sets the experiment's note (markdown).</summary>
    public Task SetExperimentNoteAsync(string experimentId, string markdown, CancellationToken cancel = default) =>
        SetExperimentTagAsync(experimentId, "mlflow.note.content", markdown, cancel);

    private sealed record IdAnswer([property: System.Text.Json.Serialization.JsonRequired] string ExperimentId);

    private sealed record ExperimentAnswer([property: System.Text.Json.Serialization.JsonRequired] MlflowExperiment Experiment);

    private sealed record ExperimentsAnswer(string? NextPageToken = null)
    {
        public IReadOnlyList<MlflowExperiment> Experiments { get; init; } = [];
    }
}
