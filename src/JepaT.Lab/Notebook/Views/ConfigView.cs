namespace JepaT.Lab;

/// <summary>An experiment or a model's sizes: what differs from the defaults in bold, and first.</summary>
internal static class ConfigView
{
    public static View Of(Experiment experiment)
    {
        var usual = ExperimentFile.SettingsOf(new Experiment()).ToDictionary(s => s.Key, s => ParamText.Of(s.Value));
        return View.Titled($"Experiment {experiment.Name}", Of(ExperimentFile.SettingsOf(experiment).Select(s => (s.Key, ParamText.Of(s.Value))), usual));
    }

    public static View Of(ModelConfig config)
    {
        var usual = Records.Flatten(new ModelConfig()).ToDictionary(s => s.Key, s => ParamText.Of(s.Value));
        var derived = new[] { ("tokens", $"{config.Tokens} of {config.TokenDim} numbers"), ("image", $"{config.Channels} × {config.ImageSize} × {config.ImageSize}"), ("fusion", config.Fusion.ToString()) };
        return View.Titled("Model", Of(derived.Concat(Records.Flatten(config).Select(s => (s.Key, ParamText.Of(s.Value)))), usual));
    }

    private static TableView Of(IEnumerable<(string Key, string Value)> settings, Dictionary<string, string> usual) => new(
        ["setting", "value", "default"],
        [.. settings.Select(s => (s.Key, s.Value, Usual: usual.GetValueOrDefault(s.Key))).OrderBy(s => s.Usual == s.Value)
            .Select(IReadOnlyList<TableCell> (s) => s.Usual is null || s.Usual == s.Value ? [new(s.Key), new(s.Value), new("")] : [new(s.Key, true), new(s.Value, true), new(s.Usual)])]);
}
