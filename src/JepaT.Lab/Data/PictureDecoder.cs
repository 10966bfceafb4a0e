using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Threading.Channels;

namespace JepaT.Lab;

/// <summary>What is done about a picture that cannot be decoded.</summary>
public enum CorruptPictures
{
    /// <summary>It is named, counted and left out.</summary>
    Skip,

    /// <summary>It ends the program.</summary>
    Fail,
}

/// <summary>
/// Decodes batches of pictures on threads of its own while others work. Each picture has its place in its batch and batches are asked
/// for by name, so order and content are the same with any number of threads; at most so many pictures as said wait to be decoded.
/// </summary>
internal sealed class PictureDecoder : IDisposable
{
    private readonly ImageFolder folder;
    private readonly int side;
    private readonly CorruptPictures policy;
    private readonly Action<string> report;
    private readonly Channel<Job> jobs;
    private readonly Thread[] workers;
    private readonly ConcurrentDictionary<long, string> corrupt = new();
    private volatile bool stopping;

    /// <param name="folder">The pictures.</param>
    /// <param name="side">Height and width of what comes out.</param>
    /// <param name="policy">What to do about corrupt pictures.</param>
    /// <param name="threads">Threads that decode.</param>
    /// <param name="ahead">Pictures that may wait; <see cref="Begin"/> waits where there would be more.</param>
    /// <param name="report">Told once of each picture skipped; by default standard error.</param>
    public PictureDecoder(ImageFolder folder, int side, CorruptPictures policy, int threads, int ahead, Action<string>? report = null)
    {
        (this.folder, this.side, this.policy) = (folder, side, policy);
        this.report = report ?? (line => Console.Error.WriteLine(line));
        jobs = Channel.CreateBounded<Job>(new BoundedChannelOptions(ahead) { SingleWriter = true });
        workers = [.. Enumerable.Range(0, threads).Select(i => new Thread(Work) { IsBackground = true, Name = $"pictures {i}" })];
        foreach (var worker in workers) worker.Start();
    }

    /// <summary>Why each picture skipped so far could not be decoded, by its number.</summary>
    public IReadOnlyDictionary<long, string> Corrupt => corrupt;

    /// <summary>Starts to decode a batch.</summary>
    /// <param name="index">Numbers of the pictures.</param>
    /// <param name="mirror">Whether each is to be mirrored; null for none.</param>
    /// <param name="replace">Whether the next picture in order that can be decoded takes the place of a corrupt one.</param>
    public DecodedPictures Begin(long[] index, bool[]? mirror = null, bool replace = false)
    {
        var batch = new DecodedPictures([.. index], side);
        for (var i = 0; i < index.Length; i++)
        {
            var write = jobs.Writer.WriteAsync(new(batch, i, mirror?[i] ?? false, replace));
            if (!write.IsCompletedSuccessfully) write.AsTask().GetAwaiter().GetResult();
        }
        return batch;
    }

    /// <summary>Ends the threads. What waits is given up; batches begun can then be disposed.</summary>
    public void Dispose()
    {
        stopping = true;
        jobs.Writer.TryComplete();
        foreach (var worker in workers) worker.Join();
    }

    private void Work()
    {
        var crop = new uint[side * side];
        var reader = jobs.Reader;
        while (reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
            while (reader.TryRead(out var job))
                try
                {
                    if (!stopping) Decode(job, crop);
                    job.Batch.Done();
                }
                catch (Exception e)
                {
                    job.Batch.Done(e);                  // the one who waits for the batch throws it
                }
    }

    private void Decode(Job job, uint[] crop)
    {
        var (batch, at) = (job.Batch, job.At);
        var number = batch.Index[at];
        for (var tries = 0; !Read(number, crop); number = (number + 1) % folder.Files.Count)
            if (!job.Replace)
            {
                batch.Index[at] = DecodedPictures.Skipped;
                return;
            }
            else if (++tries == folder.Files.Count) throw new UserException($"{folder.Root}: none of its {tries} pictures can be decoded");
        batch.Index[at] = number;
        PictureFile.ToPlanes(crop, side, job.Mirror, batch.Planes(at));
    }

    private bool Read(long number, uint[] crop)
    {
        if (corrupt.ContainsKey(number)) return false;
        try
        {
            PictureFile.ReadCentre(folder.PathOf(number), side, crop);
            return true;
        }
        catch (CorruptPictureException e)
        {
            var path = folder.PathOf(number);
            if (policy == CorruptPictures.Fail) throw new UserException($"{path}: {e.Message}; replace or delete it, or have corrupt pictures skipped", e);
            lock (corrupt)                                                                  // told in the order of the count
                if (corrupt.TryAdd(number, e.Message)) report($"skipped: {path}: {e.Message} ({corrupt.Count} so far)");
            return false;
        }
    }

    private readonly record struct Job(DecodedPictures Batch, int At, bool Mirror, bool Replace);
}

/// <summary>A batch that is being decoded.</summary>
internal sealed class DecodedPictures : IDisposable
{
    /// <summary>Stands in <see cref="Index"/> for a picture that was left out.</summary>
    public const long Skipped = -1;

    private readonly int size;
    private readonly Tensor images;                     // (B, 3, side, side) float32; workers write to its memory and touch nothing else of it
    private readonly nint memory;
    private readonly TaskCompletionSource decoded = new();
    private int left;
    private Exception? failure;

    public unsafe DecodedPictures(long[] index, int side)
    {
        (Index, size, left) = (index, 3 * side * side, index.Length);
        if (left == 0) decoded.SetResult();
        images = zeros([index.Length, 3, side, side], ScalarType.Float32).DetachFromDisposeScope();
        using var first = images.flatten().narrow(0, 0, 1);                     // of all a span could not say the length
        fixed (byte* start = first.bytes) memory = (nint)start;                 // native memory: it stays where it is
    }

    /// <summary>Number of the picture in each place: as asked, of the one that replaces it, or <see cref="Skipped"/>. Read it after <see cref="Wait"/>.</summary>
    public long[] Index { get; }

    /// <summary>(B, 3, side, side) float32 in [-1, 1], as soon as all is decoded; zeros where a picture was skipped. Owned by the batch.</summary>
    /// <exception cref="UserException">A picture is corrupt, and such are not to be skipped.</exception>
    public Tensor Wait(CancellationToken stop = default)
    {
        decoded.Task.Wait(stop);
        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
        return images;
    }

    public unsafe Span<float> Planes(int at) => new((float*)memory + (long)at * size, size);

    public void Done(Exception? e = null)
    {
        if (e is not null) Interlocked.CompareExchange(ref failure, e, null);
        if (Interlocked.Decrement(ref left) == 0) decoded.SetResult();
    }

    /// <summary>Waits until no worker writes any more, and frees the memory.</summary>
    public void Dispose()
    {
        decoded.Task.Wait();
        images.Dispose();
    }
}
