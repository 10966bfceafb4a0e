using System.Net;

namespace JepaT.Lab;

/// <summary>
/// Sends the values of one spool file in order, a request at a time. A request that may have arrived is sent again: MLflow takes the same
/// value, param and tag once, and a create is looked for before it is repeated.
/// </summary>
/// <param name="store">The server; tries a call once.</param>
/// <param name="folder">The spool's folder.</param>
/// <param name="warnings">Where to say what the server refuses.</param>
internal sealed class SpoolSender(RestStore store, string folder, TextWriter warnings)
{
    public const string LocalPrefix = "local-";

    private const int MaxBytes = 500_000;       // of one request, where a single line is not longer

    private SpoolFile spool = null!;            // that of the call that goes on
    private string? runId;
    private (RunStatus Status, long? End)? before;
    private bool toldRefused;

    /// <summary>Whether a call failed for a reason that may pass without a change of the values: the way to the server is broken, or it refuses the login.</summary>
    public static bool IsAway(Exception error) => error is UserException { InnerException: MlflowException e }
        && (e.IsTransient || e.InnerException is IOException || (e.StatusCode is not null && !IsRefusal(e)));

    // A page without MLflow's word may be a proxy's.
    private static bool IsRefusal(MlflowException e) => e.StatusCode is HttpStatusCode.RequestEntityTooLarge
        || (e.ErrorCode is not null && e.StatusCode is (HttpStatusCode.BadRequest or HttpStatusCode.NotFound or HttpStatusCode.UnprocessableEntity));

    /// <summary>The id that the server has given to a run that was started without it; null: not yet.</summary>
    public static string? Known(string folder, string id)
    {
        var file = Path.Combine(folder, id + ".id");
        return File.Exists(file) ? File.ReadAllText(file).Trim() : null;
    }

    /// <summary>Sends the next request; gives how many values it held, 0 when nothing waits.</summary>
    /// <param name="from">The run's file, open; not owned.</param>
    /// <exception cref="UserException">The server is away or does not take the run: nothing has been given up.</exception>
    public int Next(SpoolFile from)
    {
        spool = from;
        runId ??= Begin();
        if (spool.Read() is not [var first, ..] entries)
        {
            if (before is { } was) store.UpdateRun(runId, was.Status, was.End);
            before = null;
            return 0;
        }
        if (first.Line is not { IsBatch: true } line)
        {
            if (first.Line is null) Refuse(new SpoolLine(), $"{first.Size} bytes that are no line of a spool");
            else Send(first.Line);
            spool.Advance(first.End, first.Line?.File);
            return 1;
        }
        var batch = new List<LogEntry>(Items(line));
        var (end, bytes) = (first.End, first.Size);
        foreach (var entry in entries.Skip(1))
        {
            if (entry.Line is not { IsBatch: true } more || (bytes += entry.Size) > MaxBytes || !Fits([.. batch, .. Items(more)])) break;
            batch.AddRange(Items(more));
            end = entry.End;
        }
        Send(batch);
        spool.Advance(end);
        return batch.Count;
    }

    private static IEnumerable<LogEntry> Items(SpoolLine line) =>
        (line.Params ?? []).Select(p => (LogEntry)new ParamEntry(p.Key, p.Value)).Concat((line.Metrics ?? []).Select(m => new MetricEntry(m)))
        .Concat((line.Tags ?? []).Select(t => new TagEntry(t.Key, t.Value)));

    private static bool Fits(List<LogEntry> batch)
    {
        var keys = batch.OfType<ParamEntry>().Select(p => p.Key).ToList();
        var tags = batch.OfType<TagEntry>().Count();
        return batch.Count <= MlflowRules.MaxItems && keys.Count <= MlflowRules.MaxParams && keys.Distinct().Count() == keys.Count && tags <= MlflowRules.MaxTags;
    }

    /// <summary>Makes the run if it has to be made, sees that it takes values, and gives its id.</summary>
    private string Begin()
    {
        var head = spool.Head;
        var id = !head.RunId.StartsWith(LocalPrefix, StringComparison.Ordinal) ? head.RunId : Known(folder, head.RunId) ?? Create(head);
        var info = RequireActive(id);
        if (info.Status != RunStatus.Running)           // ended meanwhile, by somebody who did not know of these values
        {
            store.UpdateRun(id, RunStatus.Running, endTime: null);
            before = (info.Status, info.EndTime);
        }
        return id;
    }

    private RunInfo RequireActive(string id)
    {
        try
        {
            var info = store.GetRun(id).Info;
            if (!info.Deleted) return info;
        }
        catch (UserException e) when (!IsAway(e))
        {
            throw new UserException($"{store.Uri} has no run {id} any more: its values stay in {spool.Path}, delete that file if nobody needs them", e);
        }
        throw new UserException($"run '{spool.Head.Name}' ({id}) was deleted at {store.Uri}: restore it there, or delete {spool.Path}");
    }

    private string Create(SpoolHead head)
    {
        var create = head.Create ?? throw new UserException($"{spool.Path}: does not say how to make its run; delete the file if nobody needs it");
        var tags = new Dictionary<string, string>(create.Tags);
        if (tags.TryGetValue("mlflow.parentRunId", out var parent) && parent.StartsWith(LocalPrefix, StringComparison.Ordinal))
        {
            if (Known(folder, parent) is { } known) tags["mlflow.parentRunId"] = known;
            else if (File.Exists(SpoolFile.PathOf(folder, parent))) throw new UserException($"run '{head.Name}' waits for its parent run, which has to be sent first");
            else tags.Remove("mlflow.parentRunId");
        }
        var experiment = create.ExperimentId ?? store.GetOrCreateExperiment(create.Experiment!, create.ExperimentTags);
        var id = store.CreateRun(experiment, head.Name, create.StartTime, tags, create.Id, lookFirst: true).RunId;
        AtomicFile.Write(Path.Combine(folder, head.RunId + ".id"), id + "\n");
        // Where the run's own folder is, which is asked first when the run is to go on.
        foreach (var place in spool.Pending().Take(100).SelectMany(e => e.Line?.Tags ?? []).Where(t => t.Key == "jepat.folder").Select(t => new RunFolder(t.Value)))
            if (place.RunId == head.RunId) place.SetRunId(id);
        return id;
    }

    private void Send(List<LogEntry> batch)
    {
        try
        {
            store.SendBatch(runId!,
                [.. batch.OfType<MetricEntry>().Select(e => e.Metric)],
                [.. batch.OfType<ParamEntry>().Select(e => KeyValuePair.Create(e.Key, e.Value))],
                [.. batch.OfType<TagEntry>().Select(e => KeyValuePair.Create(e.Key, e.Value))]);
        }
        catch (UserException e) when (!IsAway(e))
        {
            // One bad value makes the server refuse all of a call: the others shall arrive.
            RequireActive(runId!);
            if (batch.Count > 1)
            {
                Send(batch[..(batch.Count / 2)]);
                Send(batch[(batch.Count / 2)..]);
            }
            else
            {
                Refuse(batch[0] switch
                {
                    MetricEntry m => new() { Metrics = [m.Metric] },
                    ParamEntry p => new() { Params = [KeyValuePair.Create(p.Key, p.Value)] },
                    TagEntry t => new() { Tags = [KeyValuePair.Create(t.Key, t.Value)] },
                    var other => throw new InvalidOperationException($"no batch holds a {other}"),
                }, e.Message);
            }
        }
    }

    private void Send(SpoolLine line)
    {
        try
        {
            if (line is { Artifact: { } path, File: { } name })
            {
                using var content = File.OpenRead(spool.FileOf(name));
                store.UploadArtifact(runId!, path, content);
            }
            else if (line.Inputs is { } inputs)
            {
                store.LogInputs(runId!, inputs);
            }
            else if (line.Status is { } status)
            {
                store.UpdateRun(runId!, status, line.End, line.Name);
                before = null;
            }
            else
            {
                Refuse(line, "a line that says nothing");
            }
        }
        catch (FileNotFoundException e)
        {
            Refuse(line, e.Message);
        }
        catch (UserException e) when (!IsAway(e))
        {
            RequireActive(runId!);
            Refuse(line, e.Message);
        }
    }

    private void Refuse(SpoolLine line, string why)
    {
        spool.Refuse(line, why);
        if (!toldRefused) warnings.WriteLine($"warning: run '{spool.Head.Name}': {why}; this and what else is refused is kept in {spool.RefusedPath}");
        toldRefused = true;
    }
}
