using System.IO.Enumeration;
using System.Text.Json.Nodes;

namespace JepaT.Notebooks;

/// <summary>What was run in this session, for the front end's arrow keys and searches.</summary>
internal sealed class KernelHistory
{
    private const int Kept = 1000, Session = 1, Text = 1000;

    private readonly Lock gate = new();
    private readonly Queue<Entry> entries = new();

    public void Add(int number, string code)
    {
        lock (gate)
        {
            entries.Enqueue(new(number, code));
            if (entries.Count > Kept) entries.Dequeue();
        }
    }

    /// <summary>Adds what the newest cell came to.</summary>
    public void Complete(string? output)
    {
        lock (gate)
            if (output is not null && entries.LastOrDefault() is { } last) last.Output = output[..Math.Min(output.Length, Text)];
    }

    /// <summary>Answers a history_request.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public JsonArray Find(JupyterMessage request)
    {
        List<Entry> found;
        lock (gate) found = [.. entries];
        var access = request.Text("hist_access_type");
        switch (access)
        {
            case "tail":
                break;
            case "range":
                var (start, stop) = (request.Number("start", 1), request.Number("stop", int.MaxValue));
                found = request.Number("session", 0) is 0 or Session ? found.FindAll(e => e.Number >= start && e.Number < stop) : [];
                break;
            case "search":
                var pattern = request.Text("pattern", "*").Replace(@"\", @"\\", StringComparison.Ordinal);
                found = found.FindAll(e => FileSystemName.MatchesSimpleExpression(pattern, e.Code, ignoreCase: false));
                if (request.Flag("unique", false)) found = [.. found.GroupBy(e => e.Code).Select(g => g.Last()).OrderBy(e => e.Number)];
                break;
            default:
                throw new FormatException($"history_request: hist_access_type '{access}' is unknown");
        }
        if (access != "range" && request.Number("n", 0) is > 0 and var n) found = [.. found.TakeLast(n)];
        var output = request.Flag("output", false);
        return [.. found.Select(e => new JsonArray(Session, e.Number, output ? new JsonArray(e.Code, e.Output) : e.Code))];
    }

    private sealed record Entry(int Number, string Code)
    {
        public string? Output { get; set; }
    }
}
