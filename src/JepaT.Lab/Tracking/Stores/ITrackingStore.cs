namespace JepaT.Lab;

/// <summary>
/// What MLflow can do, once, whatever holds the values: a database file (<see cref="SqliteStore"/>) or a server
/// (<see cref="RestStore"/>). All times are milliseconds since 1970, UTC.
/// Every member checks MLflow's name rules and limits itself (<see cref="MlflowRules"/>), throws a <see cref="UserException"/>
/// when it cannot do its work, and may be called from several threads.
/// </summary>
public interface ITrackingStore : IDisposable
{
    /// <summary>The store as the user names it, for messages: <c>sqlite:///mlflow.db</c>.</summary>
    string Uri { get; }

    /// <summary>The store as any program on this machine can name it, without a password: a full path where it is a file.</summary>
    string FullUri { get; }

    /// <summary>The folder of the database; null where the store is a server.</summary>
    string? Folder { get; }

    /// <summary>The experiment of this name, made when there is none; <paramref name="tags"/> are set on a new one only.</summary>
    /// <returns>The experiment's id.</returns>
    string GetOrCreateExperiment(string name, IReadOnlyDictionary<string, string>? tags = null);

    /// <summary>All experiments, oldest first.</summary>
    IReadOnlyList<ExperimentInfo> Experiments(RunStage view = RunStage.Active);

    /// <summary>Sets a tag of an experiment, e.g. <c>mlflow.note.content</c>.</summary>
    void SetExperimentTag(string experimentId, string key, string value);

    /// <summary>Makes a run with status RUNNING.</summary>
    RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags = null);

    /// <summary>Sets status and end (null: still going on, the end is taken away) and, when given, the name.</summary>
    void UpdateRun(string runId, RunStatus status, long? endTime, string? name = null);

    /// <summary>
    /// Writes params, metrics and tags in one transaction: all or nothing. Repeating a call changes nothing.
    /// At most <see cref="MlflowRules.MaxMetrics"/> metrics, 100 params, 100 tags, and 1000 in all.
    /// </summary>
    void LogBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags);

    /// <summary>Takes a tag of a run away; it must be there.</summary>
    void DeleteTag(string runId, string key);

    /// <summary>Puts a run into the trash, where only <see cref="RunStage.Deleted"/> finds it.</summary>
    void DeleteRun(string runId);

    /// <summary>Takes a run out of the trash.</summary>
    void RestoreRun(string runId);

    /// <summary>Notes which data sets a run used.</summary>
    void LogInputs(string runId, IReadOnlyCollection<DatasetInput> datasets);

    /// <summary>Stores a file of the run; an older one of the same path is replaced, and nobody ever sees half of it.</summary>
    /// <param name="runId">The run.</param>
    /// <param name="path">Relative path with <c>/</c>, e.g. <c>checkpoints/last.safetensors</c>.</param>
    /// <param name="content">Read to its end.</param>
    void UploadArtifact(string runId, string path, Stream content);

    /// <summary>The bytes of a run's file.</summary>
    Stream OpenArtifact(string runId, string path);

    /// <summary>All files of a run, sorted by path.</summary>
    IReadOnlyList<ArtifactInfo> Artifacts(string runId);

    /// <summary>A run with its params, tags, data sets and the latest value of each metric.</summary>
    Run GetRun(string runId);

    /// <summary>Runs that fit, in the order asked for.</summary>
    IReadOnlyList<Run> SearchRuns(RunQuery query);

    /// <summary>All values of a metric in MLflow's order: timestamp, step, value.</summary>
    IReadOnlyList<Metric> MetricHistory(string runId, string key);

    /// <summary>Whether the same call may succeed later without anyone changing it (a lock, a server that is away).</summary>
    bool IsTransient(Exception error);
}

/// <summary>State of a run.</summary>
public enum RunStatus { Running, Scheduled, Finished, Failed, Killed }

/// <summary>One value of a metric.</summary>
/// <param name="Key">Name with sections, e.g. <c>train/loss</c>.</param>
/// <param name="Value">Any double; MLflow keeps NaN, and infinities as the largest double.</param>
/// <param name="Timestamp">Milliseconds since 1970, UTC; not negative.</param>
/// <param name="Step">Training step.</param>
public sealed record Metric(string Key, double Value, long Timestamp, long Step);

/// <summary>An experiment: a named group of runs.</summary>
public sealed record ExperimentInfo(string Id, string Name, string ArtifactLocation, IReadOnlyDictionary<string, string> Tags, bool Deleted = false);

/// <summary>A file of a run.</summary>
/// <param name="Path">From the run's root, with <c>/</c>.</param>
/// <param name="Size">Bytes.</param>
public sealed record ArtifactInfo(string Path, long Size);

/// <summary>The head of a run. <paramref name="EndTime"/> is null while it goes on.</summary>
public sealed record RunInfo(string RunId, string ExperimentId, string Name, RunStatus Status, long StartTime, long? EndTime, string ArtifactUri,
    bool Deleted = false);

/// <summary>A run and what was logged into it; of each metric the latest value.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed record Run(
    RunInfo Info,
    IReadOnlyDictionary<string, Metric> Metrics,
    IReadOnlyDictionary<string, string> Params,
    IReadOnlyDictionary<string, string> Tags,
    IReadOnlyList<DatasetInput> Inputs)
{
    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(this).ToString();
}

/// <summary>A data set that a run used.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Digest">8 hex digits of its content's hash.</param>
/// <param name="Context">What for: training, eval, …</param>
/// <param name="Source">JSON that says where it comes from.</param>
/// <param name="Profile">JSON such as <c>{"num_rows":60000}</c>, or null.</param>
/// <param name="Schema">JSON <c>{"mlflow_colspec":[…]}</c>, or null.</param>
/// <param name="SourceType"><c>local</c> or <c>code</c>.</param>
public sealed record DatasetInput(string Name, string Digest, string Context, string Source, string? Profile = null, string? Schema = null,
    string SourceType = "local");

/// <summary>Which runs or experiments are meant.</summary>
public enum RunStage
{
    /// <summary>Those not deleted.</summary>
    Active,

    /// <summary>Only the deleted.</summary>
    Deleted,

    /// <summary>Both.</summary>
    All,
}

/// <summary>What to search for; null and empty mean any.</summary>
public sealed record RunQuery
{
    /// <summary>One experiment; null: all that are not deleted.</summary>
    public string? ExperimentId { get; init; }

    /// <summary>Only children of this run.</summary>
    public string? ParentRunId { get; init; }

    /// <summary>Tags that must be there with these values.</summary>
    public IReadOnlyDictionary<string, string> Tags { get; init; } = new Dictionary<string, string>();

    /// <summary>A filter in MLflow's language, e.g. <c>metrics.`eval/fid` &lt; 10 AND params.fusion = 'late'</c>; null: all.</summary>
    public string? Filter { get; init; }

    /// <summary>Orders in MLflow's language, e.g. <c>metrics.`eval/fid` ASC</c>; none: latest start first.</summary>
    public IReadOnlyList<string> OrderBy { get; init; } = [];

    public RunStage Stage { get; init; } = RunStage.Active;

    /// <summary>1 to 50,000.</summary>
    public int MaxResults { get; init; } = 1000;

    /// <summary>The tags, that of the parent among them.</summary>
    internal IEnumerable<KeyValuePair<string, string>> AllTags => ParentRunId is { } parent ? Tags.Append(KeyValuePair.Create("mlflow.parentRunId", parent)) : Tags;
}
