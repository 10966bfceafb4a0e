using System.Collections.Concurrent;

namespace JepaT.Lab;

/// <summary>
/// A server for those who log and must not wait: what cannot be sent at once goes to a file of the run in the spool's folder, and a thread
/// sends it in order when the server answers again, in this process or by <c>./lab runs sync</c> in a later one. A run may even be started while the server
/// is away; it has a local id until then. Reading asks the server.
/// </summary>
internal sealed partial class SpooledStore : ITrackingStore
{
    private readonly RestStore some, once;
    private readonly TimeProvider clock;
    private readonly TextWriter warnings;
    private readonly ConcurrentDictionary<string, SpooledRun> runs = new();
    private readonly ConcurrentDictionary<string, Dictionary<string, string>> newExperiments = new();      // by name: those that could not be asked for

    private SpooledStore(RestStore some, RestStore once, RestStore sender, string folder, TimeProvider clock, TextWriter warnings)
    {
        (this.some, this.once, this.sender, Spool, this.clock, this.warnings) = (some, once, sender, folder, clock, warnings);
        older = [.. SpoolFile.In(folder).Where(f => f.Head?.Server == Uri).Select(f => f.Path)];
        thread = new Thread(SendAll) { IsBackground = true, Name = "tracking spool" };
    }

    public string Uri => some.Uri;

    public string FullUri => some.FullUri;

    public string? Folder => null;

    /// <summary>The folder of the spool; made when it is needed.</summary>
    public string Spool { get; }

    /// <summary>Whether the server did not answer when the store was opened or last tried.</summary>
    public bool IsAway => away;

    /// <summary>Connects to a server that may be away.</summary>
    /// <param name="uri">Its address.</param>
    /// <param name="clock">The clock; the system's by default.</param>
    /// <param name="folder">The spool's folder; by default that of JEPAT_MLFLOW_SPOOL, else <c>mlflow-spool</c> in the current folder.</param>
    /// <param name="warnings">Where to say what happens; standard error by default.</param>
    /// <param name="adapt">Changes what the environment says of patience and login.</param>
    /// <exception cref="UserException">What answers there is no MLflow server, or it wants another login.</exception>
    public static SpooledStore Open(string uri, TimeProvider? clock = null, string? folder = null, TextWriter? warnings = null, Func<MlflowOptions, MlflowOptions>? adapt = null)
    {
        clock ??= TimeProvider.System;
        var (some, once, sender) = RestStore.Connect(uri, clock, adapt);
        var store = new SpooledStore(some, once, sender, FolderOf(folder), clock, TextWriter.Synchronized(warnings ?? Console.Error));
        try
        {
            once.Check();
        }
        catch (UserException e) when (store.IsTransient(e))
        {
            store.away = store.toldAway = true;
            store.warnings.WriteLine($"warning: {e.Message}; what is logged waits in {store.Spool} and is sent when the server answers, at the latest by './lab runs sync'");
        }
        catch
        {
            store.Dispose();
            throw;
        }
        if (store.older.Count > 0)
            store.warnings.WriteLine($"values of {store.older.Count} earlier run{(store.older.Count == 1 ? "" : "s")} wait in {store.Spool}: sent beside this one while it goes on");
        store.thread.Start();
        return store;
    }

    /// <summary>The folder given, else that of JEPAT_MLFLOW_SPOOL, else <c>mlflow-spool</c>; full.</summary>
    public static string FolderOf(string? given) =>
        Path.GetFullPath(given ?? (Environment.GetEnvironmentVariable("JEPAT_MLFLOW_SPOOL") is { Length: > 0 } named ? named : "mlflow-spool"));

    /// <summary>What the queue may try again: the spool itself could not be written.</summary>
    public bool IsTransient(Exception error) => some.IsTransient(error) || error is UserException { InnerException: IOException or UnauthorizedAccessException };

    public string GetOrCreateExperiment(string name, IReadOnlyDictionary<string, string>? tags = null)
    {
        MlflowRules.CheckLength("experiment", "name", name, MlflowRules.MaxExperimentName, required: true);
        if (!away)
        {
            try
            {
                return some.GetOrCreateExperiment(name, tags);
            }
            catch (UserException e) when (SpoolSender.IsAway(e))
            {
                Missed(e);
            }
        }
        newExperiments[name] = new(tags ?? new Dictionary<string, string>());
        return SpoolSender.LocalPrefix + name;
    }

    public RunInfo CreateRun(string experimentId, string name, long startTime, IReadOnlyDictionary<string, string>? tags = null)
    {
        RestStore.CheckNewRun(name, startTime, tags);
        var all = new Dictionary<string, string>(tags ?? new Dictionary<string, string>());
        if (all.TryGetValue("mlflow.parentRunId", out var parent)) all["mlflow.parentRunId"] = parent = Real(parent);
        var createId = Guid.NewGuid().ToString("N");
        var experiment = experimentId.StartsWith(SpoolSender.LocalPrefix, StringComparison.Ordinal) ? experimentId[SpoolSender.LocalPrefix.Length..] : null;
        if (experiment is null && parent?.StartsWith(SpoolSender.LocalPrefix, StringComparison.Ordinal) != true && !away)
        {
            try
            {
                var info = some.CreateRun(experimentId, name, startTime, all, createId, lookFirst: false);
                RunOf(info.RunId).Name = name;
                return info;
            }
            catch (UserException e) when (SpoolSender.IsAway(e))
            {
                Missed(e);
            }
        }
        var id = SpoolSender.LocalPrefix + createId;
        var run = RunOf(id);
        run.Name = name;
        lock (run.Gate)
            Hold(run, new SpoolCreate(createId, experiment is null ? experimentId : null, experiment, experiment is null ? null : newExperiments.GetValueOrDefault(experiment), startTime, all));
        warnings.WriteLine($"run '{name}' starts without the server: it is kept in {run.Spool!.Path}");
        return new(id, experimentId, name, RunStatus.Running, startTime, null, "");
    }

    /// <summary>
    /// A run to go on with, as far as it is known: by the server and, over that, by what still waits for it. While the server is away
    /// only the latter is.
    /// </summary>
    public Run OpenRun(string runId)
    {
        string id;
        SpooledRun run;
        lock (olderGate)            // so that it is not just being sent to its end
        {
            run = RunOf(id = Real(runId));
            lock (run.Gate) if (File.Exists(SpoolFile.PathOf(Spool, id))) Hold(run);
        }
        if (run.Spool is null && id.StartsWith(SpoolSender.LocalPrefix, StringComparison.Ordinal))
            throw new UserException($"the run {id} was started without its server and is not in {Spool}: start where it was started, or set JEPAT_MLFLOW_SPOOL to that spool");
        Run? known = null;
        if (!id.StartsWith(SpoolSender.LocalPrefix, StringComparison.Ordinal) && !away)
        {
            try
            {
                known = some.GetRun(id);
            }
            catch (UserException e) when (SpoolSender.IsAway(e))
            {
                Missed(e);
            }
        }
        var head = run.Spool?.Head;
        run.Name = known?.Info.Name ?? head?.Name ?? id;
        known ??= new(new(id, "", run.Name, RunStatus.Running, head?.Create?.StartTime ?? 0, null, ""), new Dictionary<string, Metric>(), new Dictionary<string, string>(),
            head?.Create?.Tags ?? [], []);
        if (run.Spool is not { } spool) return known;
        var (metrics, parameters, tags) = (new Dictionary<string, Metric>(known.Metrics), new Dictionary<string, string>(known.Params), new Dictionary<string, string>(known.Tags));
        foreach (var line in spool.Pending().Select(e => e.Line).OfType<SpoolLine>())
        {
            foreach (var metric in line.Metrics ?? [])
                if (!metrics.TryGetValue(metric.Key, out var old) || metric.Step >= old.Step) metrics[metric.Key] = metric;
            foreach (var (key, value) in line.Params ?? []) parameters[key] = value;
            foreach (var (key, value) in line.Tags ?? []) tags[key] = value;
        }
        return known with { Metrics = metrics, Params = parameters, Tags = tags };
    }

    /// <summary>Paths of the files of a run that wait.</summary>
    public IReadOnlyList<string> WaitingFiles(string runId)
    {
        var run = RunOf(runId);
        lock (run.Gate) return run.Spool is { } spool ? [.. spool.Pending().Select(e => e.Line?.Artifact).OfType<string>()] : [];
    }

    /// <summary>From now on the values of a run go through its file, where what the server refuses is kept.</summary>
    public void Keep(string runId)
    {
        var run = RunOf(runId);
        lock (run.Gate) Hold(run);
    }

    /// <summary>The id that the server knows a run by, where it does.</summary>
    public string Real(string runId) => runId.StartsWith(SpoolSender.LocalPrefix, StringComparison.Ordinal) ? SpoolSender.Known(Spool, runId) ?? runId : runId;

    public void LogBatch(string runId, IReadOnlyCollection<Metric> metrics, IReadOnlyCollection<KeyValuePair<string, string>> parameters,
        IReadOnlyCollection<KeyValuePair<string, string>> tags)
    {
        MlflowRules.CheckBatch(metrics, parameters, tags);
        Write(runId, _ => new() { Metrics = Some(metrics), Params = Some(parameters), Tags = Some(tags) }, id => once.LogBatch(id, metrics, parameters, tags));

        static IReadOnlyCollection<T>? Some<T>(IReadOnlyCollection<T> items) => items.Count > 0 ? items : null;
    }

    public void UpdateRun(string runId, RunStatus status, long? endTime, string? name = null) =>
        Write(runId, _ => new() { Status = status, End = endTime, Name = name }, id => once.UpdateRun(id, status, endTime, name));

    public void LogInputs(string runId, IReadOnlyCollection<DatasetInput> datasets)
    {
        foreach (var dataset in datasets) MlflowRules.CheckDataset(dataset);
        Write(runId, _ => new() { Inputs = datasets }, id => once.LogInputs(id, datasets));
    }

    public void UploadArtifact(string runId, string path, Stream content)
    {
        MlflowRules.CheckArtifactPath(path);
        var start = content.CanSeek ? content.Position : 0;
        Write(runId, Kept, content.CanSeek ? id => once.UploadArtifact(id, path, content) : null);

        SpoolLine Kept(SpoolFile spool)
        {
            if (content.CanSeek) content.Position = start;
            return new() { Artifact = path, File = spool.Keep(content) };
        }
    }

    public IReadOnlyList<ExperimentInfo> Experiments(RunStage view = RunStage.Active) => some.Experiments(view);

    public void SetExperimentTag(string experimentId, string key, string value) => some.SetExperimentTag(experimentId, key, value);

    public void DeleteTag(string runId, string key) => some.DeleteTag(Real(runId), key);

    public void DeleteRun(string runId) => some.DeleteRun(Real(runId));

    public void RestoreRun(string runId) => some.RestoreRun(Real(runId));

    public Stream OpenArtifact(string runId, string path) => some.OpenArtifact(Real(runId), path);

    public IReadOnlyList<ArtifactInfo> Artifacts(string runId) => some.Artifacts(Real(runId));

    public Run GetRun(string runId) => some.GetRun(Real(runId));

    public IReadOnlyList<Run> SearchRuns(RunQuery query) => some.SearchRuns(query);

    public IReadOnlyList<Metric> MetricHistory(string runId, string key) => some.MetricHistory(Real(runId), key);
}
