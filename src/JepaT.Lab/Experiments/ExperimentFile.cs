using System.Globalization;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;
using YamlDotNet.Serialization;

namespace JepaT.Lab;

/// <summary>Reads experiment files: YAML, <c>extends</c>, overrides; every mistake is named with file and line.</summary>
public static class ExperimentFile
{
    /// <summary>Reads a file and what it extends, then applies <c>key=value</c> overrides, and validates.</summary>
    /// <param name="path">The file; <c>extends: FILE</c> in it is relative to its folder.</param>
    /// <param name="overrides">E.g. <c>training.steps=100</c>; values are YAML.</param>
    /// <exception cref="UserException">No such file, unknown key, value of the wrong type or out of range.</exception>
    public static Experiment Load(string path, IEnumerable<string>? overrides = null) => Bind(ReadFile(path, []), overrides);

    /// <summary>As <see cref="Load"/>, from a text, e.g. the one in a checkpoint.</summary>
    public static Experiment Parse(string yaml, string source, IEnumerable<string>? overrides = null)
    {
        var settings = new Settings();
        Flatten(settings, "", Root(yaml, source), source);
        return Bind(settings, overrides);
    }

    /// <summary>The whole experiment as YAML, defaults included.</summary>
    public static string ToYaml(Experiment experiment)
    {
        var root = new Dictionary<string, object>();
        foreach (var (key, value) in SettingsOf(experiment))
        {
            var parts = key.Split('.');
            var at = root;
            foreach (var part in parts[..^1])
                at = (Dictionary<string, object>)(at.TryGetValue(part, out var inner) ? inner : at[part] = new Dictionary<string, object>());
            at[parts[^1]] = value switch
            {
                null => "",
                Enum => ParamText.Of(value),
                double d => new Plain(d.ToString("R", CultureInfo.InvariantCulture)),
                bool b => new Plain(b ? "true" : "false"),
                _ => value,
            };
        }
        return new SerializerBuilder().WithTypeConverter(new PlainWriter()).Build().Serialize(root).Replace("\r\n", "\n", StringComparison.Ordinal);
    }

    /// <summary>All settings with their dotted keys, for MLflow's params.</summary>
    public static IEnumerable<KeyValuePair<string, object?>> SettingsOf(Experiment experiment) =>
        Records.Flatten(experiment).Select(s => new KeyValuePair<string, object?>(s.Key, s.Value is Fusion or Errata ? s.Value.ToString() : s.Value));

    private static Experiment Bind(Settings settings, IEnumerable<string>? overrides)
    {
        foreach (var text in overrides ?? [])
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0) throw new UserException($"--set {text}: write key=value, e.g. --set training.steps=100");
            settings.Set(text[..at].Trim(), ValueOf(text[(at + 1)..], $"--set {text}"), "--set");
        }
        var experiment = (Experiment)Records.Bind(new Experiment(), "", settings);
        if (settings.Unused().FirstOrDefault() is { Key: { } key } unknown)
        {
            var nearest = Nearest.To(key, Records.Keys(typeof(Experiment)));
            throw new UserException($"{unknown.Value.Where}: unknown key '{key}'; the nearest known one is '{nearest}'");
        }
        experiment.Validate();
        return experiment;
    }

    private static Settings ReadFile(string path, IReadOnlyList<string> from)
    {
        var full = Path.GetFullPath(path);
        if (from.Contains(full)) throw new UserException($"{path}: extends itself by way of {string.Join(", ", from.Select(Path.GetFileName))}");
        string text;
        try
        {
            text = File.ReadAllText(full);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot read this experiment file ({e.Message})", e);
        }
        var root = Root(text, path);
        var settings = new Settings();
        if (root.Children.TryGetValue("extends", out var parent))
        {
            root.Children.Remove("extends");
            settings = ReadFile(Path.Combine(Path.GetDirectoryName(full)!, parent.ToString()), [.. from, full]);
        }
        Flatten(settings, "", root, path);
        return settings;
    }

    private static YamlMappingNode Root(string text, string source)
    {
        try
        {
            var yaml = new YamlStream();
            yaml.Load(new StringReader(text));
            if (yaml.Documents.Count == 0) return [];
            return yaml.Documents[0].RootNode as YamlMappingNode ?? throw new UserException($"{source}: an experiment is a mapping of keys to values");
        }
        catch (YamlException e)
        {
            throw new UserException($"{source}:{e.Start.Line}: not valid YAML ({e.Message.Split('\n')[0]})", e);
        }
    }

    private static YamlNode ValueOf(string text, string source) => Root("value: " + text, source)["value"];

    private static void Flatten(Settings settings, string prefix, YamlMappingNode mapping, string file)
    {
        foreach (var (key, value) in mapping.Children)
        {
            var path = prefix + key;
            if (value is YamlMappingNode inner) Flatten(settings, path + ".", inner, file);
            else settings.Set(path, value, file);
        }
    }

    /// <summary>A scalar that is written without quotes.</summary>
    private sealed record Plain(string Text);

    private sealed class PlainWriter : IYamlTypeConverter
    {
        public bool Accepts(Type type) => type == typeof(Plain);

        public object ReadYaml(IParser parser, Type type, ObjectDeserializer rootDeserializer) => throw new NotSupportedException("only written");

        public void WriteYaml(IEmitter emitter, object? value, Type type, ObjectSerializer serializer) =>
            emitter.Emit(new YamlDotNet.Core.Events.Scalar(((Plain)value!).Text));
    }
}
