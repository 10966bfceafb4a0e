using System.Globalization;
using System.Text;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>MLflow's own Python client reads what ours wrote, and ours what it wrote, through a file and through a server.</summary>
[Trait("Category", "Contract")]
public sealed class PythonContractTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Python_reads_a_database_that_we_wrote_and_we_what_it_wrote_into_it()
    {
        using (var store = folder.Open())
        {
            StoreScript.Run(store);
            Assert.Equal(Dump(store, files: false, "first", "Ünï 中"), PythonMlflow.Run("dump", folder.Uri, "first", "Ünï 中"));
        }
        PythonMlflow.Run("write", folder.Uri, "from Python", "first");      // into the file that its own migration has changed
        using var again = folder.Open();
        Assert.Equal(PythonMlflow.Run("dump", folder.Uri, "from Python", "first"), Dump(again, files: false, "from Python", "first"));
        Holds(again);
    }

    [Fact]
    public void Python_and_we_read_each_other_over_a_server_with_artifacts()
    {
        using var server = MlflowServer.Start(folder.Path);
        using var store = TrackingStores.Open(server.Address.ToString());
        StoreScript.Run(store);
        PythonMlflow.Run("write", server.Address.ToString(), "from Python");
        using var database = folder.Open();
        string[] experiments = ["first", "Ünï 中", "from Python"];
        var theirs = PythonMlflow.Run("dump", server.Address.ToString(), experiments);
        Assert.Equal(theirs, Dump(store, files: true, experiments));
        Assert.Equal(theirs, Dump(database, files: true, experiments));
        Holds(store);
        var run = store.SearchRuns(new() { Filter = "run_name = 'python ünï 中'" })[0];
        Assert.Equal("text ü\n", Encoding.UTF8.GetString(ContractStore.Bytes(store, run.Info.RunId, "a folder/notes + ü.txt")));
        Assert.Equal(["a folder/notes + ü.txt", "d/deep/x.json"], store.Artifacts(run.Info.RunId).Select(f => f.Path));
    }

    // That something is there at all, not only the same on both sides.
    private static void Holds(ITrackingStore store)
    {
        var experiment = store.Experiments().Single(e => e.Name == "from Python").Id;      // there is another of the name in "first"
        var run = Assert.Single(store.SearchRuns(new() { ExperimentId = experiment, Filter = "run_name = 'python ünï 中' AND params.flag = 'True'" }));
        Assert.Equal((RunStatus.Finished, 6000, 7000L), (run.Info.Status, run.Info.StartTime, run.Info.EndTime));
        Assert.True(double.IsNaN(run.Metrics["odd/0"].Value));
        Assert.Equal((-3, 9007199254740993), (run.Metrics["odd/0"].Step, run.Metrics["odd/6"].Step));
        Assert.Equal([-1.0, 1, 2, 3, 9], store.MetricHistory(run.Info.RunId, "m").Select(m => m.Value));
        Assert.Equal("python parent", store.GetRun(run.Tags["mlflow.parentRunId"]).Info.Name);
        Assert.Equal(new DatasetInput("set", "a1b2c3d4", "training", "{}", """{"num_rows": 3}""", """{"mlflow_colspec": []}"""), Assert.Single(run.Inputs));
    }

    /// <summary>The rows that the Python program prints.</summary>
    private static List<string> Dump(ITrackingStore store, bool files, params string[] names) => [.. names.SelectMany(name => Dump(store, files, name))];

    private static List<string> Dump(ITrackingStore store, bool files, string name)
    {
        var experiment = store.Experiments().Single(e => e.Name == name);
        var tags = string.Join(", ", experiment.Tags.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"({Quoted(t.Key)}, {Quoted(t.Value)})"));
        var rows = new List<string> { $"experiment {experiment.Id} {experiment.Name} [{tags}]" };
        foreach (var run in store.SearchRuns(new() { ExperimentId = experiment.Id, Stage = RunStage.All, OrderBy = ["run_id"] }))
        {
            var i = run.Info;
            rows.Add($"run {i.RunId} {i.Name} {i.Status.ToString().ToUpperInvariant()} {i.StartTime} {i.EndTime?.ToString(CultureInfo.InvariantCulture) ?? "None"} {i.ArtifactUri} {(i.Deleted ? "deleted" : "active")}");
            rows.AddRange(run.Params.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"param {p.Key} {p.Value}"));
            rows.AddRange(run.Tags.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"tag {t.Key} {t.Value}"));
            rows.AddRange(run.Metrics.Values.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => Point("latest", m)));
            foreach (var key in run.Metrics.Keys.Order(StringComparer.Ordinal)) rows.AddRange(store.MetricHistory(i.RunId, key).Select(m => Point("point", m)));
            rows.AddRange(run.Inputs.Select(d => $"input {d.Name} {d.Digest} {d.SourceType} {d.Source} {d.Schema ?? "None"} {d.Profile ?? "None"} [{Quoted(d.Context)}]"));
            if (files) rows.AddRange(store.Artifacts(i.RunId).Select(f => $"file {f.Path} {f.Size} {Convert.ToHexStringLower(ContractStore.Bytes(store, i.RunId, f.Path).Take(64).ToArray())}"));
        }
        return [.. rows.Select(Escaped)];

        static string Quoted(string text) => text.Contains('\'', StringComparison.Ordinal) ? $"\"{text}\"" : $"'{text.Replace("\n", "\\n", StringComparison.Ordinal)}'";
    }

    private static string Point(string what, Metric m) =>
        string.Create(CultureInfo.InvariantCulture, $"{what} {m.Key} {m.Timestamp} {m.Step} {(double.IsNaN(m.Value) ? 0x7ff8000000000000 : BitConverter.DoubleToInt64Bits(m.Value)):x16}");

    // As Python's unicode_escape.
    private static string Escaped(string text) => string.Concat(text.Select(c => c switch
    {
        '\\' => @"\\",
        '\n' => @"\n",
        '\r' => @"\r",
        '\t' => @"\t",
        < ' ' or (> '~' and < '\u0100') => $"\\x{(int)c:x2}",
        > '\u00ff' => $"\\u{(int)c:x4}",
        _ => c.ToString(),
    }));
}
