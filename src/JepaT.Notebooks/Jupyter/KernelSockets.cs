using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>
/// The kernel's five ZeroMQ sockets, on this machine only, on threads of their own, so that heartbeat and control answer whatever a cell is
/// doing. Messages that are not well formed or not rightly signed are dropped, with a line on the log.
/// </summary>
internal sealed class KernelSockets : IDisposable
{
    private const long Full = 1 << 20;                                       // bytes that may wait for a front end before a cell's outputs do
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);     // with a front end that takes nothing, as a page asleep

    private readonly Dictionary<KernelChannel, MessageServer> servers = [];
    private readonly Lock gate = new();
    private readonly JupyterWire wire;
    private readonly TextWriter log;
    private volatile bool closed, asleep;               // no front end has taken anything for a while

    /// <exception cref="UserException">A port is taken.</exception>
    public KernelSockets(ConnectionFile connection, TextWriter log)
    {
        (wire, this.log) = (new(connection.Key), log);
        try
        {
            foreach (var channel in Enum.GetValues<KernelChannel>()) servers[channel] = Open(channel, connection);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Takes each message, one at a time, on a socket's thread: it must not be kept long.</summary>
    public event Action<KernelChannel, JupyterMessage>? Received;

    public void Start()
    {
        foreach (var server in servers.Values) server.Start();
    }

    /// <summary>Answers a message on the channel given.</summary>
    public void Reply(KernelChannel channel, JupyterMessage to, string type, JsonObject content)
    {
        if (!closed && !servers[channel].Send(wire.Write(to.Route, type, content, to.Header))) log.WriteLine($"jupyter: a message for {channel} was dropped: the front end is gone");
    }

    /// <summary>Tells all front ends.</summary>
    public void Publish(string type, JsonObject content, JupyterMessage? cause)
    {
        if (!closed) servers[KernelChannel.Iopub].Send(wire.Write([Encoding.ASCII.GetBytes(type)], type, content, cause?.Header));
    }

    /// <summary>Waits while front ends have much to take yet, but not for ever: what comes after an interrupt must not wait behind it.</summary>
    public void AwaitFrontEnds()
    {
        var since = Stopwatch.GetTimestamp();
        while (!closed && servers[KernelChannel.Iopub].Waiting > Full)
        {
            if (asleep |= Stopwatch.GetElapsedTime(since) > Patience) return;
            Thread.Sleep(5);
        }
        asleep = false;
    }

    /// <summary>Sends what is waiting, then closes.</summary>
    public void Dispose()
    {
        closed = true;
        foreach (var server in servers.Values) server.Dispose();
    }

    private MessageServer Open(KernelChannel channel, ConnectionFile connection)
    {
        var port = connection.Port(channel);
        try
        {
            return new MessageServer(new IPEndPoint(connection.Address, port), channel == KernelChannel.Iopub, frames => Receive(channel, frames));
        }
        catch (SocketException e)
        {
            throw new UserException($"port {port} ({channel}) cannot be had: {(e.SocketErrorCode == SocketError.AddressAlreadyInUse ? "it is taken" : e.Message)}", e);
        }
    }

    private void Receive(KernelChannel channel, List<byte[]> frames)
    {
        if (channel == KernelChannel.Heartbeat)
        {
            servers[channel].Send(frames);
            return;
        }
        try
        {
            lock (gate)
                if (!closed) Received?.Invoke(channel, wire.Read(frames));
        }
        catch (FormatException e)
        {
            log.WriteLine($"jupyter: a message on {channel} was dropped: {e.Message}");
        }
    }
}
