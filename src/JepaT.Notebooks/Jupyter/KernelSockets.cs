using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using NetMQ;
using NetMQ.Sockets;

namespace JepaT.Notebooks;

/// <summary>
/// The kernel's five ZeroMQ sockets, on this machine only. One thread serves them all and does nothing else, so that heartbeat and control
/// answer whatever a cell is doing. Messages that are not well formed or not rightly signed are dropped, with a line on the log.
/// </summary>
internal sealed class KernelSockets : IDisposable
{
    private static readonly TimeSpan Linger = TimeSpan.FromSeconds(1);      // for what is still to be sent at the end

    private readonly Dictionary<KernelChannel, NetMQSocket> sockets = [];
    private readonly NetMQQueue<(KernelChannel Channel, List<byte[]> Frames)> outgoing = new();
    private readonly NetMQPoller poller = [];
    private readonly JupyterWire wire;
    private readonly TextWriter log;
    private volatile bool closed;

    /// <exception cref="UserException">A port is taken.</exception>
    public KernelSockets(ConnectionFile connection, TextWriter log)
    {
        (wire, this.log) = (new(connection.Key), log);
        try
        {
            Open(KernelChannel.Shell, new RouterSocket(), connection);
            Open(KernelChannel.Control, new RouterSocket(), connection);
            Open(KernelChannel.Stdin, new RouterSocket(), connection);
            Open(KernelChannel.Iopub, new PublisherSocket(), connection);
            Open(KernelChannel.Heartbeat, new RouterSocket(), connection);
        }
        catch
        {
            Dispose();
            throw;
        }
        outgoing.ReceiveReady += (_, _) => Send();
        poller.Add(outgoing);
        foreach (var (channel, socket) in sockets.Where(s => s.Key != KernelChannel.Iopub))
        {
            socket.ReceiveReady += channel == KernelChannel.Heartbeat ? (_, e) => Echo(e.Socket) : (_, e) => Receive(channel, e.Socket);
            poller.Add(socket);
        }
    }

    /// <summary>Takes each message, on the sockets' thread: it must not be kept long.</summary>
    public event Action<KernelChannel, JupyterMessage>? Received;

    public void Start() => poller.RunAsync("notebook sockets", isBackgroundThread: true);

    /// <summary>Answers a message on the channel given.</summary>
    public void Reply(KernelChannel channel, JupyterMessage to, string type, JsonObject content) => Enqueue(channel, wire.Write(to.Route, type, content, to.Header));

    /// <summary>Tells all front ends.</summary>
    public void Publish(string type, JsonObject content, JupyterMessage? cause) =>
        Enqueue(KernelChannel.Iopub, wire.Write([Encoding.ASCII.GetBytes(type)], type, content, cause?.Header));

    /// <summary>Sends what is waiting, then closes.</summary>
    public void Dispose()
    {
        closed = true;
        if (poller.IsRunning) poller.Stop();
        while (outgoing.Count > 0) Send();
        poller.Dispose();
        foreach (var socket in sockets.Values) socket.Dispose();
        outgoing.Dispose();
    }

    private void Open(KernelChannel channel, NetMQSocket socket, ConnectionFile connection)
    {
        sockets[channel] = socket;
        socket.Options.Linger = Linger;
        if (socket is RouterSocket) socket.Options.RouterHandover = true;                   // a front end that comes back
        if (channel == KernelChannel.Iopub) socket.Options.SendHighWatermark = 0;           // an "idle" that got lost would hang the front end
        var v6 = connection.Address.AddressFamily == AddressFamily.InterNetworkV6;
        if (v6) socket.Options.IPv4Only = false;
        try
        {
            socket.Bind($"tcp://{(v6 ? $"[{connection.Address}]" : connection.Address)}:{connection.Port(channel)}");
        }
        catch (NetMQException e)
        {
            throw new UserException($"port {connection.Port(channel)} ({channel}) cannot be had: {(e is AddressAlreadyInUseException ? "it is taken" : e.Message)}", e);
        }
    }

    private void Enqueue(KernelChannel channel, List<byte[]> frames)
    {
        if (!closed) outgoing.Enqueue((channel, frames));
    }

    private void Send()
    {
        while (outgoing.TryDequeue(out var next, TimeSpan.Zero))
        {
            var message = new NetMQMessage(next.Frames);
            if (!sockets[next.Channel].TrySendMultipartMessage(message)) log.WriteLine($"jupyter: a message for {next.Channel} was dropped: the front end does not take them");
        }
    }

    private static void Echo(NetMQSocket socket)
    {
        NetMQMessage? beat = null;
        while (socket.TryReceiveMultipartMessage(ref beat)) socket.TrySendMultipartMessage(beat!);
    }

    private void Receive(KernelChannel channel, NetMQSocket socket)
    {
        SynchronizationContext.SetSynchronizationContext(null);         // the poller's would bring what others await back to this thread
        List<byte[]> frames = [];
        while (socket.TryReceiveMultipartBytes(ref frames))
        {
            try
            {
                Received?.Invoke(channel, wire.Read(frames));
            }
            catch (FormatException e)
            {
                log.WriteLine($"jupyter: a message on {channel} was dropped: {e.Message}");
            }
        }
    }
}
