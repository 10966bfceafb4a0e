using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>The five sockets of a kernel.</summary>
internal enum KernelChannel { Shell, Control, Iopub, Stdin, Heartbeat }

/// <summary>What a front end tells the kernel that it starts: where to listen, and the key that signs the messages.</summary>
internal sealed class ConnectionFile
{
    private readonly Dictionary<KernelChannel, int> ports = [];

    private ConnectionFile(IPAddress address, byte[] key) => (Address, Key) = (address, key);

    /// <summary>Of this machine only.</summary>
    public IPAddress Address { get; }

    public byte[] Key { get; }

    public int Port(KernelChannel channel) => ports[channel];

    /// <exception cref="UserException">It cannot be read, or asks for what this kernel refuses.</exception>
    public static ConnectionFile Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"connection file {path}: {(e is FileNotFoundException or DirectoryNotFoundException ? "there is no such file" : e.Message)}", e);
        }
        catch (Exception e) when (e is JsonException or FormatException)
        {
            throw new UserException($"connection file {path}: {e.Message}", e);
        }
    }

    private static ConnectionFile Parse(string text)
    {
        var root = JsonNode.Parse(text, documentOptions: JupyterWire.Strict) as JsonObject ?? throw new FormatException("is not a JSON object");
        if (Text(root, "transport") is var transport and not "tcp") throw new FormatException($"transport '{transport}': only tcp is served");
        if (Text(root, "signature_scheme") is var scheme and not "hmac-sha256") throw new FormatException($"signature_scheme '{scheme}': only hmac-sha256 is known");
        if (Text(root, "key") is not { Length: > 0 } key) throw new FormatException("has no key: whoever reaches the ports could run code");

        var ip = Text(root, "ip");
        var address = ip == "localhost" ? IPAddress.Loopback : IPAddress.TryParse(ip, out var parsed) ? parsed : null;
        if (address is null || !IPAddress.IsLoopback(address)) throw new FormatException($"ip '{ip}': the kernel listens on this machine only; use 127.0.0.1");

        var file = new ConnectionFile(address, Encoding.UTF8.GetBytes(key));
        foreach (var (channel, name) in new[] { (KernelChannel.Shell, "shell_port"), (KernelChannel.Control, "control_port"), (KernelChannel.Iopub, "iopub_port"), (KernelChannel.Stdin, "stdin_port"), (KernelChannel.Heartbeat, "hb_port") })
        {
            if (root[name] is not JsonValue value || !value.TryGetValue<int>(out var port) || port is < 1 or > IPEndPoint.MaxPort)
                throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"{name}: must be a port from 1 to {IPEndPoint.MaxPort}"));
            file.ports[channel] = port;
        }
        return file;
    }

    private static string Text(JsonObject root, string name) =>
        root[name] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw new FormatException($"has no text named '{name}'");
}
