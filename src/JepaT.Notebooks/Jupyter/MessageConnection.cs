using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;

namespace JepaT.Notebooks;

/// <summary>One peer of a <see cref="MessageServer"/>: handshake, frames, commands, and for PUB its subscriptions.</summary>
internal sealed class MessageConnection : IDisposable
{
    private const byte More = 1, Long = 2, Command = 4;
    private const int Largest = 1 << 28, MostFrames = 1 << 12;                  // of a message: nobody sends more who means well
    private const int Patience = 10_000;                                        // milliseconds for the handshake

    private readonly Socket socket;
    private readonly bool publishes;
    private readonly BufferedStream input;
    private readonly BlockingCollection<byte[]> output = [];
    private readonly Thread writer;
    private readonly List<byte[]> topics = [];
    private long waiting;

    public MessageConnection(Socket socket, bool publishes)
    {
        (this.socket, this.publishes) = (socket, publishes);
        socket.NoDelay = true;
        socket.ReceiveTimeout = Patience;
        input = new BufferedStream(new NetworkStream(socket), 1 << 16);
        writer = Run(Write, "notebook output");
    }

    /// <summary>Bytes that wait to be sent.</summary>
    public long Waiting => Interlocked.Read(ref waiting);

    /// <summary>Starts a thread that does not keep the process alive, nor any cell's context.</summary>
    public static Thread Run(Action action, string name)
    {
        var thread = new Thread(() => action()) { IsBackground = true, Name = name };
        thread.UnsafeStart();
        return thread;
    }

    /// <summary>Shakes hands; gives the peer's identity, which may be empty.</summary>
    /// <exception cref="InvalidDataException">The peer speaks otherwise.</exception>
    public byte[] Greet()
    {
        Enqueue([0xFF, .. new byte[8], 0x7F, 3, 0, .. "NULL"u8, .. new byte[16], 0, .. new byte[31]]);
        var theirs = new byte[64];
        input.ReadExactly(theirs);
        if (theirs[0] != 0xFF || (theirs[9] & 1) == 0 || theirs[10] < 3 || !theirs.AsSpan(12, 20).TrimEnd((byte)0).SequenceEqual("NULL"u8)) throw new InvalidDataException();
        Enqueue(Frame([5, .. "READY"u8, .. Property("Socket-Type", publishes ? "PUB"u8 : "ROUTER"u8), .. Property("Identity", [])], Command));

        var (flags, ready) = ReadFrame();
        if ((flags & Command) == 0 || !ready.AsSpan().StartsWith("\u0005READY"u8)) throw new InvalidDataException();
        var properties = Properties(ready.AsSpan(6));
        if (Encoding.ASCII.GetString(properties.GetValueOrDefault("socket-type", [])) is var type && !(publishes ? type is "SUB" or "XSUB" : type is "REQ" or "DEALER" or "ROUTER")) throw new InvalidDataException();
        socket.ReceiveTimeout = 0;
        return properties.GetValueOrDefault("identity", []);
    }

    /// <summary>The next message; for PUB, which has none, it ends with the connection only.</summary>
    public List<byte[]>? Receive()
    {
        var (frames, size) = (new List<byte[]>(), 0L);
        while (true)
        {
            var (flags, body) = ReadFrame();
            if ((flags & Command) != 0)
            {
                Obey(body);
                continue;
            }
            if (publishes)
            {
                if (body.Length > 0) Subscribe(body.AsSpan(1), body[0] == 1);
                continue;
            }
            frames.Add(body);
            size += body.Length;
            if (size > Largest || frames.Count > MostFrames) throw new InvalidDataException();
            if ((flags & More) == 0) return frames;
        }
    }

    public bool Wants(byte[] topic)
    {
        lock (topics) return topics.Any(t => topic.AsSpan().StartsWith(t));
    }

    public void Send(IReadOnlyList<byte[]> frames)
    {
        using var all = new MemoryStream();
        for (var i = 0; i < frames.Count; i++) all.Write(Frame(frames[i], i + 1 < frames.Count ? More : (byte)0));
        Enqueue(all.ToArray());
    }

    /// <summary>Nothing more is sent than what waits.</summary>
    public void Finish()
    {
        lock (output)
            if (!output.IsAddingCompleted) output.CompleteAdding();
    }

    /// <summary>Ends it when all was sent, or after a time.</summary>
    public void Close(TimeSpan wait)
    {
        Finish();
        if (wait > TimeSpan.Zero) writer.Join(wait);
        socket.Dispose();
    }

    public void Dispose()
    {
        Close(TimeSpan.Zero);
        input.Dispose();
    }

    private void Enqueue(byte[] bytes)
    {
        lock (output)
        {
            if (output.IsAddingCompleted) return;
            Interlocked.Add(ref waiting, bytes.Length);
            output.Add(bytes);
        }
    }

    private void Write()
    {
        try
        {
            foreach (var bytes in output.GetConsumingEnumerable())
            {
                for (var sent = 0; sent < bytes.Length;) sent += socket.Send(bytes, sent, bytes.Length - sent, SocketFlags.None);
                Interlocked.Add(ref waiting, -bytes.Length);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Finish();
            Interlocked.Exchange(ref waiting, 0);
            while (output.TryTake(out _)) { }
        }
    }

    private void Obey(byte[] command)
    {
        var body = command.AsSpan();
        if (body.StartsWith("\u0004PING"u8)) Enqueue(Frame([4, .. "PONG"u8, .. body.Length > 7 ? body[7..] : []], Command));
        else if (body.StartsWith("\u0009SUBSCRIBE"u8)) Subscribe(body[10..], true);
        else if (body.StartsWith("\u0006CANCEL"u8)) Subscribe(body[7..], false);
        else if (body.StartsWith("\u0005ERROR"u8)) throw new InvalidDataException();
    }

    private void Subscribe(ReadOnlySpan<byte> topic, bool on)
    {
        var name = topic.ToArray();
        lock (topics)
        {
            if (on) topics.Add(name);
            else if (topics.FindIndex(t => t.AsSpan().SequenceEqual(name)) is >= 0 and var at) topics.RemoveAt(at);
        }
    }

    private (byte Flags, byte[] Body) ReadFrame()
    {
        Span<byte> head = stackalloc byte[9];
        input.ReadExactly(head[..2]);
        var (flags, length) = (head[0], (long)head[1]);
        if ((flags & Long) != 0)
        {
            input.ReadExactly(head[2..]);
            length = BinaryPrimitives.ReadInt64BigEndian(head[1..]);
        }
        if ((flags & ~(More | Long | Command)) != 0 || length is < 0 or > Largest) throw new InvalidDataException();
        var body = new byte[length];
        input.ReadExactly(body);
        return (flags, body);
    }

    private static byte[] Frame(byte[] body, byte flags)
    {
        if (body.Length <= byte.MaxValue) return [flags, (byte)body.Length, .. body];
        var frame = new byte[9 + body.Length];
        frame[0] = (byte)(flags | Long);
        BinaryPrimitives.WriteInt64BigEndian(frame.AsSpan(1), body.Length);
        body.CopyTo(frame, 9);
        return frame;
    }

    private static byte[] Property(string name, ReadOnlySpan<byte> value) => [(byte)name.Length, .. Encoding.ASCII.GetBytes(name), 0, 0, 0, (byte)value.Length, .. value];

    private static Dictionary<string, byte[]> Properties(ReadOnlySpan<byte> text)
    {
        var found = new Dictionary<string, byte[]>();
        while (text.Length > 0)
        {
            var name = 1 + text[0];
            if (text.Length < name + 4 || BinaryPrimitives.ReadInt32BigEndian(text[name..]) is var length && (length < 0 || text.Length - name - 4 < length)) throw new InvalidDataException();
            found[Encoding.ASCII.GetString(text[1..name]).ToLowerInvariant()] = text.Slice(name + 4, length).ToArray();
            text = text[(name + 4 + length)..];
        }
        return found;
    }
}
