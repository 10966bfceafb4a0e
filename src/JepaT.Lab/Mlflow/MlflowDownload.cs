namespace JepaT.Lab;

/// <summary>
/// The body of an answer as it comes, to read only: a read that gets nothing for too long, or an end before the promised
/// length, is an <see cref="MlflowException"/> that may pass when the download is begun anew.
/// </summary>
internal sealed class MlflowDownload(HttpResponseMessage answer, Stream body, Func<CancellationToken, MlflowPatience> patience,
    Func<Exception, MlflowException> broken, Func<MlflowException> stalled) : Stream
{
    private readonly long? promised = answer.Content.Headers.ContentLength;
    private long read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => promised ?? throw new NotSupportedException();

    public override long Position { get => read; set => throw new NotSupportedException(); }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var idle = patience(cancellationToken);
        try
        {
            var count = await body.ReadAsync(buffer, idle.Token).ConfigureAwait(false);
            if (count == 0 && buffer.Length > 0 && promised is { } all && read < all)
                throw broken(new HttpIOException(HttpRequestError.ResponseEnded));
            read += count;
            return count;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException) when (idle.IsOver)
        {
            throw stalled();
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw broken(e);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    // Readers that know no other way (decoders of pictures) come here; there is no synchronous read with a limit of time.
    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count), CancellationToken.None).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) answer.Dispose();
        base.Dispose(disposing);
    }
}
