namespace JepaT.Lab;

/// <summary>Reads through, counting bytes and summing the CRC-32 that zip files carry: .NET's own zip reader does not compare it.</summary>
internal sealed class ChecksumStream(Stream inner) : Stream
{
    private static readonly uint[] Table = [.. Enumerable.Range(0, 256).Select(i =>
        Enumerable.Range(0, 8).Aggregate((uint)i, (c, _) => (c & 1) != 0 ? (c >> 1) ^ 0xEDB88320 : c >> 1))];

    private uint state = uint.MaxValue;

    /// <summary>Bytes read so far.</summary>
    public long Count { get; private set; }

    /// <summary>Checksum of the bytes read so far.</summary>
    public uint Crc32 => ~state;

    public override int Read(Span<byte> buffer)
    {
        var n = inner.Read(buffer);
        var s = state;
        foreach (var b in buffer[..n]) s = Table[(byte)(s ^ b)] ^ (s >> 8);
        (state, Count) = (s, Count + n);
        return n;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Count;
        set => throw new NotSupportedException();
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}
