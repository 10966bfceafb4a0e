using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>A store that passes everything on, counts what is written, and can be made to fail or lie.</summary>
internal sealed class StoreWrapper(ITrackingStore inner) : ITrackingStore
{
    /// <summary>Called before each write; throws to interrupt it.</summary>
    public Action<int> BeforeWrite { get; init; } = _ => { };

    /// <summary>What the listing of a run's files becomes.</summary>
    public Func<IReadOnlyList<ArtifactInfo>, IReadOnlyList<ArtifactInfo>> Listing { get; init; } = files => files;

    /// <summary>Opens a file in place of the store; null: the store does.</summary>
    public Func<string, Stream?> Opening { get; init; } = _ => null;

    public Action OnCreated { get; set; } = () => { };

    public Func<Exception, bool> Transient { get; init; } = _ => false;

    public int Writes { get; private set; }

    public List<string> Uploaded { get; } = [];

    public string Uri => inner.Uri;

    public string FullUri => inner.FullUri;

    public string? Folder => inner.Folder;

    public string GetOrCreateExperiment(string name, IReadOnlyDictionary<string, string>? tags = null) => Write(() => inner.GetOrCreateExperiment(name, tags));

    public IReadOnlyList<ExperimentInfo> Experiments(RunStage view = RunStage.Active) => inner.Experiments(view);

    public void SetExperimentTag(string experimentId, string key, string value) => Write(() => inner.SetExperimentTag(experimentId, key, value));

    public RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags = null)
    {
        var made = Write(() => inner.CreateRun(experimentId, name, startTime, tags));
        OnCreated();
        return made;
    }

    public void UpdateRun(string runId, RunStatus status, long? endTime, string? name = null) => Write(() => inner.UpdateRun(runId, status, endTime, name));

    public void LogBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        // Values into an ended run are refused, whether the store does so or not.
        var info = inner.GetRun(runId).Info;
        if (metrics.Count > 0) Assert.Equal((RunStatus.Running, null), (info.Status, info.EndTime));
        Write(() => inner.LogBatch(runId, metrics, parameters, tags));
    }

    public void DeleteTag(string runId, string key) => Write(() => inner.DeleteTag(runId, key));

    public void DeleteRun(string runId) => Write(() => inner.DeleteRun(runId));

    public void RestoreRun(string runId) => Write(() => inner.RestoreRun(runId));

    public void LogInputs(string runId, IReadOnlyCollection<DatasetInput> datasets) => Write(() => inner.LogInputs(runId, datasets));

    public void UploadArtifact(string runId, string path, Stream content)
    {
        Write(() => inner.UploadArtifact(runId, path, content));
        Uploaded.Add(path);
    }

    public Stream OpenArtifact(string runId, string path) => Opening(path) ?? inner.OpenArtifact(runId, path);

    public IReadOnlyList<ArtifactInfo> Artifacts(string runId) => Listing(inner.Artifacts(runId));

    public Run GetRun(string runId) => inner.GetRun(runId);

    public IReadOnlyList<Run> SearchRuns(RunQuery query) => inner.SearchRuns(query);

    public IReadOnlyList<Metric> MetricHistory(string runId, string key) => inner.MetricHistory(runId, key);

    public bool IsTransient(Exception error) => Transient(error) || inner.IsTransient(error);

    public void Dispose() => inner.Dispose();

    private T Write<T>(Func<T> call)
    {
        BeforeWrite(++Writes);
        return call();
    }

    private void Write(Action call) => Write(() =>
    {
        call();
        return 0;
    });
}
