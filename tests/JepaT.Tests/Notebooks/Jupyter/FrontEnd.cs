using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using JepaT.Notebooks;
using NetMQ;
using NetMQ.Sockets;

namespace JepaT.Tests;

/// <summary>A front end at its barest, and a kernel in this process that it talks to over real sockets.</summary>
internal sealed class FrontEnd : IAsyncDisposable
{
    public const string Key = "a key";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly string folder = Directory.CreateTempSubdirectory("jepat-kernel-").FullName;
    private readonly Dictionary<KernelChannel, NetMQSocket> sockets = [];
    private readonly JupyterWire wire = new(System.Text.Encoding.UTF8.GetBytes(Key));
    private readonly StringWriter said = new();
    private readonly TextWriter log;
    private readonly JupyterKernel kernel;

    public FrontEnd()
    {
        var file = Path.Combine(folder, "connection.json");
        var ports = FreePorts();
        File.WriteAllText(file, Connection(ports));
        log = TextWriter.Synchronized(said);
        kernel = new JupyterKernel(ConnectionFile.Load(file), folder, log);
        Ended = Task.Factory.StartNew(kernel.Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var subscriber = new SubscriberSocket();
        subscriber.SubscribeToAnyTopic();
        NetMQSocket[] made = [new DealerSocket(), new DealerSocket(), subscriber, new DealerSocket(), new RequestSocket()];
        var identity = Guid.NewGuid().ToByteArray();
        foreach (var (channel, socket) in Enum.GetValues<KernelChannel>().Zip(made))
        {
            if (socket is DealerSocket) socket.Options.Identity = identity;
            socket.Connect($"tcp://127.0.0.1:{ports[(int)channel]}");
            sockets[channel] = socket;
        }
        Ports = ports;
        for (var heard = false; !heard;)        // a subscription takes a moment to arrive
        {
            var info = Send("kernel_info_request", []);
            Reply(info);
            for (; TryReceive(KernelChannel.Iopub, TimeSpan.FromMilliseconds(200)) is { } seen && !heard;) heard = seen.Parent == info && seen.State == "idle";
        }
    }

    public string Log
    {
        get
        {
            lock (log) return said.ToString();              // the writer that the kernel has locks itself
        }
    }

    public Task<int> Ended { get; }

    public IReadOnlyList<int> Ports { get; }

    /// <summary>Ports of this machine that nothing listens on, in the order of the channels.</summary>
    public static int[] FreePorts()
    {
        var listeners = Enumerable.Range(0, 5).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToList();
        listeners.ForEach(l => l.Start());
        int[] ports = [.. listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port)];
        listeners.ForEach(l => l.Dispose());
        return ports;
    }

    public static string Connection(int[] ports, string? name = null, JsonNode? value = null)
    {
        var root = new JsonObject
        {
            ["transport"] = "tcp",
            ["ip"] = "127.0.0.1",
            ["key"] = Key,
            ["signature_scheme"] = "hmac-sha256",
            ["shell_port"] = ports[0],
            ["control_port"] = ports[1],
            ["iopub_port"] = ports[2],
            ["stdin_port"] = ports[3],
            ["hb_port"] = ports[4],
        };
        if (name is not null) root[name] = value;
        return root.ToJsonString();
    }

    /// <summary>Sends a request; gives its id.</summary>
    public string Send(string type, JsonObject content, KernelChannel channel = KernelChannel.Shell)
    {
        var frames = wire.Write([], type, content, null);
        SendFrames(channel, frames);
        return JsonNode.Parse(frames[2])!["msg_id"]!.GetValue<string>();
    }

    public string Execute(string code, JsonObject? more = null)
    {
        var content = more ?? [];
        content["code"] = code;
        return Send("execute_request", content);
    }

    public void SendFrames(KernelChannel channel, IEnumerable<byte[]> frames) => sockets[channel].SendMultipartBytes(frames);

    /// <summary>The frames of a good message, to be spoilt.</summary>
    public List<byte[]> Frames(string type, JsonObject content) => wire.Write([], type, content, null);

    /// <summary>The answer to a request.</summary>
    public Heard Reply(string id, KernelChannel channel = KernelChannel.Shell)
    {
        while (true)
        {
            var heard = Receive(channel);
            if (heard.Parent == id) return heard;
        }
    }

    /// <summary>All that is published because of a request, from busy to idle.</summary>
    public List<Heard> Published(string id)
    {
        var all = new List<Heard>();
        while (all.Count == 0 || all[^1].State != "idle")
        {
            var heard = Receive(KernelChannel.Iopub);
            if (heard.Parent == id) all.Add(heard);
        }
        return all;
    }

    public Heard Receive(KernelChannel channel) => TryReceive(channel, Patience) ?? throw new TimeoutException($"nothing came on {channel}");

    public Heard? TryReceive(KernelChannel channel, TimeSpan wait)
    {
        List<byte[]> frames = [];
        if (!sockets[channel].TryReceiveMultipartBytes(wait, ref frames)) return null;
        var at = frames.FindIndex(f => f.AsSpan().SequenceEqual("<IDS|MSG>"u8));
        return new(JsonNode.Parse(frames[at + 2])!["msg_type"]!.GetValue<string>(), JsonNode.Parse(frames[at + 3])!["msg_id"]?.GetValue<string>(), JsonNode.Parse(frames[at + 5])!.AsObject());
    }

    /// <summary>Sends a heartbeat; whether it came back in time.</summary>
    public bool Beats()
    {
        sockets[KernelChannel.Heartbeat].SendFrame("ping");
        return sockets[KernelChannel.Heartbeat].TryReceiveFrameString(TimeSpan.FromSeconds(10), out var back) && back == "ping";
    }

    public async ValueTask DisposeAsync()
    {
        await Task.Run(kernel.Dispose);
        foreach (var socket in sockets.Values) socket.Dispose();
        Directory.Delete(folder, recursive: true);
    }
}

/// <summary>A message from the kernel.</summary>
internal sealed record Heard(string Type, string? Parent, JsonObject Content)
{
    public string? State => Type == "status" ? Text("execution_state") : null;

    public string? Text(string name) => Content[name]?.GetValue<string>();

    public string? Data(string mime) => Content["data"]?[mime]?.GetValue<string>();
}
