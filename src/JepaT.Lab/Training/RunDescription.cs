using System.Text.Json;

namespace JepaT.Lab;

/// <summary>What a new run says of itself before its first step: settings, code, machine, model, data, and which prompts its pictures show.</summary>
internal static class RunDescription
{
    public static void Log(Experiment experiment, Workbench bench, JepaModel model, RunFolder folder, RunLogger log)
    {
        log.Params(Params(experiment, bench, model));
        log.Tag("jepat.folder", Path.GetFullPath(folder.Path));
        log.Tag("jepat.preset", experiment.Fusion.ToString());
        log.Artifact(folder.Experiment);
        log.LogEnvironment();
        log.ArtifactText("model_summary.txt", new ModelView(model).ToString());
        foreach (var (data, context) in new (ITrainingData?, string)[] { (bench.Train, "training"), (bench.Test, "eval") })
            if (data is not null) log.Dataset($"{data.Name}-{data.Split}", data.Digest, context, bench.Source, Profile(data), Schema);
        SampleTable.Log(bench.Evaluation, log);
    }

    /// <summary>Its params: the settings, the size of the model, and what judges the pictures.</summary>
    public static IEnumerable<KeyValuePair<string, object?>> Params(Experiment experiment, Workbench bench, JepaModel model) =>
    [
        .. ExperimentFile.SettingsOf(experiment),
        new("parameters.total", model.NamedWeights().Sum(p => p.Value.numel())),
        new("parameters.used", model.UsedWeights().Sum(p => p.Value.numel())),
        .. bench.Evaluation.Card?.Params() ?? [],
    ];

    private const string Schema = """{"mlflow_colspec":[{"type":"binary","name":"image","required":true},{"type":"string","name":"caption","required":true}]}""";

    private static string Profile(ITrainingData data) => JsonSerializer.Serialize(new Dictionary<string, object>
    {
        ["num_rows"] = data.Count,
        ["image_size"] = data.ImageSize,
        ["channels"] = data.Channels,
        ["distinct_captions"] = data.Captions.Count,
    });
}
