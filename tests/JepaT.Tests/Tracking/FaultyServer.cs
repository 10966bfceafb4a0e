using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace JepaT.Tests;

/// <summary>What a server does in place of a good answer.</summary>
/// <param name="Handle">Whether it does what was asked all the same.</param>
/// <param name="Status">The status of its answer; 0: it resets the connection, 1: it dies in the middle of the answer's body, 2: of the request's; 200: it only takes its time.</param>
/// <param name="RetryAfter">Seconds that it asks to wait.</param>
/// <param name="Delay">How long it takes, in ms.</param>
/// <param name="Body">A body in place of MLflow's form of an error.</param>
internal sealed record Fault(bool Handle, int Status, int? RetryAfter = null, int Delay = 0, string? Body = null);

/// <summary>What a fake MLflow has been told; it outlives the server that was told.</summary>
internal sealed class ToldRuns
{
    public sealed class ToldRun(string name, string experiment)
    {
        public string Name { get; } = name;

        public string Experiment { get; } = experiment;

        public string Status { get; set; } = "RUNNING";

        public long End { get; set; }

        public bool Deleted { get; set; }

        public Dictionary<string, string> Tags { get; } = [];

        public Dictionary<string, string> Params { get; } = [];

        /// <summary>Every value as MLflow keeps it: the same key, time, step and value once.</summary>
        public HashSet<(string Key, double Value, long Time, long Step)> Metrics { get; } = [];

        public Dictionary<string, byte[]> Files { get; } = [];

        public List<string> Inputs { get; } = [];
    }

    public Dictionary<string, ToldRun> Runs { get; } = [];

    public Dictionary<string, string> Experiments { get; } = [];
}

/// <summary>A server that speaks as much MLflow as logging needs, on a real socket, and misbehaves as it is told.</summary>
internal sealed partial class FaultyServer : IDisposable
{
    private readonly TcpListener listener;
    private readonly ToldRuns told;
    private readonly Func<int, string, Fault?> plan;
    private readonly Lock gate = new();
    private int requests;

    /// <param name="told">What it is told goes there.</param>
    /// <param name="plan">From the number of the request and its path to a fault, or null.</param>
    /// <param name="port">Where it listens; 0: anywhere.</param>
    public FaultyServer(ToldRuns told, Func<int, string, Fault?>? plan = null, int port = 0)
    {
        (this.told, this.plan) = (told, plan ?? ((_, _) => null));
        listener = new(IPAddress.Loopback, port);
        listener.Start();
        Port = ((IPEndPoint)listener.LocalEndpoint).Port;
        _ = Task.Run(async () =>
        {
            while (true)
            {
                var socket = await listener.AcceptTcpClientAsync();
                _ = Task.Run(async () =>
                {
                    using (socket) await TalkAsync(socket);
                });
            }
        });
    }

    public int Port { get; }

    public string Uri => $"http://127.0.0.1:{Port}";

    public List<(string Path, long Time, int Items)> Requests { get; } = [];

    public void Dispose() => listener.Dispose();

    private async Task TalkAsync(TcpClient socket)
    {
        try
        {
            var stream = socket.GetStream();
            var (head, rest) = await ReadHeadAsync(stream);
            var path = head.Split(' ')[1].Split('?')[0];
            Fault? fault;
            string answer = "{}";
            var status = 200;
            lock (gate) fault = plan(requests++, path);
            if (fault is { Status: 2 })
            {
                socket.LingerState = new LingerOption(true, 0);
                return;
            }
            var body = await ReadBodyAsync(stream, head, rest);
            lock (gate)
            {
                Requests.Add((path, Environment.TickCount64, path.EndsWith("log-batch", StringComparison.Ordinal) ? JsonNode.Parse(body)!["metrics"]!.AsArray().Count : 0));
            }
            if (fault is { Delay: > 0 }) await Task.Delay(fault.Delay);
            lock (gate) if (fault?.Handle != false) (status, answer) = Answer(head.Split(' ')[0], head.Split(' ')[1], body);
            if (fault is { Status: 0 })
            {
                socket.LingerState = new LingerOption(true, 0);
                return;
            }
            var bytes = Encoding.UTF8.GetBytes(fault is { Status: > 2 and not 200 } ? fault.Body ?? $$"""{"error_code":"TEMPORARILY_UNAVAILABLE","message":"not now"}""" : answer);
            if (fault is { Status: > 2 and not 200 }) status = fault.Status;
            var more = fault is { Status: 1 } ? 100 : 0;
            await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status} X\r\nContent-Type: {(fault?.Body is null ? "application/json" : "text/html")}\r\n"
                + (fault?.RetryAfter is { } wait ? $"Retry-After: {wait}\r\n" : "") + $"Content-Length: {bytes.Length + more}\r\nConnection: close\r\n\r\n"));
            await stream.WriteAsync(bytes);
        }
        catch (IOException) { }         // the client has gone
    }

    private static async Task<(string Head, List<byte> Begun)> ReadHeadAsync(NetworkStream stream)
    {
        var bytes = new List<byte>();
        int end;
        while ((end = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(bytes).IndexOf("\r\n\r\n"u8)) < 0) await MoreAsync(stream, bytes);
        return (Encoding.ASCII.GetString([.. bytes[..end]]), bytes[(end + 4)..]);
    }

    private static async Task<byte[]> ReadBodyAsync(NetworkStream stream, string head, List<byte> rest)
    {
        if (head.Contains("chunked", StringComparison.OrdinalIgnoreCase)) throw new InvalidOperationException("this server reads no chunks");
        var count = Length().Match(head) is { Success: true } length ? int.Parse(length.Groups[1].Value, CultureInfo.InvariantCulture) : 0;
        while (rest.Count < count) await MoreAsync(stream, rest);
        return [.. rest];
    }

    private static async Task MoreAsync(NetworkStream stream, List<byte> bytes)
    {
        var buffer = new byte[65536];
        var count = await stream.ReadAsync(buffer);
        if (count == 0) throw new IOException("the client has gone");
        bytes.AddRange(buffer.AsSpan(0, count));
    }

    private (int, string) Answer(string method, string target, byte[] body)
    {
        var path = target.Split('?')[0];
        if (path == "/version") return (200, "3.17.2");
        const string artifacts = "/api/2.0/mlflow-artifacts/artifacts/";
        if (method == "PUT" && path.StartsWith(artifacts, StringComparison.Ordinal))
        {
            var parts = System.Uri.UnescapeDataString(path[artifacts.Length..]).Split('/', 4);
            if (parts[3].StartsWith("bad", StringComparison.Ordinal)) return (400, """{"error_code":"INVALID_PARAMETER_VALUE","message":"a bad name"}""");
            told.Runs[parts[1]].Files[parts[3]] = body;
            return (200, "");
        }
        var json = body.Length > 0 ? JsonNode.Parse(body)!.AsObject() : [];
        string Query(string key) => System.Uri.UnescapeDataString(Regex.Match(target, $"[?&]{key}=([^&]*)").Groups[1].Value);
        string Text(string key) => (string?)json[key] ?? "";
        switch (path["/api/2.0/mlflow/".Length..])
        {
            case "experiments/get-by-name":
                return told.Experiments.TryGetValue(Query("experiment_name"), out var known)
                    ? (200, $$$"""{"experiment":{"experiment_id":"{{{known}}}","name":"x","lifecycle_stage":"active"}}""") : NotThere("experiment");
            case "experiments/create":
                var id = $"{told.Experiments.Count + 1}";
                told.Experiments.Add(Text("name"), id);
                return (200, $$"""{"experiment_id":"{{id}}"}""");
            case "experiments/search":
                return (200, "{\"experiments\":[" + string.Join(',', told.Experiments.Select(e => $$"""{"experiment_id":"{{e.Value}}","name":"{{e.Key}}","lifecycle_stage":"active"}""")) + "]}");
            case "runs/create":
                var made = new ToldRuns.ToldRun(Text("run_name"), Text("experiment_id"));
                foreach (var tag in json["tags"]!.AsArray()) made.Tags[(string)tag!["key"]!] = (string)tag["value"]!;
                var key = $"{told.Runs.Count + 1:x32}";
                told.Runs.Add(key, made);
                return (200, new JsonObject { ["run"] = Describe(key, made) }.ToJsonString());
            case "runs/get":
                return told.Runs.TryGetValue(Query("run_id"), out var run) ? (200, new JsonObject { ["run"] = Describe(Query("run_id"), run) }.ToJsonString()) : NotThere("run");
            case "runs/search":
                var wanted = Tags().Matches(Text("filter")).Select(m => (m.Groups[1].Value, m.Groups[2].Value)).ToList();
                var status = Regex.Match(Text("filter"), "status = '([A-Z]+)'").Groups[1].Value;
                return (200, new JsonObject
                {
                    ["runs"] = new JsonArray([.. told.Runs.Where(r => wanted.All(w => r.Value.Tags.GetValueOrDefault(w.Item1) == w.Item2)
                        && (status.Length == 0 || r.Value.Status == status)).Select(r => Describe(r.Key, r.Value))]),
                }.ToJsonString());
            case "runs/log-inputs":
                told.Runs[Text("run_id")].Inputs.AddRange(json["datasets"]!.AsArray().Select(d => (string)d!["dataset"]!["name"]!));
                return (200, "{}");
        }
        if (!told.Runs.TryGetValue(Text("run_id"), out var target2)) return NotThere("run");
        if (path.EndsWith("runs/update", StringComparison.Ordinal))
        {
            target2.Status = Text("status");
            target2.End = (long?)json["end_time"] ?? 0;
            return (200, new JsonObject { ["run_info"] = Describe(Text("run_id"), target2)["info"]!.DeepClone() }.ToJsonString());
        }
        if (!path.EndsWith("runs/log-batch", StringComparison.Ordinal)) return (404, """{"error_code":"ENDPOINT_NOT_FOUND","message":"x"}""");
        var (metrics, parameters) = (json["metrics"]!.AsArray(), json["params"]!.AsArray());
        if (target2.Deleted || metrics.Count > 1000 || metrics.Any(m => ((string)m!["key"]!).StartsWith("bad", StringComparison.Ordinal))
            || parameters.Any(p => target2.Params.TryGetValue((string)p!["key"]!, out var old) && old != (string)p["value"]!))
            return (400, """{"error_code":"INVALID_PARAMETER_VALUE","message":"a bad value"}""");
        foreach (var p in parameters) target2.Params[(string)p!["key"]!] = (string)p["value"]!;
        foreach (var m in metrics) target2.Metrics.Add(((string)m!["key"]!, m["value"]!.GetValueKind() == System.Text.Json.JsonValueKind.String ? double.NaN : (double)m["value"]!, (long)m["timestamp"]!, (long)m["step"]!));
        foreach (var t in json["tags"]!.AsArray()) target2.Tags[(string)t!["key"]!] = (string)t["value"]!;
        return (200, "{}");
    }

    private static (int, string) NotThere(string what) => (404, $$"""{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no such {{what}}"}""");

    private static JsonObject Describe(string id, ToldRuns.ToldRun run) => new()
    {
        ["info"] = new JsonObject
        {
            ["run_id"] = id,
            ["experiment_id"] = run.Experiment,
            ["run_name"] = run.Name,
            ["status"] = run.Status,
            ["start_time"] = 1,
            ["end_time"] = run.End,
            ["lifecycle_stage"] = run.Deleted ? "deleted" : "active",
            ["artifact_uri"] = $"mlflow-artifacts:/{run.Experiment}/{id}/artifacts",
        },
        ["data"] = new JsonObject
        {
            ["metrics"] = new JsonArray([.. run.Metrics.GroupBy(m => m.Key).Select(g => g.MaxBy(m => m.Step)).Select(m => new JsonObject
            {
                ["key"] = m.Key,
                ["value"] = double.IsNaN(m.Value) ? "NaN" : m.Value,
                ["timestamp"] = m.Time,
                ["step"] = m.Step,
            })]),
            ["tags"] = new JsonArray([.. run.Tags.Select(t => new JsonObject { ["key"] = t.Key, ["value"] = t.Value })]),
            ["params"] = new JsonArray([.. run.Params.Select(t => new JsonObject { ["key"] = t.Key, ["value"] = t.Value })]),
        },
    };

    [GeneratedRegex("Content-Length: ([0-9]+)", RegexOptions.IgnoreCase)]
    private static partial Regex Length();

    [GeneratedRegex("tags\\.`([^`]+)` = '([^']*)'")]
    private static partial Regex Tags();
}
