using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace JepaT.Notebooks;

/// <summary>
/// ZeroMQ's ROUTER and PUB, the listening side of them, over TCP without security (ZMTP 3.0, NULL). Every connection has two threads that
/// block in the system's own calls. That is the point of it: ZeroMQ's libraries for .NET finish their input and output on the thread pool,
/// which cells can fill, and then neither an interrupt nor a heartbeat would arrive.
/// </summary>
/// <remarks>https://rfc.zeromq.org/spec/23/, https://rfc.zeromq.org/spec/28/, https://rfc.zeromq.org/spec/29/</remarks>
internal sealed class MessageServer : IDisposable
{
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);      // for what is still to be sent at the end

    private readonly bool publishes;
    private readonly Action<List<byte[]>> received;
    private readonly Socket listener;
    private readonly ConcurrentDictionary<string, MessageConnection> connections = new();     // by identity
    private int count;
    private volatile bool closed;

    /// <summary>Binds; nothing is taken before <see cref="Start"/>.</summary>
    /// <param name="at">Where to listen.</param>
    /// <param name="publishes">PUB: messages go to all who subscribed to their topic, the first frame. Otherwise ROUTER: the first frame is the peer's identity.</param>
    /// <param name="received">Takes each message, on a connection's thread.</param>
    /// <exception cref="SocketException">The port cannot be had.</exception>
    public MessageServer(IPEndPoint at, bool publishes, Action<List<byte[]>> received)
    {
        (this.publishes, this.received) = (publishes, received);
        listener = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            listener.Bind(at);
            listener.Listen();
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }

    /// <summary>The most characters that wait for one of the peers.</summary>
    public long Waiting => connections.IsEmpty ? 0 : connections.Values.Max(c => c.Waiting);

    public void Start() => MessageConnection.Run(Accept, "notebook listener");

    /// <summary>Queues a message; false where there is nobody of this identity.</summary>
    public bool Send(IReadOnlyList<byte[]> frames)
    {
        if (publishes)
        {
            foreach (var connection in connections.Values.Where(c => c.Wants(frames[0]))) connection.Send(frames);
            return true;
        }
        if (!connections.TryGetValue(Key(frames[0]), out var peer)) return false;
        peer.Send([.. frames.Skip(1)]);
        return true;
    }

    /// <summary>Sends what is waiting, then closes.</summary>
    public void Dispose()
    {
        closed = true;
        listener.Dispose();
        var until = Environment.TickCount64 + (long)Linger.TotalMilliseconds;
        foreach (var connection in connections.Values) connection.Finish();
        foreach (var connection in connections.Values) connection.Close(TimeSpan.FromMilliseconds(Math.Max(0, until - Environment.TickCount64)));
    }

    private void Accept()
    {
        while (!closed)
        {
            try
            {
                var socket = listener.Accept();
                MessageConnection.Run(() => Serve(socket), "notebook connection");
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                if (!closed) Thread.Sleep(10);          // a peer that was gone before it was taken, or no more handles for a while
            }
        }
    }

    private void Serve(Socket socket)
    {
        using var connection = new MessageConnection(socket, publishes);
        var (key, known) = ("", false);
        try
        {
            var identity = connection.Greet() is { Length: > 0 } given ? given : [0, .. BitConverter.GetBytes(Interlocked.Increment(ref count))];
            key = Key(identity);
            if (connections.TryGetValue(key, out var before)) before.Close(TimeSpan.Zero);      // a front end that comes back
            connections[key] = connection;
            known = true;
            if (closed) return;
            while (connection.Receive() is { } frames)
                if (!publishes) received([identity, .. frames]);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidDataException)
        {
            // Gone, or no peer of ours: its connection ends, and nothing else does.
        }
        finally
        {
            if (known) connections.TryRemove(KeyValuePair.Create(key, connection));
        }
    }

    private static string Key(byte[] identity) => Convert.ToHexString(identity);
}
