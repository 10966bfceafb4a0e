using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;

namespace JepaT.Tests;

/// <summary>
/// Answers one request after the other as they were recorded, and writes down every request that is not the recorded one
/// (method, path, query, headers that matter, body). Ids and times of day are those of the recording.
/// </summary>
internal sealed class ReplayServer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly IReadOnlyList<Recorded> lines;
    private readonly Func<Recorded, string?>? login;
    private int next;

    /// <summary>Listens.</summary>
    /// <param name="lines">What is to come.</param>
    /// <param name="login">The kind of Authorization header that a request must have; null: none of them has one.</param>
    public ReplayServer(IReadOnlyList<Recorded> lines, Func<Recorded, string?>? login = null)
    {
        (this.lines, this.login) = (lines, login);
        listener.Start();
        _ = Task.Run(async () =>
        {
            while (true)
            {
                using var socket = await listener.AcceptTcpClientAsync();
                await using var stream = socket.GetStream();
                await AnswerAsync(stream);
            }
        });
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}");

    /// <summary>What did not match.</summary>
    public List<string> Wrong { get; } = [];

    /// <summary>How many requests have come.</summary>
    public int Served => next;

    public void Dispose() => listener.Dispose();

    private async Task AnswerAsync(NetworkStream stream)
    {
        var (head, body) = await ReadAsync(stream);
        if (next == lines.Count) Wrong.Add($"more requests than recorded: {head.Split('\r')[0]}");
        var line = lines[Math.Min(next++, lines.Count - 1)];
        if (Mismatch(line, head, body) is { } wrong) Wrong.Add($"{line.Name}: {wrong}");
        var answer = new StringBuilder($"HTTP/1.1 {line.Status} {(HttpStatusCode)line.Status}\r\nConnection: close\r\nContent-Length: {line.Answer.Length}\r\n");
        if (line.ContentType.Length > 0) answer.Append(CultureInfo.InvariantCulture, $"Content-Type: {line.ContentType}\r\n");
        if (line.Challenge is { } challenge) answer.Append(CultureInfo.InvariantCulture, $"WWW-Authenticate: {challenge}\r\n");
        if (line is { Artifact: { } artifact, Status: 200 } && line.Method == HttpMethod.Get)
            answer.Append(CultureInfo.InvariantCulture, $"Content-Disposition: attachment; filename=\"{Path.GetExtension(artifact.File)}\"\r\n");
        await stream.WriteAsync(Encoding.Latin1.GetBytes(answer.Append("\r\n").ToString()));
        await stream.WriteAsync(line.Answer);
    }

    private string? Mismatch(Recorded line, string head, byte[] body)
    {
        var request = head.Split("\r\n");
        var (method, target) = (request[0].Split(' ')[0], request[0].Split(' ')[1].Split('?'));
        var headers = request.Skip(1).Select(h => h.Split(": ", 2)).Where(h => h.Length == 2).ToDictionary(h => h[0], h => h[1], StringComparer.OrdinalIgnoreCase);
        if (method != line.Method.Method || target[0] != line.Path) return $"{method} {target[0]}, recorded {line.Method} {line.Path}";
        var query = new JsonObject((target.ElementAtOrDefault(1) ?? "").Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(p => KeyValuePair.Create(p.Split('=')[0], (JsonNode?)Uri.UnescapeDataString(p.Split('=')[1]))));
        var recorded = new JsonObject((line.Query ?? []).Select(p => KeyValuePair.Create(p.Key, (JsonNode?)p.Value!.ToString())));
        if (ContractJson.Difference(recorded, query, request: true, "query") is { } inQuery) return inQuery;
        foreach (var (key, value) in line.Headers ?? [])
            if (headers.GetValueOrDefault(key) != (string?)value) return $"header {key}: {headers.GetValueOrDefault(key)}, recorded {value}";
        if (headers.ContainsKey("Origin") != (line.Headers?.ContainsKey("Origin") == true)) return "an Origin header, which the server refuses";
        var authorization = headers.GetValueOrDefault("Authorization")?.Split(' ')[0];
        if (authorization != login?.Invoke(line)) return $"Authorization {authorization ?? "none"}, not {login?.Invoke(line) ?? "none"}";
        if (line.Body is null) return body.AsSpan().SequenceEqual(line.Content ?? []) ? null : $"{body.Length} bytes, recorded {line.Content?.Length ?? 0}";
        if (headers.GetValueOrDefault("Content-Type") != "application/json") return $"Content-Type {headers.GetValueOrDefault("Content-Type")}";
        return ContractJson.Difference(line.Body, JsonNode.Parse(body), request: true);
    }

    private static async Task<(string Head, byte[] Body)> ReadAsync(NetworkStream stream)
    {
        var bytes = new List<byte>();
        var buffer = new byte[65536];
        var (end, length) = (-1, 0);
        while (end < 0 || bytes.Count < end + 4 + length)
        {
            var count = await stream.ReadAsync(buffer);
            if (count == 0) break;
            bytes.AddRange(buffer.AsSpan(0, count));
            if (end >= 0) continue;
            var text = Encoding.Latin1.GetString([.. bytes]);
            end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end >= 0) length = text[..end].Split("\r\n").Where(h => h.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                .Select(h => int.Parse(h.Split(':')[1], CultureInfo.InvariantCulture)).FirstOrDefault();
        }
        return (Encoding.Latin1.GetString([.. bytes.Take(end)]), [.. bytes.Skip(end + 4)]);
    }
}
