namespace JepaT.Notebooks;

/// <summary>
/// Roslyn does a part of each compilation on the thread pool, however it is told to compile. Where cells have left the pool full of tasks
/// that block, that part would wait until the pool has grown by itself, a thread in half a second.
/// </summary>
internal static class PoolRoom
{
    private const int Most = 256;           // threads that are added at a time

    private static readonly (int Workers, int Ports) Usual = Minimum();

    /// <summary>Lets the pool have threads for all that waits in it, and as few as usual once nothing does.</summary>
    public static void Make()
    {
        var waiting = (int)Math.Min(Most, ThreadPool.PendingWorkItemCount);
        ThreadPool.SetMinThreads(waiting == 0 ? Usual.Workers : ThreadPool.ThreadCount + waiting + 1, Usual.Ports);
    }

    private static (int, int) Minimum()
    {
        ThreadPool.GetMinThreads(out var workers, out var ports);
        return (workers, ports);
    }
}
