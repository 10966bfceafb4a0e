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

    // What is at its default is folded away: a reader looks for what is not.
    private static FoldView Of(IEnumerable<(string Key, string Value)> settings, Dictionary<string, string> usual)
    {
        var parts = settings.ToLookup(s => usual.TryGetValue(s.Key, out var value) && value == s.Value);
        var set = new TableView(["setting", "value", "default"],
            [.. parts[false].Select(IReadOnlyList<TableCell> (s) => [new(s.Key, true), new(s.Value, true), new(usual.GetValueOrDefault(s.Key, ""))])]);
        return new FoldView(parts[false].Any() ? set : new TextView("all settings are at their defaults"), $"{parts[true].Count()} more at their defaults", TableView.Of(parts[true]));
    }
}

/// <summary>A view, and beneath it another one that opens with a click.</summary>
internal sealed class FoldView(View view, string title, View folded) : View
{
    public override string ToHtml() => Html.Of(
        $"""<div style="{Html.Font}">{new Html(view.ToHtml())}<details><summary>{title}</summary>{new Html(folded.ToHtml())}</details></div>""").Markup;

    public override string ToString() => $"{view}\n{title}:\n{folded}";
}
