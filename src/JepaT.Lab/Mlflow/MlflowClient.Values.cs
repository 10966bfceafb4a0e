namespace JepaT.Lab;

public sealed partial class MlflowClient
{
    /// <summary>Logs a point of a metric; the same point again is ignored by the server.</summary>
    public Task LogMetricAsync(string runId, MlflowMetric metric, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(metric);
        MlflowNames.Metric(metric);
        return PostAsync("runs/log-metric",
            new { run_id = runId, key = metric.Key, value = metric.Value, timestamp = metric.Timestamp, step = metric.Step }, cancel);
    }

    /// <summary>Logs a param: write-once, INVALID_PARAMETER_VALUE when it has another value.</summary>
    public Task LogParamAsync(string runId, string key, string value, CancellationToken cancel = default)
    {
        MlflowNames.Param(new MlflowParam(key, value));
        return PostAsync("runs/log-parameter", new { run_id = runId, key, value }, cancel);
    }

    /// <summary>Sets a tag.</summary>
    public Task SetTagAsync(string runId, string key, string value, CancellationToken cancel = default)
    {
        MlflowNames.Tags([new MlflowTag(key, value)], unique: false);
        return PostAsync("runs/set-tag", new { run_id = runId, key, value }, cancel);
    }

    /// <summary>Deletes a tag; RESOURCE_DOES_NOT_EXIST when there is none.</summary>
    public Task DeleteTagAsync(string runId, string key, CancellationToken cancel = default) =>
        DeleteTagAsync("runs/delete-tag", new { run_id = runId, key }, cancel);

    /// <summary>
    /// Logs at most 1000 metrics, 100 params, 100 tags and 1000 of all in one call; a bad one is refused here, since it would
    /// take the others with it.
    /// </summary>
    public Task LogBatchAsync(string runId, IReadOnlyList<MlflowMetric>? metrics = null, IReadOnlyList<MlflowParam>? parameters = null,
        IReadOnlyList<MlflowTag>? tags = null, CancellationToken cancel = default)
    {
        (metrics, parameters, tags) = (metrics ?? [], parameters ?? [], tags ?? []);
        if (metrics.Count > 1000 || parameters.Count > 100 || tags.Count > 100 || metrics.Count + parameters.Count + tags.Count > 1000)
            throw new ArgumentException("a batch holds at most 1000 metrics, 100 params, 100 tags, and 1000 items in all");
        foreach (var metric in metrics) MlflowNames.Metric(metric);
        foreach (var parameter in parameters) MlflowNames.Param(parameter);
        if (parameters.Select(p => p.Key).Distinct().Count() != parameters.Count) throw new ArgumentException("a param is twice in the batch");
        MlflowNames.Tags(tags, unique: false);
        return PostAsync("runs/log-batch", new { run_id = runId, metrics, @params = parameters, tags }, cancel);
    }

    /// <summary>Every point of a metric, page by page, by timestamp, step, value; none for an unknown key.</summary>
    public IAsyncEnumerable<MlflowMetric> GetMetricHistoryAsync(string runId, string key, int pageSize = 25000, CancellationToken cancel = default)
    {
        CheckPage(pageSize);
        var query = $"{Query("run_id", runId)}&{Query("metric_key", key)}&max_results={pageSize}";
        return PagesAsync<MlflowMetric>(async token =>
        {
            var answer = await GetAsync<HistoryAnswer>("metrics/get-history",
                token is null ? query : query + "&" + Query("page_token", token), cancel).ConfigureAwait(false);
            return (answer.Metrics, answer.NextPageToken);
        }, cancel);
    }

    /// <summary>Logs data sets as inputs of a run; again is harmless, but the tags of the second time are dropped.</summary>
    public Task LogInputsAsync(string runId, IReadOnlyList<MlflowDatasetInput> datasets, CancellationToken cancel = default)
    {
        ArgumentNullException.ThrowIfNull(datasets);
        foreach (var input in datasets)
        {
            MlflowNames.Length("data set name", input.Dataset.Name, 500);
            MlflowNames.Length("data set digest", input.Dataset.Digest, 36);
            MlflowNames.Length("data set source type", input.Dataset.SourceType, 36);
            MlflowNames.Length("data set source", input.Dataset.Source, 65535, allowEmpty: true);
            MlflowNames.Length("data set schema", input.Dataset.Schema ?? "", 1048575, allowEmpty: true);
            MlflowNames.Length("data set profile", input.Dataset.Profile ?? "", 16777215, allowEmpty: true);
            foreach (var tag in input.Tags)
            {
                MlflowNames.Length("input tag", tag.Key, 255);
                MlflowNames.Length("input tag value", tag.Value, 500, allowEmpty: true);
            }
        }
        return PostAsync("runs/log-inputs", new { run_id = runId, datasets }, cancel);
    }

    private sealed record HistoryAnswer(string? NextPageToken = null)
    {
        public IReadOnlyList<MlflowMetric> Metrics { get; init; } = [];
    }
}
