using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace JepaT.Lab;

/// <summary>A line of a spool file; <paramref name="Line"/> is null where the text is none.</summary>
internal sealed record SpoolEntry(SpoolLine? Line, int Size, long End);

/// <summary>
/// The values of one run that wait for a server: <c>RUN.jsonl</c>, only appended to, with the bytes of artifacts in the folder
/// <c>RUN/</c> and in <c>RUN.offset</c> how far the server has it. Whoever has it open keeps all other processes out; the system
/// lets go of it when the process is killed. May be used by a writing and a sending thread.
/// </summary>
internal sealed partial class SpoolFile : IDisposable
{
    private const int ReadSize = 1 << 18;
    private static readonly TimeSpan SyncInterval = TimeSpan.FromSeconds(1);

    private readonly Lock gate = new();
    private readonly FileStream inUse;
    private readonly SafeFileHandle handle;
    private readonly TimeProvider clock;
    private long length, offset, synced;
    private int files;

    private SpoolFile(string path, FileStream inUse, SafeFileHandle handle, SpoolHead head, long length, long offset, TimeProvider clock)
    {
        (Path, this.inUse, this.handle, Head, this.length, this.offset, this.clock) = (path, inUse, handle, head, length, offset, clock);
        synced = clock.GetTimestamp();
    }

    public string Path { get; }

    public SpoolHead Head { get; }

    /// <summary>For tests: the disk's end.</summary>
    internal long DiskEnd { get; set; } = long.MaxValue;

    public bool IsDrained
    {
        get { lock (gate) return offset >= length; }
    }

    /// <summary>Bytes that wait.</summary>
    public long Waiting
    {
        get { lock (gate) return length - offset; }
    }

    private string FilesFolder => System.IO.Path.ChangeExtension(Path, null);

    private string OffsetPath => System.IO.Path.ChangeExtension(Path, ".offset");

    public string RefusedPath => System.IO.Path.ChangeExtension(Path, ".refused.jsonl");

    public static string PathOf(string folder, string runId) => System.IO.Path.Combine(folder, runId + ".jsonl");

    /// <summary>Makes the file of a run, or goes on with the one that is there.</summary>
    /// <exception cref="IOException">The disk is full, or another process has the file.</exception>
    public static SpoolFile OpenOrCreate(string folder, SpoolHead head, TimeProvider clock, TextWriter warnings)
    {
        var path = PathOf(folder, head.RunId);
        Directory.CreateDirectory(folder);
        if (TryOpen(path, clock, warnings) is { } there) return there;
        var text = SpoolJson.Write(head);
        var inUse = Lock(path);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.Write(handle, text, 0);
            RandomAccess.FlushToDisk(handle);
            return new(path, inUse, handle, head, text.Length, text.Length, clock);
        }
        catch
        {
            handle?.Dispose();
            if (handle is not null) File.Delete(path);
            inUse.Dispose();
            throw;
        }
    }

    /// <summary>Opens a file; null when it is not there, or not one of these.</summary>
    /// <exception cref="IOException">Another process has it.</exception>
    public static SpoolFile? TryOpen(string path, TimeProvider clock, TextWriter warnings)
    {
        if (!File.Exists(path)) return null;
        var inUse = Lock(path);
        SafeFileHandle? handle = null;
        SpoolFile? opened = null;
        try
        {
            if (!File.Exists(path)) return null;        // another process has sent and deleted it since
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            if (FirstLine(handle) is not { } first || SpoolJson.Read<SpoolHead>(first) is not { } head) return null;
            var length = Whole(handle, first.Length);
            if (length < RandomAccess.GetLength(handle))
            {
                warnings.WriteLine($"warning: {path}: its last line is broken off (the process was killed, or the disk was full): left out");
                RandomAccess.SetLength(handle, length);
            }
            return opened = new(path, inUse, handle, head, length, Math.Clamp(OffsetOf(path), first.Length, length), clock);
        }
        finally
        {
            if (opened is null)
            {
                handle?.Dispose();
                inUse.Dispose();
            }
        }
    }

    // A file of its own: the system's lock on the spool itself would keep out those who only look at it.
    private static FileStream Lock(string path)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                return new(System.IO.Path.ChangeExtension(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            }
            catch (IOException) when (tries < 20)
            {
                Thread.Sleep(50);       // a request of another process that sends it
            }
        }
    }

    /// <summary>Adds a line; when that fails the file is as before.</summary>
    /// <exception cref="IOException">The disk is full.</exception>
    public void Append(SpoolLine line)
    {
        var text = SpoolJson.Write(line);
        lock (gate)
        {
            try
            {
                if (length + text.Length > DiskEnd)
                {
                    RandomAccess.Write(handle, text.AsSpan(0, text.Length / 2), length);
                    throw new IOException("No space left on device");
                }
                RandomAccess.Write(handle, text, length);
            }
            catch (IOException)
            {
                RandomAccess.SetLength(handle, length);
                throw;
            }
            length += text.Length;
            if (clock.GetElapsedTime(synced) > SyncInterval) Sync();
        }
    }

    /// <summary>Keeps the bytes of an artifact; gives the name for its line.</summary>
    public string Keep(Stream content)
    {
        Directory.CreateDirectory(FilesFolder);
        string name;
        do name = (++files).ToString("000000", CultureInfo.InvariantCulture);
        while (File.Exists(FileOf(name)));
        try
        {
            using var file = File.Create(FileOf(name));
            content.CopyTo(file);
            file.Flush(flushToDisk: true);
        }
        catch (IOException)
        {
            File.Delete(FileOf(name));
            throw;
        }
        return name;
    }

    public string FileOf(string name) => System.IO.Path.Combine(FilesFolder, System.IO.Path.GetFileName(name));

    /// <summary>What the disk does not have yet is written to it.</summary>
    public void Sync()
    {
        lock (gate)
        {
            RandomAccess.FlushToDisk(handle);
            synced = clock.GetTimestamp();
        }
    }

    /// <summary>The next lines that wait, at least one if there is any, a quarter of a megabyte or so.</summary>
    /// <param name="from">Where to read; by default from the first that waits.</param>
    public IReadOnlyList<SpoolEntry> Read(long? from = null)
    {
        long start, end;
        lock (gate) (start, end) = (from ?? offset, length);
        for (long size = ReadSize; ; size *= 4)
        {
            var buffer = new byte[Math.Min(size, end - start)];
            ReadAll(handle, buffer, start);
            var entries = new List<SpoolEntry>();
            var at = 0;
            while (buffer.AsSpan(at).IndexOf((byte)'\n') is >= 0 and var count)
            {
                entries.Add(new(SpoolJson.Read<SpoolLine>(buffer.AsSpan(at, count)), count + 1, start + at + count + 1));
                at += count + 1;
            }
            if (entries.Count > 0 || buffer.Length == end - start) return entries;
        }
    }

    /// <summary>All that waits.</summary>
    public IEnumerable<SpoolEntry> Pending()
    {
        for (long? from = null; Read(from) is { Count: > 0 } entries; from = entries[^1].End)
            foreach (var entry in entries) yield return entry;
    }

    /// <summary>The server has all up to there, an artifact's bytes too.</summary>
    public void Advance(long to, string? artifact = null)
    {
        lock (gate)
        {
            try
            {
                AtomicFile.Write(OffsetPath, to.ToString(CultureInfo.InvariantCulture));
            }
            catch (UserException) { }       // a full disk: after a kill it is sent once more, which changes nothing
            if (artifact is not null && File.Exists(FileOf(artifact))) File.Delete(FileOf(artifact));
            offset = to;
        }
    }

    /// <summary>Keeps what the server refuses for good; the bytes of an artifact in a folder beside.</summary>
    public void Refuse(SpoolLine line, string why)
    {
        if (line.File is { } name && File.Exists(FileOf(name)))
        {
            var kept = System.IO.Path.ChangeExtension(Path, ".refused");
            Directory.CreateDirectory(kept);
            File.Move(FileOf(name), System.IO.Path.Combine(kept, System.IO.Path.GetFileName(name)), overwrite: true);
        }
        File.AppendAllBytes(RefusedPath, SpoolJson.Write(line with { Refused = why }));
    }

    /// <summary>Deletes it all when nothing waits any more.</summary>
    public bool TryDelete()
    {
        lock (gate)
        {
            if (offset < length) return false;
            handle.Dispose();
            File.Delete(Path);
            if (Directory.Exists(FilesFolder)) Directory.Delete(FilesFolder, recursive: true);
            File.Delete(OffsetPath);
            inUse.Dispose();
            return true;
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            handle.Dispose();
            inUse.Dispose();
        }
    }
}
