using System.Net;
using System.Net.Sockets;
using System.Text;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>A server of one conversation a connection, closed after it.</summary>
internal sealed class Talker : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);

    public Talker(Func<NetworkStream, Task> talk)
    {
        listener.Start();
        Running = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptTcpClientAsync();
                Connections++;
                _ = Task.Run(async () =>
                {
                    using (socket)
                    {
                        try
                        {
                            await talk(socket.GetStream());
                        }
                        catch (Exception e) when (e is IOException or OperationCanceledException)
                        {
                            return;     // the client has gone, or the test is over
                        }
                    }
                });
            }
        });
    }

    public Task Running { get; }

    public int Connections { get; private set; }

    public MlflowOptions Options => new()
    {
        TrackingUri = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"),
        Timeout = TimeSpan.FromSeconds(1000),
        MaxRetries = 2,
    };

    /// <summary>Reads a request's head; gives it, and what of the body came with it.</summary>
    public static async Task<(string Head, int Body)> ReadHeadAsync(NetworkStream stream)
    {
        var (text, buffer) = ("", new byte[65536]);
        while (!text.Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var count = await stream.ReadAsync(buffer);
            if (count == 0) throw new IOException("the client has gone");
            text += Encoding.Latin1.GetString(buffer, 0, count);
        }
        var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal) + 4;
        return (text[..end], text.Length - end);
    }

    /// <summary>Reads a request's head and answers.</summary>
    public static async Task HeadAsync(NetworkStream stream, string answer)
    {
        await ReadHeadAsync(stream);
        await stream.WriteAsync(Encoding.ASCII.GetBytes(answer));
    }

    public void Dispose() => listener.Dispose();
}

/// <summary>A server that counts what is put, and keeps none of it.</summary>
internal sealed class Sink : IDisposable
{
    private readonly Talker server;
    private bool cut;

    public Sink(long? cutFirstAt = null) => server = new Talker(async stream =>
    {
        var (head, rest) = await Talker.ReadHeadAsync(stream);
        var chunked = head.Contains("chunked", StringComparison.OrdinalIgnoreCase);
        var length = chunked ? long.MaxValue : long.Parse(head.Split("Content-Length: ")[1].Split("\r\n")[0], System.Globalization.CultureInfo.InvariantCulture);
        long raw = rest;
        var buffer = new byte[1 << 18];
        var tail = "";
        while (raw < length && !tail.EndsWith("\r\n0\r\n\r\n", StringComparison.Ordinal))
        {
            if (raw > cutFirstAt && !cut)
            {
                cut = true;
                stream.Socket.LingerState = new LingerOption(true, 0);
                return;
            }
            var count = await stream.ReadAsync(buffer);
            if (count == 0) return;
            raw += count;
            if (chunked) tail = (tail + Encoding.Latin1.GetString(buffer, Math.Max(0, count - 7), Math.Min(7, count)))[^Math.Min(7, count)..];
        }
        // Each chunk of 128 KiB is framed by its length in hex and two line ends.
        Received = chunked ? (raw - 5) / ((1 << 17) + 9) << 17 : raw;
        await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray());
    });

    public long Received { get; private set; }

    public MlflowOptions Options => server.Options;

    public void Dispose() => server.Dispose();
}
