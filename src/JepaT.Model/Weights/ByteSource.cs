using System.IO.MemoryMappedFiles;

namespace JepaT.Model;

/// <summary>Bytes at any place of a file. Nothing is read but what is asked for.</summary>
internal abstract class ByteSource(long length) : IDisposable
{
    public long Length { get; } = length;

    /// <summary>Fills <paramref name="into"/> from <paramref name="offset"/> on.</summary>
    /// <exception cref="MalformedException">The file ends before.</exception>
    public void Read(long offset, Span<byte> into)
    {
        if (offset < 0 || offset > Length || into.Length > Length - offset) throw new MalformedException("ends too early (is it cut off?)");
        if (into.Length > 0) ReadCore(offset, into);
    }

    public abstract void Dispose();

    protected abstract void ReadCore(long offset, Span<byte> into);
}

/// <summary>
/// A file in a memory map: only the pages touched are ever read from disk. Whoever cuts a file short while it is mapped ends the reading
/// process, as with any map; <c>AtomicFile</c> and <c>torch.save</c> to a new name never do.
/// </summary>
internal sealed class MappedFile : ByteSource
{
    private readonly MemoryMappedFile map;
    private readonly MemoryMappedViewAccessor view;

    private MappedFile(MemoryMappedFile map, long length) : base(length)
    {
        this.map = map;
        view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
    }

    /// <exception cref="UserException">There is no such file, or it cannot be read.</exception>
    public static MappedFile Open(string path)
    {
        if (Directory.Exists(path)) throw new UserException($"{path}: is a folder; name a file in it, or the index (*.index.json) of weights in several files");
        try
        {
            // Asked before it is opened: to open a pipe is to wait for its writer.
            var target = File.ResolveLinkTarget(path, returnFinalTarget: true) ?? new FileInfo(path);
            if (target is FileInfo { Exists: true, Length: 0 }) throw new UserException($"{path}: is empty, or a pipe or device: name a file, or fetch or write it again");
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            if (file.Length > 0) return new(MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false), file.Length);
            file.Dispose();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw new UserException($"{path}: cannot be opened ({e.Message})", e);
        }
        throw new UserException($"{path}: is empty: fetch or write it again");
    }

    public override void Dispose()
    {
        view.Dispose();
        map.Dispose();
    }

    protected override void ReadCore(long offset, Span<byte> into) => view.SafeMemoryMappedViewHandle.ReadSpan((ulong)offset, into);
}

/// <summary>A stream that can seek, e.g. a resource of an assembly. Left open.</summary>
internal sealed class StreamSource(Stream stream) : ByteSource(stream.Length)
{
    public override void Dispose() { }

    protected override void ReadCore(long offset, Span<byte> into)
    {
        stream.Position = offset;
        stream.ReadExactly(into);
    }
}

/// <summary>Reads forwards through a part of a source, a block at a time.</summary>
internal sealed class ByteReader(ByteSource source, long position, long end)
{
    private readonly byte[] block = new byte[(int)Math.Min(1 << 16, Math.Max(end - position, 0))];
    private long blockStart = position;
    private int used, filled;

    public long Position => blockStart + used;

    public long Left => end - Position;

    public byte Byte()
    {
        if (used == filled) Fill();
        return block[used++];
    }

    public void Bytes(Span<byte> into)
    {
        if (into.Length > Left) throw new MalformedException("ends too early (is it cut off?)");
        source.Read(Position, into);
        Skip(into.Length);
    }

    /// <summary>So many bytes as an array; the length is checked before anything is allocated.</summary>
    public byte[] Bytes(long count)
    {
        if (count < 0 || count > Left || count > MaxText) throw new MalformedException("holds a text or number longer than the file or than is sensible");
        var bytes = new byte[count];
        Bytes(bytes.AsSpan());
        return bytes;
    }

    private const int MaxText = 1 << 26;

    private void Skip(int count)
    {
        if (count <= filled - used) used += count;
        else (blockStart, used, filled) = (Position + count, 0, 0);
    }

    private void Fill()
    {
        blockStart += used;
        (used, filled) = (0, (int)Math.Min(block.Length, end - blockStart));
        if (filled <= 0) throw new MalformedException("ends too early (is it cut off?)");
        source.Read(blockStart, block.AsSpan(0, filled));
    }
}
