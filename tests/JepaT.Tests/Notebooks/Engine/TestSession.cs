using JepaT.Notebooks;

namespace JepaT.Tests;

/// <summary>A session in a folder of its own, and what its cells showed.</summary>
internal sealed class TestSession : IAsyncDisposable, ICellOutput
{
    private readonly Lock gate = new();
    private readonly List<string> log = [];
    private int cells;

    public TestSession() => Session = new(new SessionOptions { Folder = Folder });

    public string Folder { get; } = Directory.CreateTempSubdirectory("jepat-cells-").FullName;

    public Session Session { get; }

    /// <summary>What a user would type.</summary>
    public Func<string, string?> Typed { get; init; } = _ => null;

    /// <summary>All outputs in order: <c>stdout text</c>, <c>display mime: text</c>, <c>update …</c>, <c>clear</c>.</summary>
    public IReadOnlyList<string> Log
    {
        get { lock (gate) return [.. log]; }
    }

    public string Out => Text("stdout ");

    public string Err => Text("stderr ");

    public Task<CellResult> RunAsync(string code) => Session.RunAsync(code, $"cell {++cells}", this, TestContext.Current.CancellationToken);

    /// <summary>Runs code that must not fail; its value as plain text, null when it has none.</summary>
    public async Task<string?> ValueAsync(string code)
    {
        var result = await RunAsync(code);
        Assert.True(result.Error is null, result.Error is { } e ? string.Join("\n", e.Traceback) : "");
        return result.Value?.Data["text/plain"];
    }

    public async Task<CellError> ErrorAsync(string code)
    {
        var result = await RunAsync(code);
        Assert.NotNull(result.Error);
        return result.Error;
    }

    public async Task WaitForAsync(string output)
    {
        while (!Log.Any(l => l.Contains(output, StringComparison.Ordinal))) await Task.Delay(5, TestContext.Current.CancellationToken);
    }

    public string File(string name, string text)
    {
        var path = Path.Combine(Folder, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    void ICellOutput.Stream(string name, string text) => Add($"{name} {text}");

    void ICellOutput.Display(MimeBundle data, string displayId) => Add("display " + Of(data));

    void ICellOutput.Update(string displayId, MimeBundle data) => Add("update " + Of(data));

    void ICellOutput.Clear(bool wait) => Add(wait ? "clear later" : "clear");

    string? ICellOutput.ReadLine(string prompt, bool password) => Typed(prompt);

    public async ValueTask DisposeAsync()
    {
        await Session.DisposeAsync();
        Directory.Delete(Folder, recursive: true);
    }

    private static string Of(MimeBundle data) => string.Join("; ", data.Data.Select(d => $"{d.Key}: {d.Value}"));

    private string Text(string stream) => string.Concat(Log.Where(l => l.StartsWith(stream, StringComparison.Ordinal)).Select(l => l[stream.Length..]));

    private void Add(string line)
    {
        lock (gate) log.Add(line);
    }

    /// <summary>Outputs apart from the session's own.</summary>
    internal sealed class Other : ICellOutput
    {
        public List<string> Log { get; } = [];

        public bool Fails { get; init; }

        public void Stream(string name, string text)
        {
            if (Fails) throw new InvalidOperationException("the front end is gone");
            Log.Add(text);
        }

        public void Display(MimeBundle data, string displayId) => Log.Add(displayId);

        public void Update(string displayId, MimeBundle data) => Log.Add(displayId);

        public void Clear(bool wait) => Log.Clear();

        public string? ReadLine(string prompt, bool password) => null;
    }
}
