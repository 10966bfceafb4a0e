using System.Text.Json;

namespace JepaT.Lab;

/// <summary>What a new run says of itself before its first step: settings, code, machine, model, data, and which prompts its pictures show.</summary>
internal static class RunDescription
{
    public static void Log(Experiment experiment, Workbench bench, JepaModel model, RunFolder folder, RunLogger log)
    {
        log.Params(ExperimentFile.SettingsOf(experiment));
        log.Param("parameters.total", model.NamedWeights().Sum(p => p.Value.numel()));
        log.Param("parameters.used", model.UsedWeights().Sum(p => p.Value.numel()));
        log.Tag("jepat.folder", Path.GetFullPath(folder.Path));
        log.Tag("jepat.preset", experiment.Fusion.ToString());
        log.Artifact(folder.Experiment);
        log.LogEnvironment();
        log.ArtifactText("model_summary.txt", new ModelView(model).ToString());
        if (bench.Evaluation.Card is { } card) log.Params(card.Params());
        foreach (var (data, context) in new (ITrainingData?, string)[] { (bench.Train, "training"), (bench.Test, "eval") })
            if (data is not null) log.Dataset($"{data.Name}-{data.Split}", data.Digest, context, bench.Source, Profile(data), Schema);
        SampleTable.Log(bench.Evaluation, log);
    }

    private const string Schema = """{"mlflow_colspec":[{"type":"binary","name":"image","required":true},{"type":"string","name":"caption","required":true}]}""";

    private static string Profile(ITrainingData data) => JsonSerializer.Serialize(new Dictionary<string, object>
    {
        ["num_rows"] = data.Count,
        ["image_size"] = data.ImageSize,
        ["channels"] = data.Channels,
        ["distinct_captions"] = data.Captions.Count,
    });
}
