using System.Reflection;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Three runs with names, values and files that want to be more than text, and a child of the first.</summary>
internal static class HostileRuns
{
    public const string Experiment = "a \"quoted\" <b>experiment</b>";

    public const string Script = "<script>alert('x')</script>";

    public const string TwoLines = "two\nlines\t\u001b[31mred";

    /// <summary>Metric FID: 30, 20, NaN; loss 1, 2, 0.5; param lr differs, seed does not.</summary>
    public static IReadOnlyList<string> Log(ITrackingStore store)
    {
        var experiment = store.GetOrCreateExperiment(Experiment);
        string[] names = [Script, "it's \"both\"", TwoLines];
        var ids = new List<string>();
        for (var i = 0; i < names.Length; i++)
        {
            var id = store.CreateRun(experiment, names[i], 1_700_000_000_000 + 1000 * i, new Dictionary<string, string> { ["mlflow.note.content"] = $"# {Script}", ["jepat.command"] = "lab train\n=x" }).RunId;
            ids.Add(id);
            List<Metric> metrics = [new("eval/fid", i == 2 ? double.NaN : 30 - 10 * i, 5, 4), new("train/loss", i switch { 0 => 1, 1 => 2, _ => 0.5 }, 6, 4), new("train/loss", 9, 5, 2)];
            store.LogBatch(id, metrics, [new("lr", i == 0 ? "1e-3" : "-0.5"), new("seed", "7"), new("note", i == 0 ? "=HYPERLINK(\"http://x\")" : Script)], []);
            store.LogInputs(id, [new(Script, "abcd1234", "training", "{\"uri\":\"here\"}")]);
            store.UploadArtifact(id, "plots/" + (i == 0 ? "a 'b' & <c>.html" : "plain.txt"), new MemoryStream([1, 2, 3]));
            store.UpdateRun(id, RunStatus.Finished, 1_700_000_061_000);
        }
        var child = store.CreateRun(experiment, "child", 1_700_000_000_500, new Dictionary<string, string> { ["mlflow.parentRunId"] = ids[0] }).RunId;
        store.LogBatch(child, [], [new("seed", "7")], []);
        store.UpdateRun(child, RunStatus.Failed, 1_700_000_002_000);
        return [.. ids, child];
    }
}

/// <summary>A store, such as a server, that names artifacts as it pleases.</summary>
public class ForeignArtifacts : DispatchProxy
{
    private ITrackingStore inner = null!;
    private IReadOnlyList<string> names = [];

    public static ITrackingStore Of(ITrackingStore store, params string[] names)
    {
        var proxy = Create<ITrackingStore, ForeignArtifacts>();
        ((ForeignArtifacts)(object)proxy).inner = store;
        ((ForeignArtifacts)(object)proxy).names = names;
        return proxy;
    }

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => targetMethod!.Name switch
    {
        nameof(ITrackingStore.Artifacts) => names.Select(n => new ArtifactInfo(n, 3)).ToList(),
        nameof(ITrackingStore.OpenArtifact) => new MemoryStream("abc"u8.ToArray()),
        nameof(IDisposable.Dispose) => null,
        _ => targetMethod.Invoke(inner, args),
    };
}
