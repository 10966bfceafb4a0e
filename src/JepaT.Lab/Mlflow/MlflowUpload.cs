using System.Net;

namespace JepaT.Lab;

/// <summary>A part of a stream as a request's body; leaves the stream open, and tells of each step forward.</summary>
internal sealed class MlflowUpload(Stream source, long start, long? length, Action progress) : HttpContent
{
    /// <summary>Whether it can be sent a second time.</summary>
    public bool CanRepeat => source.CanSeek;

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (source.CanSeek) source.Position = start;
        var buffer = new byte[1 << 17];
        for (var left = length ?? long.MaxValue; left > 0;)
        {
            var count = await MlflowFiles.ReadAsync(source, buffer.AsMemory(0, (int)Math.Min(buffer.Length, left)), cancellationToken).ConfigureAwait(false);
            if (count == 0 && length is not null) throw new MlflowException($"the content to upload ends {left} bytes before its length of {length}: was it cut meanwhile?");
            if (count == 0) break;
            await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
            left -= count;
            progress();
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override bool TryComputeLength(out long computed)
    {
        computed = length ?? 0;
        return length is not null;
    }
}
