namespace JepaT.Lab;

/// <summary>A run that this process logs; <see cref="Spool"/> while values of it wait.</summary>
internal sealed class SpooledRun(string id)
{
    public string Id { get; } = id;

    /// <summary>Held while something is sent directly or put into the spool: what is later never overtakes.</summary>
    public object Gate { get; } = new();

    public string Name { get; set; } = id;

    public SpoolFile? Spool { get; set; }

    public SpoolSender? Sender { get; set; }
}

// The way of a value: directly, or into the spool and from there by the thread.
internal sealed partial class SpooledStore
{
    /// <summary>A server that takes longer for a batch is not waited for by the queue.</summary>
    private static readonly TimeSpan Slow = TimeSpan.FromSeconds(3);

    private readonly RestStore sender;
    private readonly Thread thread;
    private readonly AutoResetEvent wake = new(false);
    private readonly List<string> older;            // files of earlier processes, for the thread
    private readonly Dictionary<string, SpoolSender> olderSenders = [];
    private readonly Lock olderGate = new();        // held while one of those is open here
    private volatile bool away, hurry, closing;
    private volatile bool toldAway;
    private long lastTold = long.MinValue / 2;
    private volatile bool asked;                    // the server has said when it may be asked again
    private readonly HashSet<string> told = [];     // what the thread has said
    private long arrived, notBefore;                // times of Environment.TickCount64: the last success, and when to try again

    public void Dispose()
    {
        closing = true;
        wake.Set();
        some.Dispose();                             // ends what is on its way
        if (thread.IsAlive) thread.Join(TimeSpan.FromSeconds(10));
        foreach (var run in runs.Values)
            lock (run.Gate)
            {
                run.Spool?.Dispose();
                run.Spool = null;
            }
    }

    /// <summary>Waits until all of a run has arrived, as long as something does within the patience; says where it is when it has not.</summary>
    public void Settle(string runId, TimeSpan patience)
    {
        if (!runs.TryGetValue(runId, out var run)) return;
        Interlocked.Exchange(ref arrived, Environment.TickCount64);
        hurry = true;
        while (Waits(run) && Ago(ref arrived) < patience.TotalMilliseconds && !(asked && -Ago(ref notBefore) > patience.TotalMilliseconds))
        {
            wake.Set();
            Thread.Sleep(20);
        }
        hurry = false;
        lock (run.Gate)
        {
            if (run.Spool is not { } spool || TryRetire(run)) return;
            spool.Sync();
            warnings.WriteLine($"values of run '{run.Name}' wait in {spool.Path}; './lab runs sync' sends them");
        }
    }

    /// <summary>The file of a run while its values wait.</summary>
    internal SpoolFile? SpoolOf(string runId) => runs.TryGetValue(runId, out var run) ? run.Spool : null;

    private static long Ago(ref long time) => Environment.TickCount64 - Interlocked.Read(ref time);

    private static bool Waits(SpooledRun run)
    {
        lock (run.Gate) return run.Spool is { IsDrained: false } || run is { Spool.Head.Create: not null };
    }

    private SpooledRun RunOf(string id) => id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? runs.GetOrAdd(id, key => new SpooledRun(key))
        : throw new UserException($"'{id}' is no id of a run");

    private void Write(string runId, Func<SpoolFile, SpoolLine> line, Action<string>? direct)
    {
        var run = RunOf(runId);
        lock (run.Gate)
        {
            if (run.Spool is null && direct is not null && !away)
            {
                var start = Environment.TickCount64;
                try
                {
                    direct(Real(runId));
                    if (Environment.TickCount64 - start > Slow.TotalMilliseconds) Hold(run);
                    return;
                }
                catch (UserException e) when (SpoolSender.IsAway(e))
                {
                    Missed(e);
                }
            }
            Hold(run);
            Spooling(run.Spool!.Path, () => run.Spool.Append(line(run.Spool)));
        }
        wake.Set();
    }

    /// <summary>From now on all values of the run go through its file. To be called with its gate held.</summary>
    private void Hold(SpooledRun run, SpoolCreate? create = null)
    {
        if (run.Spool is not null) return;
        // A run that has got its id meanwhile goes on under that.
        var head = new SpoolHead(Uri, create is null ? Real(run.Id) : run.Id, run.Name, clock.GetUtcNow().ToUnixTimeMilliseconds(), create);
        lock (olderGate) Spooling(SpoolFile.PathOf(Spool, head.RunId), () => run.Spool = SpoolFile.OpenOrCreate(Spool, head, clock, warnings));
        run.Sender = new SpoolSender(sender, Spool, warnings);
    }

    private static void Spooling(string path, Action write)
    {
        try
        {
            write();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"the server is away and {path} cannot be written ({e.Message})", e);
        }
    }

    private void Missed(UserException e)
    {
        // A server that is overloaded shall not fill the screen.
        if (!away && !toldAway && Ago(ref lastTold) > 60_000)
        {
            (toldAway, lastTold) = (true, Environment.TickCount64);
            warnings.WriteLine($"warning: {e.Message}; values wait in {Spool} and are sent when it answers again");
        }
        away = true;
        if ((e.InnerException as MlflowException)?.RetryAfter is { } wait) Pause(wait, true);
        wake.Set();
    }

    private void Pause(TimeSpan time, bool said)
    {
        // A pause of our own does not cut short one that the server has asked for.
        if (asked && !said && -Ago(ref notBefore) > time.TotalMilliseconds) return;
        asked = said;
        Interlocked.Exchange(ref notBefore, Environment.TickCount64 + (long)time.TotalMilliseconds);
    }

    /// <summary>The thread: sends what waits, oldest run first; when that fails it pauses, longer each time, or as long as the server asks.</summary>
    private void SendAll()
    {
        var failed = 0L;
        for (var failures = 0; !closing;)
        {
            // When a run ends and waits for this, pauses of our own are short.
            for (long left; !closing && (left = -Ago(ref notBefore)) > 0;)
                if (hurry && !asked && left > 1000) Pause(TimeSpan.FromSeconds(1), false);
                else wake.WaitOne((int)Math.Min(left, 500));
            if (closing) return;
            try
            {
                SendRound();
                failures = 0;
                if (away) Back();
                if (older.Count == 0 && runs.Values.All(r => r.Spool is null or { IsDrained: true })) wake.WaitOne(1000);
            }
            catch (Exception) when (closing)
            {
                return;                     // the connection was closed under it
            }
            catch (UserException e)
            {
                Missed(e);
                if (Interlocked.Read(ref arrived) > failed) failures = 0;
                failed = Environment.TickCount64;
                if ((e.InnerException as MlflowException)?.RetryAfter is null) Pause(Longer(sender.Pause(++failures)), false);
            }
            catch (Exception e)             // of the disk, or unforeseen: it must not end the training
            {
                Tell(new UserException($"{Spool}: what waits there cannot be sent: {e.Message}", e));
                Pause(TimeSpan.FromSeconds(5), false);
            }
        }
    }

    private static TimeSpan Longer(TimeSpan pause) => pause > TimeSpan.FromSeconds(0.2) ? pause : TimeSpan.FromSeconds(0.2);

    /// <summary>Tries all that waits.</summary>
    /// <exception cref="UserException">The server is away.</exception>
    private void SendRound()
    {
        var sent = false;
        UserException? failed = null;
        foreach (var run in runs.Values.Where(r => r.Spool is not null).OrderBy(r => r.Spool?.Head.Started ?? 0).ToList())
        {
            try
            {
                SendRun(run);
                sent = true;
            }
            catch (UserException e) when (!SpoolSender.IsAway(e))
            {
                Tell(e);                    // of this run alone; its values stay
                wake.WaitOne(1000);
            }
            catch (UserException e) when (e.InnerException is MlflowException { StatusCode: not null, RetryAfter: null })
            {
                failed = e;                 // it answers, and may take what others have: of a full disk, say, only files are refused
            }
        }
        foreach (var path in older.ToList())
        {
            try
            {
                SendOlder(path);
                sent = true;
            }
            catch (UserException e) when (!SpoolSender.IsAway(e))
            {
                Tell(e);
                older.Remove(path);         // left to './lab runs sync'
            }
        }
        if (failed is not null) throw failed;
        if (!sent && away) sender.Check();  // nothing waits, but the next run wants to know
    }

    private void Tell(UserException e)
    {
        if (told.Add(e.Message)) warnings.WriteLine($"warning: {e.Message}");
    }

    private void SendRun(SpooledRun run)
    {
        while (!closing)
        {
            var start = Environment.TickCount64;
            SpoolFile? spool;
            lock (run.Gate) spool = run.Spool;
            if (spool is null) return;
            var count = run.Sender!.Next(spool);
            Interlocked.Exchange(ref arrived, Environment.TickCount64);
            if (count > 0) continue;
            lock (run.Gate)
            {
                if (run.Spool is not { IsDrained: true }) continue;
                // A slow server goes on getting its values from here.
                if (hurry || Environment.TickCount64 - start < Slow.TotalMilliseconds) TryRetire(run);
            }
            return;
        }
    }

    private static bool TryRetire(SpooledRun run)
    {
        if (run.Spool?.TryDelete() != true) return false;
        (run.Spool, run.Sender) = (null, null);
        return true;
    }

    // Opened for each request only, so that a process that goes on with that run need not wait.
    private void SendOlder(string path)
    {
        for (var count = 1; count > 0 && !closing;)
            lock (olderGate)
            {
                try
                {
                    using var spool = SpoolFile.TryOpen(path, clock, warnings);
                    if (!olderSenders.TryGetValue(path, out var sending)) sending = olderSenders[path] = new SpoolSender(sender, Spool, warnings);
                    count = spool is null ? 0 : sending.Next(spool);
                    Interlocked.Exchange(ref arrived, Environment.TickCount64);
                    if (count > 0) continue;
                    spool?.TryDelete();
                    older.Remove(path);
                }
                catch (IOException)         // another process is at it
                {
                    older.Remove(path);
                    count = 0;
                }
            }
    }

    private void Back()
    {
        away = false;
        if (!toldAway) return;
        toldAway = false;
        warnings.WriteLine($"{Uri} answers again, and has what waited");
    }
}
