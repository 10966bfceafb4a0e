using System.Text.Json;

namespace JepaT.Lab;

/// <summary>
/// Logs one run. Calls only queue; a thread of its own writes batches several times a second, so the training loop never waits and a
/// killed process loses at most its last second. While a database cannot be written (locked, its disk full, the run deleted) the values
/// stay in memory and are tried again; while a server is away they wait on disk (<see cref="SpooledStore"/>). That is told once; only <see cref="Flush"/>
/// and <see cref="Finish"/> throw then, and any call when no more fits into memory.
/// </summary>
/// <remarks>Disposing without <see cref="Finish"/>, as an exception does, writes what there is and marks the run FAILED.</remarks>
public sealed partial class RunLogger : IDisposable
{
    /// <summary>How long <see cref="Flush"/> and <see cref="Finish"/> go on trying while the store cannot be reached.</summary>
    public static readonly TimeSpan DefaultPatience = TimeSpan.FromMinutes(2);

    // At the end of a run the server gets this long to answer; what it does not take stays in the spool.
    private static readonly TimeSpan SettlePatience = TimeSpan.FromSeconds(10);

    private readonly ITrackingStore store;
    private readonly TimeProvider clock;
    private readonly string id;
    private readonly LogQueue queue;
    private readonly Lock gate = new();
    private readonly HashSet<string> metricKeys = [];
    private readonly Dictionary<string, string> parameters;
    private readonly List<LoggedTable> tables;
    private readonly long firstSystemStep;          // where a resumed run's system metrics go on
    private SystemMetrics? system;
    private bool hasImages, finished;
    private volatile bool ended;                    // the status is in the store

    private RunLogger(ITrackingStore store, Run run, TimeProvider clock, TextWriter? warnings)
    {
        (this.store, this.clock) = (store, clock);
        (id, ExperimentId, Name) = (run.Info.RunId, run.Info.ExperimentId, run.Info.Name);
        parameters = new(run.Params);
        Know(run.Tags);
        hasImages = run.Tags.ContainsKey("mlflow.loggedImages");
        tables = run.Tags.TryGetValue("mlflow.loggedArtifacts", out var list) ? JsonSerializer.Deserialize<List<LoggedTable>>(list, Json)! : [];
        firstSystemStep = run.Metrics.Values.Where(m => m.Key.StartsWith("system/", StringComparison.Ordinal)).Select(m => m.Step + 1).DefaultIfEmpty(0).Max();
        foreach (var metric in run.Metrics.Values.Where(m => !m.Key.StartsWith("system/", StringComparison.Ordinal))) lastSteps[metric.Key] = metric.Step;
        queue = new LogQueue(store, id, $"run '{Name}'", warnings ?? Console.Error);
        OpenedRuns.Add(new(store.FullUri, RunId, Name, run.Tags.GetValueOrDefault("mlflow.parentRunId")));
    }

    /// <summary>MLflow's id of the run, 32 hex digits; <c>local-…</c> while a server that is away does not know the run.</summary>
    public string RunId => (store as SpooledStore)?.Real(id) ?? id;

    public string ExperimentId { get; }

    public string Name { get; }

    /// <summary>Starts a run, with tags for user, command line, git commit and, where given, the parent.</summary>
    /// <param name="store">Where to write; not disposed by the logger.</param>
    /// <param name="experiment">The experiment's name; made when there is none.</param>
    /// <param name="runName">The run's name.</param>
    /// <param name="parent">Id of the run that this one is nested in.</param>
    /// <param name="tags">Further tags.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    /// <param name="warnings">Where to say that values must wait; standard error by default.</param>
    public static RunLogger Start(ITrackingStore store, string experiment, string runName, string? parent = null,
        IReadOnlyDictionary<string, string>? tags = null, TimeProvider? clock = null, TextWriter? warnings = null)
    {
        clock ??= TimeProvider.System;
        var all = RunTags.Create();
        foreach (var (key, value) in RunProcess.Tags()) all[key] = value;
        if (parent is not null) all["mlflow.parentRunId"] = parent;
        foreach (var (key, value) in tags ?? new Dictionary<string, string>()) all[key] = value;
        var experimentId = store.GetOrCreateExperiment(experiment, new Dictionary<string, string> { ["mlflow.experimentKind"] = "custom_model_development" });
        var run = store.CreateRun(experimentId, runName, clock.GetUtcNow().ToUnixTimeMilliseconds(), all);
        return new(store, new Run(run, new Dictionary<string, Metric>(), new Dictionary<string, string>(), all, []), clock, warnings);
    }

    /// <summary>Goes on with a run: RUNNING again, without an end; params, pictures and tables that are there stay.</summary>
    public static RunLogger Resume(ITrackingStore store, string runId, TimeProvider? clock = null, TextWriter? warnings = null)
    {
        var run = store is SpooledStore spooled ? spooled.OpenRun(runId) : store.GetRun(runId);
        runId = run.Info.RunId;
        if (run.Info.Deleted) throw new UserException($"the run {runId} in {store.Uri} was deleted: restore it with `mlflow runs restore --run-id {runId}`");
        store.UpdateRun(runId, RunStatus.Running, endTime: null);
        store.LogBatch(runId, [], [], [.. RunProcess.Tags()]);
        return new(store, run, clock ?? TimeProvider.System, warnings);
    }

    /// <summary>Logs a param: written once, the same value again is harmless, another one refused. Text as Python's <c>str</c> makes it.</summary>
    public void Param(string key, object? value)
    {
        MlflowRules.CheckKey("param", key);
        var whole = ParamText.Of(value);
        var text = MlflowRules.Cut(whole, MlflowRules.MaxParamValue);
        if (text.Length < whole.Length) queue.Warnings.WriteLine($"warning: run '{Name}': param {key} has {whole.Length} characters, MLflow keeps the first {MlflowRules.MaxParamValue}");
        lock (gate)
        {
            if (parameters.TryGetValue(key, out var old))
                if (old == text) return;
                else throw SqliteStore.ParamChanged(RunId, key, old, text);
            Enqueue(new ParamEntry(key, text));
            parameters[key] = text;
        }
    }

    /// <summary>Logs params; see <see cref="Param"/>.</summary>
    public void Params(IEnumerable<KeyValuePair<string, object?>> values)
    {
        foreach (var (key, value) in values) Param(key, value);
    }

    /// <summary>Sets a tag, replacing an older value. Cut at 8000 characters, as MLflow does.</summary>
    public void Tag(string key, string value)
    {
        MlflowRules.CheckKey("tag", key);
        Enqueue(new TagEntry(key, value));
        if (key == NoteTag) note = value;
    }

    /// <summary>Logs a value of a metric. The part of the name before its last <c>/</c> is its section in MLflow's charts.</summary>
    public void Metric(string name, double value, long step)
    {
        lock (gate)
            if (!metricKeys.Contains(name))
            {
                MlflowRules.CheckKey("metric", name);
                metricKeys.Add(name);
            }
        Enqueue(new MetricEntry(new(name, value, Now(), step)));
    }

    /// <summary>Logs processor, memory, disk and network from now to the end of the run, every ten seconds by default.</summary>
    /// <param name="interval">Time between samples.</param>
    /// <param name="gpu">The GPU to log with them, by <c>nvidia-smi</c>'s number or UUID; null: none. One, not all: keys stay few.</param>
    public void LogSystem(TimeSpan? interval = null, string? gpu = null)
    {
        var folder = store.Folder ?? Environment.CurrentDirectory;
        lock (gate)
            system ??= new SystemMetrics(Metric, folder, firstSystemStep, interval ?? SystemMetrics.DefaultInterval, clock, gpu is null ? null : () => NvidiaSmi.Read(gpu));
    }

    /// <summary>Notes a data set that the run uses.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="digest">8 hex digits of the hash of its content.</param>
    /// <param name="context">What for: <c>training</c>, <c>eval</c>, …</param>
    /// <param name="source">Where it is: a path or address, or JSON.</param>
    /// <param name="profile">JSON, e.g. <c>{"num_rows":60000}</c>.</param>
    /// <param name="schema">JSON, e.g. <c>{"mlflow_colspec":[{"type":"string","name":"caption","required":true}]}</c>.</param>
    public void Dataset(string name, string digest, string context, string source, string? profile = null, string? schema = null)
    {
        var json = source.StartsWith('{') ? source : JsonSerializer.Serialize(new Dictionary<string, string> { ["uri"] = source }, Json);
        var dataset = new DatasetInput(name, digest, context, json, profile, schema);
        MlflowRules.CheckDataset(dataset);
        Enqueue(new WorkEntry(() => store.LogInputs(id, [dataset])));
    }

    /// <summary>Waits until all that was logged before is in the store.</summary>
    /// <exception cref="UserException">It cannot be written, or not within the patience (two minutes by default).</exception>
    public void Flush(TimeSpan? patience = null) => queue.Flush(patience ?? DefaultPatience);

    /// <summary>As <see cref="Flush"/>, but not for long, and not at all while the store cannot be written: what waits is written later.</summary>
    internal void Hurry() => queue.Hurry(SettlePatience);

    /// <summary>Writes all, then the status and the end of the run, and stops. Logging afterwards is an error.</summary>
    /// <exception cref="UserException">It cannot be written, or not within the patience (two minutes by default).</exception>
    public void Finish(RunStatus status = RunStatus.Finished, TimeSpan? patience = null) => End(status, error: null, patience);

    /// <summary>
    /// Ends the run while an exception is on its way, which must not be hidden by another: that the store cannot be written is
    /// said, not thrown. Nothing happens when the run has its end already.
    /// </summary>
    /// <param name="status">FAILED or KILLED.</param>
    /// <param name="error">The reason, which becomes a paragraph at the end of the run's description until the run ends well.</param>
    public void Abandon(RunStatus status, string? error = null)
    {
        try
        {
            End(status, error, patience: null);
        }
        catch (Exception e) when (e is UserException or InvalidOperationException)      // what the queue throws
        {
            if (error?.Contains(e.InnerException?.Message ?? e.Message, StringComparison.Ordinal) != true) queue.Warnings.WriteLine($"error: {e.Message}");
        }
        if (ended) return;
        try
        {
            Close(status, error, Now());        // what waits may not fit on the disk while these few bytes do
        }
        catch (UserException) { }               // said above
    }

    public void Dispose() => Abandon(RunStatus.Failed);

    private void End(RunStatus status, string? error, TimeSpan? patience)
    {
        lock (gate)
        {
            if (finished) return;
            finished = true;
        }
        system?.Dispose();
        var end = Now();
        queue.Close(new WorkEntry(() => Close(status, error, end)), patience ?? DefaultPatience);
        (store as SpooledStore)?.Settle(id, patience < SettlePatience ? patience.Value : SettlePatience);
    }

    private void Close(RunStatus status, string? error, long end)
    {
        store.UpdateRun(id, status, end);
        ended = true;
        if (NoteTags(status, error) is { Length: > 0 } tags) store.LogBatch(id, [], [], tags);
    }

    private void Enqueue(LogEntry entry)
    {
        ObjectDisposedException.ThrowIf(finished, this);
        queue.Add(entry);
    }

    private long Now() => clock.GetUtcNow().ToUnixTimeMilliseconds();
}
