using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Makes recorded requests through <see cref="MlflowClient"/>; those that it cannot or will not make, raw, through the same transport.</summary>
internal sealed class ContractClient : IDisposable
{
    private static readonly string[] Malformed =
        ["log metric missing timestamp", "log metric text value", "malformed json", "unknown endpoint", "multipart create", "foreign host", "foreign origin", "run create in deleted"];

    private readonly Override handler = new();
    private readonly HttpClient http;
    private readonly MlflowTransport transport;
    private readonly MlflowClient client;

    public ContractClient(MlflowOptions options)
    {
        options = options with { MaxRetries = 0 };
        http = new HttpClient(handler);
        (transport, client) = (new(http, options, TimeProvider.System), new(http, options, TimeProvider.System));
    }

    /// <summary>Requests that the client refused to make.</summary>
    public List<string> RefusedHere { get; } = [];

    public void Dispose() => http.Dispose();

    /// <summary>Puts a request, and gives what the client makes of the answer, in MLflow's names; null where it says that there is none.</summary>
    public async Task<JsonNode?> PutAsync(Recorded line)
    {
        try
        {
            return Malformed.Contains(line.Name) ? await RawAsync(line) : Node(line.Artifact is { } at ? await ArtifactAsync(line, at) : await CallAsync(line));
        }
        catch (ArgumentException)
        {
            RefusedHere.Add(line.Name);
            return await RawAsync(line);
        }
    }

    private async Task<object?> ArtifactAsync(Recorded line, (string Run, string File) at)
    {
        var uri = $"mlflow-artifacts:/1/{at.Run}/artifacts";
        if (line.Method == HttpMethod.Put)
        {
            await client.UploadArtifactAsync(uri, at.File, new MemoryStream(line.Content!));
            return new { base64 = "" };
        }
        using var stream = await client.OpenArtifactAsync(uri, at.File);
        using var bytes = new MemoryStream();
        await stream.CopyToAsync(bytes);
        return new { base64 = Convert.ToBase64String(bytes.ToArray()) };
    }

    private async Task<object?> CallAsync(Recorded line)
    {
        var arguments = line.Body ?? line.Query ?? [];
        string Text(string name) => (string)arguments[name]!;
        T? Read<T>(string name) => arguments[name] is { } node ? MlflowJson.Read<T>(JsonSerializer.SerializeToUtf8Bytes(node)) : default;
        var run = (string?)arguments["run_id"] ?? "";
        switch (line.Path.Replace("/api/2.0/mlflow/", "", StringComparison.Ordinal))
        {
            case "/health": return new { text = await client.IsHealthyAsync() ? "OK" : "" };
            case "/version": return new { text = await client.GetVersionAsync() };
            case "experiments/create": return new { experiment_id = await client.CreateExperimentAsync(Text("name"), tags: Read<MlflowTag[]>("tags")) };
            case "experiments/get": return new { experiment = await client.GetExperimentAsync(Text("experiment_id")) };
            case "experiments/get-by-name": return await client.GetExperimentByNameAsync(Text("experiment_name")) is { } found ? new { experiment = found } : null;
            case "experiments/search":
                return new { experiments = await client.SearchExperimentsAsync((string?)arguments["filter"], pageSize: (int)arguments["max_results"]!).ToListAsync() };
            case "experiments/set-experiment-tag": await client.SetExperimentTagAsync(Text("experiment_id"), Text("key"), Text("value")); break;
            case "experiments/delete": await client.DeleteExperimentAsync(Text("experiment_id")); break;
            case "runs/create":
                return new { run = await client.CreateRunAsync(new(Text("experiment_id"), Text("run_name"), (long)arguments["start_time"]!) { Tags = Read<MlflowTag[]>("tags") ?? [] }) };
            case "runs/get": return new { run = await client.GetRunAsync(run) };
            case "runs/update":
                return new { run_info = await client.UpdateRunAsync(run, Read<MlflowRunStatus?>("status"), (long?)arguments["end_time"], (string?)arguments["run_name"]) };
            case "runs/delete": await client.DeleteRunAsync(run); break;
            case "runs/restore": await client.RestoreRunAsync(run); break;
            case "runs/search":
                return new
                {
                    runs = await client.SearchRunsAsync(Read<string[]>("experiment_ids")!, (string?)arguments["filter"], Read<string[]>("order_by"),
                    Read<MlflowView?>("run_view_type") ?? MlflowView.ActiveOnly, (int?)arguments["max_results"] ?? 1000).ToListAsync()
                };
            case "runs/log-batch": await client.LogBatchAsync(run, Read<MlflowMetric[]>("metrics"), Read<MlflowParam[]>("params"), Read<MlflowTag[]>("tags")); break;
            case "runs/log-metric":
                await client.LogMetricAsync(run, new(Text("key"), Read<double>("value"), (long)arguments["timestamp"]!, (long)arguments["step"]!));
                break;
            case "runs/log-parameter": await client.LogParamAsync(run, Text("key"), Text("value")); break;
            case "runs/set-tag": await client.SetTagAsync(run, Text("key"), Text("value")); break;
            case "runs/delete-tag": await client.DeleteTagAsync(run, Text("key")); break;
            case "runs/log-inputs": await client.LogInputsAsync(run, Read<MlflowDatasetInput[]>("datasets")!); break;
            case "metrics/get-history":
                return new { metrics = await client.GetMetricHistoryAsync(run, Text("metric_key"), (int?)arguments["max_results"] ?? 25000).ToListAsync() };
            case "artifacts/list": return new { files = await client.ListArtifactsAsync(run, (string?)arguments["path"]) };
            default: throw new NotSupportedException($"{line.Name}: {line.Path}");
        }
        return new { };
    }

    private async Task<JsonNode?> RawAsync(Recorded line)
    {
        handler.Now = line;
        try
        {
            var query = string.Join('&', (line.Query ?? []).Select(p => $"{p.Key}={Uri.EscapeDataString(p.Value!.ToString())}"));
            return Node(await transport.OnceAsync<JsonElement>(line.Method, line.Path[1..] + (query.Length > 0 ? "?" + query : ""), null, default));
        }
        finally
        {
            handler.Now = null;
        }
    }

    private static JsonNode? Node(object? value) => value is null ? null : JsonNode.Parse(MlflowJson.Write(value));

    /// <summary>Puts recorded bytes and headers in place of the client's.</summary>
    private sealed class Override() : DelegatingHandler(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false })
    {
        public Recorded? Now { get; set; }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (Now?.Content is { } bytes)
            {
                request.Content = new ByteArrayContent(bytes);
                request.Content.Headers.ContentType = new MediaTypeHeaderValue(Now.Method == HttpMethod.Put ? "application/octet-stream" : "application/json");
            }
            foreach (var (key, value) in Now?.Headers ?? []) request.Headers.TryAddWithoutValidation(key, (string)value!);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
