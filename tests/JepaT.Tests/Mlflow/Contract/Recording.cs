using System.Text;
using System.Text.Json.Nodes;

namespace JepaT.Tests;

/// <summary>The requests that were put to a real MLflow 3.17.2, with its answers, and the folder that they left behind.</summary>
internal static class Recording
{
    /// <summary>The folder with <c>contract.jsonl</c>: JEPAT_MLFLOW_CONTRACT, else <c>../shared/mlflow</c>. Skips the test without one.</summary>
    public static string Folder()
    {
        var folder = Environment.GetEnvironmentVariable("JEPAT_MLFLOW_CONTRACT") is { Length: > 0 } named ? named
            : Path.Combine(MlflowServer.RepositoryRoot(), "..", "shared", "mlflow");
        Assert.SkipUnless(File.Exists(Path.Combine(folder, "contract.jsonl")),
            "no recordings of MLflow: ../shared/mlflow/contract.jsonl is not there, and JEPAT_MLFLOW_CONTRACT names no folder with contract.jsonl");
        return folder;
    }

    /// <summary>The 106 requests, in order.</summary>
    public static List<Recorded> Contract() => [.. File.ReadLines(Path.Combine(Folder(), "contract.jsonl")).Select(line => new Recorded(line))];

    /// <summary>The requests to a server with a login.</summary>
    public static List<Recorded> Login() => [.. File.ReadLines(Path.Combine(Folder(), "login.jsonl")).Select(line =>
    {
        var node = JsonNode.Parse(line)!.AsObject();
        var path = ((string)node["path"]!).Split('?');
        node["path"] = path[0];
        if (path.Length > 1) node["query"] = new JsonObject(path[1].Split('&').Select(p => KeyValuePair.Create(p.Split('=')[0], (JsonNode?)p.Split('=')[1])));
        var isJson = (string?)node["content_type"] == "application/json";
        node["answer"] = isJson ? new JsonObject { ["json"] = JsonNode.Parse((string)node["answer"]!) } : new JsonObject { ["text"] = (string)node["answer"]! };
        return new Recorded(node.ToJsonString());
    })];

    /// <summary>Copies the recorded database and artifacts into a folder.</summary>
    public static void CopyStore(string target)
    {
        var source = Path.Combine(Folder(), "server-3.17.2");
        foreach (var file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.WriteAllBytes(copy, File.ReadAllBytes(file));      // not its read-only mark
        }
    }
}

/// <summary>One recorded request with its answer.</summary>
internal sealed class Recorded(string text)
{
    private readonly JsonObject line = JsonNode.Parse(text)!.AsObject();

    public string Name => (string)line["name"]!;

    public HttpMethod Method => new((string)line["method"]!);

    /// <summary>From the root, percent-encoded as it was sent.</summary>
    public string Path => (string)line["path"]!;

    public JsonObject? Query => line["query"] as JsonObject;

    public JsonObject? Headers => line["headers"] as JsonObject;

    /// <summary>The JSON that was sent; null where it was none.</summary>
    public JsonObject? Body => line["body"] is JsonObject body && !body.ContainsKey("raw") ? body : null;

    public int Status => (int)line["status"]!;

    public string ContentType => (string?)line["content_type"] ?? "";

    public string? Challenge => (string?)line["www_authenticate"];

    /// <summary>The answer, where it is JSON.</summary>
    public JsonObject? Json => line["answer"]!["json"] as JsonObject;

    /// <summary>Whether it asks for a further page.</summary>
    public bool IsFurtherPage => Query?.ContainsKey("page_token") == true || Body?.ContainsKey("page_token") == true;

    /// <summary>What was sent; null for nothing.</summary>
    public byte[]? Content => (string?)line["raw_base64"] is { } raw ? Convert.FromBase64String(raw)
        : line.ContainsKey("raw_sha256") ? File()
        : line["body"] is not JsonObject body ? null
        : Encoding.UTF8.GetBytes((string?)body["raw"] ?? body.ToJsonString());

    /// <summary>The bytes of the answer.</summary>
    public byte[] Answer
    {
        get
        {
            var answer = line["answer"]!;
            return answer["json"] is { } json ? Encoding.UTF8.GetBytes(json.ToJsonString())
                : (string?)answer["text"] is { } words ? Encoding.UTF8.GetBytes(words)
                : (string?)answer["base64"] is { } base64 ? Convert.FromBase64String(base64) : File();
        }
    }

    /// <summary>Run and path, where it is about an artifact.</summary>
    public (string Run, string File)? Artifact
    {
        get
        {
            const string Root = "/api/2.0/mlflow-artifacts/artifacts/";
            var parts = Path.StartsWith(Root, StringComparison.Ordinal) ? Path[Root.Length..].Split('/', 4) : [];
            return parts.Length == 4 ? (parts[1], Uri.UnescapeDataString(parts[3])) : null;
        }
    }

    /// <summary>The same with other ids.</summary>
    public Recorded With(IReadOnlyDictionary<string, string> ids) => new(ids.Aggregate(text, (all, id) => all.Replace(id.Key, id.Value, StringComparison.Ordinal)));

    // Bytes that the recording has only the hash of lie in the folder that it left.
    private static byte[] File() =>
        System.IO.File.ReadAllBytes(Directory.GetFiles(System.IO.Path.Combine(Recording.Folder(), "server-3.17.2"), "model.safetensors", SearchOption.AllDirectories).Single());
}

/// <summary>Compares what was recorded with what came now.</summary>
internal static class ContractJson
{
    private static readonly string[] Times = ["creation_time", "last_update_time"];

    /// <summary>
    /// Null when they say the same, else where they differ. A request says the same when it names a default that the recorded one leaves
    /// out; an answer as we read it has only the fields that we read, and defaults for what is absent. Times of day may differ.
    /// </summary>
    public static string? Difference(JsonNode? wanted, JsonNode? got, bool request, string at = "$")
    {
        switch (wanted, got)
        {
            case (JsonObject a, JsonObject b):
                foreach (var (key, value) in b)
                {
                    if (Times.Contains(key)) continue;
                    if (a.TryGetPropertyValue(key, out var other) ? Difference(other, value, request, $"{at}.{key}") is { } difference
                        : !IsDefault(key, value, request) && (difference = $"{at}.{key}: {value?.ToJsonString()}, not recorded") != "") return difference;
                }
                return request && a.FirstOrDefault(p => !b.ContainsKey(p.Key)).Key is { } missing ? $"{at}.{missing} is not there" : null;
            case (JsonArray a, JsonArray b):
                var (x, y) = (Sorted(a), Sorted(b));
                return x.Count != y.Count ? $"{at}: {y.Count} items, recorded {x.Count}"
                    : Enumerable.Range(0, x.Count).Select(i => Difference(x[i], y[i], request, $"{at}[{i}]")).FirstOrDefault(d => d is not null);
            case (JsonValue a, JsonValue b) when Same(a.ToJsonString(), b.ToJsonString()):
                return null;
            default:
                return $"{at}: {Short(got)}, recorded {Short(wanted)}";
        }
    }

    // Maps (params, tags, the latest metrics) come in any order; the points of one metric keep theirs. A client's own id of a create is no part of it.
    private static List<JsonNode?> Sorted(JsonArray items) => [.. items
        .Where(i => (i as JsonObject)?["key"]?.ToString() is not ("client.create_id" or "jepat.create_id"))
        .OrderBy(i => (i as JsonObject)?["key"]?.ToString() ?? "", StringComparer.Ordinal)];

    private static bool IsDefault(string key, JsonNode? value, bool request) => value?.ToJsonString() is null or "[]" or "\"ACTIVE_ONLY\""
        || (request ? key == "max_results" : value.ToJsonString() is "\"\"" or "0" or "{}" || (value is JsonObject map && map.All(p => IsDefault(p.Key, p.Value, request))));

    private static bool Same(string a, string b) => a == b
        || (long.TryParse(a, out _) && long.TryParse(b, out _) ? a == b
        : double.TryParse(a, System.Globalization.CultureInfo.InvariantCulture, out var x) && double.TryParse(b, System.Globalization.CultureInfo.InvariantCulture, out var y) && x.Equals(y))
        || (a[0] == '"' && b[0] == '"' && (string)JsonNode.Parse(a)! == (string)JsonNode.Parse(b)!);

    private static string Short(JsonNode? node) => node?.ToJsonString() is { } text ? text[..Math.Min(text.Length, 200)] : "nothing";
}
