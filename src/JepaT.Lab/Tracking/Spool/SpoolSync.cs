namespace JepaT.Lab;

/// <summary>Sends what earlier processes have left in a spool, run by run.</summary>
/// <param name="folder">The spool.</param>
/// <param name="output">Gets a line a run, and a summary.</param>
/// <param name="clock">The clock; the system's by default.</param>
/// <param name="adapt">Changes what the environment says of patience and login.</param>
internal sealed class SpoolSync(string folder, TextWriter output, TimeProvider? clock = null, Func<MlflowOptions, MlflowOptions>? adapt = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private int sent, left, busy;
    private long values;

    /// <summary>What waits, by run.</summary>
    public void List()
    {
        var files = SpoolFile.In(folder);
        foreach (var (path, head) in files)
        {
            if (head is null)
            {
                output.WriteLine($"{path}: is no spool of a run");
                continue;
            }
            try
            {
                using var spool = SpoolFile.TryOpen(path, clock, output);
                if (spool is null) continue;
                var (count, uploads) = (0L, 0);
                foreach (var entry in spool.Pending())
                {
                    if (entry.Line?.Artifact is not null) uploads++;
                    else count += entry.Line?.Count ?? 1;
                }
                output.WriteLine($"run '{head.Name}' ({head.RunId}): {count} values and {uploads} files for {head.Server}");
            }
            catch (IOException)
            {
                output.WriteLine($"run '{head.Name}' ({head.RunId}): in use by another process, for {head.Server}");
            }
        }
        if (files.Count == 0) output.WriteLine($"nothing waits in {folder}");
    }

    /// <summary>Sends it all; true when nothing is left but what living processes are sending themselves.</summary>
    /// <exception cref="OperationCanceledException">Stopped between two requests; the next call goes on there.</exception>
    public bool Send(CancellationToken stop)
    {
        var files = SpoolFile.In(folder);
        foreach (var (path, head) in files.Where(f => f.Head is null))
        {
            output.WriteLine($"{path}: is no spool of a run, left alone");
            left++;
        }
        foreach (var server in files.Where(f => f.Head is not null).GroupBy(f => f.Head!.Server)) SendTo(server.Key, [.. server.Select(f => (f.Path, f.Head!))], stop);
        output.WriteLine(files.Count == 0 ? $"nothing waits in {folder}"
            : $"{sent} run{(sent == 1 ? "" : "s")} sent ({values} values and files)" + (left > 0 ? $", {left} left in {folder}" : "") + (busy > 0 ? $", {busy} in use by other processes" : ""));
        return left == 0;
    }

    private void SendTo(string server, List<(string Path, SpoolHead Head)> files, CancellationToken stop)
    {
        busy += files.RemoveAll(IsInUse);
        if (files.Count == 0) return;
        // The environment's address may carry the login for this server.
        var uri = Environment.GetEnvironmentVariable("MLFLOW_TRACKING_URI") is { Length: > 0 } named && Uri.TryCreate(named, UriKind.Absolute, out var full)
            && full.Scheme is "http" or "https" && new MlflowOptions { TrackingUri = full }.Shown == server ? named : server;
        var (some, _, store) = RestStore.Connect(uri, clock, adapt);
        using (store)
        {
            try
            {
                store.Check();          // once: an address where nothing listens shall not take minutes to be told
            }
            catch (UserException e)
            {
                output.WriteLine($"{e.Message}; {files.Count} run{(files.Count == 1 ? "" : "s")} for it stay in {folder}");
                left += files.Count;
                return;
            }
            for (var at = 0; at < files.Count; at++)
            {
                var (path, head) = files[at];
                try
                {
                    if (SendOne(store, path, head, stop)) sent++;
                    else busy++;
                }
                catch (UserException e)
                {
                    stop.ThrowIfCancellationRequested();
                    output.WriteLine($"run '{head.Name}' ({head.RunId}): not sent: {e.Message}");
                    left++;
                    if (!SpoolSender.IsAway(e)) continue;
                    left += files.Count - at - 1;           // the others would wait for the same server in vain
                    return;
                }
            }
            StaleRuns.Mark(some, output, clock, folder);
        }
    }

    private bool IsInUse((string Path, SpoolHead Head) file)
    {
        try
        {
            SpoolFile.TryOpen(file.Path, clock, output)?.Dispose();
            return false;
        }
        catch (IOException)
        {
            output.WriteLine($"run '{file.Head.Name}' ({file.Head.RunId}): in use by another process, which sends it itself");
            return true;
        }
    }

    /// <summary>False: another process is at it.</summary>
    private bool SendOne(RestStore store, string path, SpoolHead head, CancellationToken stop)
    {
        SpoolFile? spool;
        try
        {
            spool = SpoolFile.TryOpen(path, clock, output);
        }
        catch (IOException)
        {
            output.WriteLine($"run '{head.Name}' ({head.RunId}): in use by another process, which sends it itself");
            return false;
        }
        if (spool is null) return true;         // sent by another process since
        using (spool)
        {
            var total = spool.Waiting;
            using var progress = new Progress($"sending {head.Name}", Math.Max(1, total), "bytes");
            var sender = new SpoolSender(store, folder, output);
            var before = values;
            for (int count; (count = Patiently(store, () => sender.Next(spool), stop)) > 0;)
            {
                values += count;
                progress.Report(total - spool.Waiting);
                stop.ThrowIfCancellationRequested();
            }
            spool.TryDelete();
            output.WriteLine($"run '{head.Name}' ({SpoolSender.Known(folder, head.RunId) ?? head.RunId}): {values - before} values and files sent to {store.Uri}");
        }
        return true;
    }

    /// <summary>Tries as often, and with such pauses, as MLflow's Python client.</summary>
    private static int Patiently(RestStore store, Func<int> send, CancellationToken stop)
    {
        for (var failures = 1; ; failures++)
        {
            try
            {
                return send();
            }
            catch (UserException e) when (SpoolSender.IsAway(e) && store.IsTransient(e) && failures <= store.MaxRetries)
            {
                var asked = (e.InnerException as MlflowException)?.RetryAfter;
                if (asked > TimeSpan.FromMinutes(10)) throw;
                stop.WaitHandle.WaitOne(asked ?? store.Pause(failures));
                stop.ThrowIfCancellationRequested();
            }
        }
    }
}
