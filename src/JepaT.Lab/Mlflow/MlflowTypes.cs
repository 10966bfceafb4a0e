using System.Text.Json.Serialization;

namespace JepaT.Lab;

/// <summary>A run's status; on the wire by name (RUNNING …).</summary>
public enum MlflowRunStatus
{
    /// <summary>It goes on, or was killed without a word.</summary>
    Running,

    /// <summary>It has not begun.</summary>
    Scheduled,

    /// <summary>It ended well.</summary>
    Finished,

    /// <summary>It ended by an error.</summary>
    Failed,

    /// <summary>It was ended from outside.</summary>
    Killed,
}

/// <summary>Which runs or experiments a search shows.</summary>
public enum MlflowView
{
    /// <summary>Those not deleted.</summary>
    ActiveOnly,

    /// <summary>Only the deleted.</summary>
    DeletedOnly,

    /// <summary>Both.</summary>
    All,
}

/// <summary>A tag of a run, experiment or data set.</summary>
public sealed record MlflowTag(string Key, string Value = "");

/// <summary>A param: write-once, at most 6000 characters (the server cuts longer ones without a word).</summary>
public sealed record MlflowParam(string Key, string Value = "");

/// <summary>A point of a metric; <paramref name="Timestamp"/> in milliseconds since 1970, at least 0.</summary>
public sealed record MlflowMetric(string Key, double Value, long Timestamp, long Step = 0);

/// <summary>An experiment; times in milliseconds since 1970.</summary>
public sealed record MlflowExperiment(string ExperimentId, string Name = "", string ArtifactLocation = "",
    string LifecycleStage = "active", long CreationTime = 0, long LastUpdateTime = 0)
{
    /// <summary>Its tags.</summary>
    public IReadOnlyList<MlflowTag> Tags { get; init; } = [];

    /// <summary>Whether it is in the trash.</summary>
    [JsonIgnore]
    public bool Deleted => LifecycleStage == "deleted";
}

/// <summary>What a run is called and where it stands; times in milliseconds since 1970, <paramref name="EndTime"/> null or 0 while open.</summary>
public sealed record MlflowRunInfo(string RunId, string ExperimentId = "", string RunName = "", string UserId = "",
    MlflowRunStatus Status = MlflowRunStatus.Running, long StartTime = 0, long? EndTime = null, string ArtifactUri = "",
    string LifecycleStage = "active")
{
    /// <summary>Whether it is in the trash.</summary>
    [JsonIgnore]
    public bool Deleted => LifecycleStage == "deleted";
}

/// <summary>The logged values of a run: of a metric only the latest point.</summary>
public sealed record MlflowRunData
{
    /// <summary>The latest point of each metric.</summary>
    public IReadOnlyList<MlflowMetric> Metrics { get; init; } = [];

    /// <summary>The params.</summary>
    public IReadOnlyList<MlflowParam> Params { get; init; } = [];

    /// <summary>The tags.</summary>
    public IReadOnlyList<MlflowTag> Tags { get; init; } = [];
}

/// <summary>A data set: name at most 500 characters, digest and source type 36.</summary>
public sealed record MlflowDataset(string Name, string Digest, string SourceType, string Source, string? Schema = null, string? Profile = null);

/// <summary>A data set as a run's input, with tags such as <c>mlflow.data.context</c>.</summary>
public sealed record MlflowDatasetInput(MlflowDataset Dataset)
{
    /// <summary>Tags of the use.</summary>
    public IReadOnlyList<MlflowTag> Tags { get; init; } = [];
}

/// <summary>The inputs of a run.</summary>
public sealed record MlflowRunInputs
{
    /// <summary>Its data sets.</summary>
    public IReadOnlyList<MlflowDatasetInput> DatasetInputs { get; init; } = [];
}

/// <summary>A run with its data and inputs.</summary>
public sealed record MlflowRun(MlflowRunInfo Info)
{
    /// <summary>Metrics, params, tags.</summary>
    public MlflowRunData Data { get; init; } = new();

    /// <summary>Data sets.</summary>
    public MlflowRunInputs Inputs { get; init; } = new();
}

/// <summary>A run to create. The client's own id goes into a tag, by which a create that may have arrived is found again.</summary>
/// <param name="ExperimentId">Where.</param>
/// <param name="RunName">Its name.</param>
/// <param name="StartTime">Milliseconds since 1970.</param>
public sealed record MlflowNewRun(string ExperimentId, string RunName, long StartTime)
{
    /// <summary>Further tags; <c>mlflow.runName</c>, if there, must equal the name.</summary>
    public IReadOnlyList<MlflowTag> Tags { get; init; } = [];

    /// <summary>Who it belongs to, a column of its own, which filters know as <c>attributes.user_id</c>; null: nobody.</summary>
    public string? UserId { get; init; }

    /// <summary>The key of the tag that holds <see cref="CreateId"/>.</summary>
    public string CreateIdTag { get; init; } = "client.create_id";

    /// <summary>An id that no other create has: letters, digits and dashes.</summary>
    public string CreateId { get; init; } = Guid.NewGuid().ToString("N");
}

/// <summary>A file or folder of a run; <paramref name="Path"/> from the run's root, <paramref name="FileSize"/> in bytes.</summary>
public sealed record MlflowFile(string Path, bool IsDir = false, long? FileSize = null);

/// <summary>What a server says of itself.</summary>
public sealed record MlflowServerInfo(string? StoreType = null, bool MultipartUploadsEnabled = false);
