using System.Collections;
using System.Globalization;
using System.Reflection;
using YamlDotNet.RepresentationModel;

namespace JepaT.Lab;

/// <summary>Values of an experiment by dotted key, each with the place it came from; later ones replace earlier ones.</summary>
internal sealed class Settings
{
    private readonly Dictionary<string, Setting> values = [];
    private readonly HashSet<string> used = [];

    public void Set(string key, YamlNode value, string file)
    {
        // A preset replaces single switches and the other way round.
        foreach (var other in values.Keys.Where(k => k.StartsWith(key + ".", StringComparison.Ordinal) || key.StartsWith(k + ".", StringComparison.Ordinal)).ToList())
            values.Remove(other);
        values[key] = new(value, file == "--set" ? "--set" : $"{file}:{value.Start.Line}");
    }

    public Setting? Take(string key)
    {
        used.Add(key);
        return values.GetValueOrDefault(key);
    }

    public bool HasBelow(string prefix) => values.Keys.Any(k => k.StartsWith(prefix, StringComparison.Ordinal));

    public IEnumerable<KeyValuePair<string, Setting>> Unused() => values.Where(v => !used.Contains(v.Key));
}

/// <summary>A value and where it was written.</summary>
internal sealed record Setting(YamlNode Value, string Where);

/// <summary>Records as trees of settings: binding, flattening and the list of keys, all by the same walk over properties.</summary>
internal static class Records
{
    /// <summary>A copy of the record with the settings below the prefix.</summary>
    public static object Bind(object defaults, string prefix, Settings settings)
    {
        var type = defaults.GetType();
        var copy = type.GetMethod("<Clone>$")!.Invoke(defaults, null)!;
        foreach (var property in Properties(type))
        {
            var key = prefix + SnakeCase(property.Name);
            var setting = settings.Take(key);
            if (IsRecord(property.PropertyType))
            {
                if (setting is not null) property.SetValue(copy, Named(property.PropertyType, key, setting));
                else if (settings.HasBelow(key + ".")) property.SetValue(copy, Bind(property.GetValue(copy)!, key + ".", settings));
            }
            else if (setting is not null) property.SetValue(copy, Value(property.PropertyType, key, setting.Value, setting.Where));
        }
        return copy;
    }

    /// <summary>Keys and values, nested records with dotted keys; a record that has a name (a preset) is one value.</summary>
    public static IEnumerable<(string Key, object? Value)> Flatten(object record, string prefix = "") => Properties(record.GetType()).SelectMany(p =>
    {
        var (key, value) = (prefix + SnakeCase(p.Name), p.GetValue(record));
        if (value is null || !IsRecord(p.PropertyType)) return [(key, value)];
        return IsNamed(value) ? [(key, (object?)value.ToString())] : Flatten(value, key + ".");
    });

    /// <summary>All keys that a file may hold.</summary>
    public static IEnumerable<string> Keys(Type type, string prefix = "") => Properties(type).SelectMany(p =>
    {
        var key = prefix + SnakeCase(p.Name);
        return IsRecord(p.PropertyType) ? Keys(p.PropertyType, key + ".").Prepend(key) : [key];
    });

    private static IEnumerable<PropertyInfo> Properties(Type type) =>
        type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanWrite && p.GetCustomAttribute<DerivedAttribute>() is null);

    private static bool IsRecord(Type type) => type.GetMethod("<Clone>$") is not null;

    private static bool IsNamed(object record) => record switch
    {
        Fusion f => Fusion.Presets.Values.Contains(f),
        Errata e => e == Errata.Corrected || e == Errata.Published,
        _ => false,
    };

    // A record written as one word: a preset of Fusion or Errata.
    private static object Named(Type type, string key, Setting setting)
    {
        var parse = type.GetMethod("Parse", [typeof(string)]);
        if (parse is null || setting.Value is not YamlScalarNode { Value: { } word })
            throw new UserException($"{setting.Where}: {key} must be a mapping of keys to values");
        try
        {
            return parse.Invoke(null, [word])!;
        }
        catch (TargetInvocationException e) when (e.InnerException is UserException inner)
        {
            throw new UserException($"{setting.Where}: {inner.Message}", inner);
        }
    }

    private static object? Value(Type type, string key, YamlNode node, string where)
    {
        if (type.IsAssignableTo(typeof(IEnumerable)) && type != typeof(string))
        {
            var element = type.GetGenericArguments()[0];
            if (node is not YamlSequenceNode sequence) throw Wrong("a list, such as [a, b]");
            var items = Array.CreateInstance(element, sequence.Children.Count);
            for (var i = 0; i < items.Length; i++) items.SetValue(Value(element, $"{key}[{i}]", sequence.Children[i], where), i);
            return items;
        }
        if (node is not YamlScalarNode { Value: { } text }) throw Wrong("a single value");
        if (type == typeof(string)) return text.Length == 0 ? null : text;
        if (Nullable.GetUnderlyingType(type) is { } value) return text.Length == 0 ? null : Value(value, key, node, where);
        if (type == typeof(bool)) return text switch { "true" => true, "false" => false, _ => throw Wrong("true or false") };
        if (type == typeof(int)) return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var i32) ? i32 : throw Wrong("a whole number");
        if (type == typeof(ulong)) return ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var u64) ? u64 : throw Wrong("a whole number from 0 on");
        if (type == typeof(double)) return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var real) ? real : throw Wrong("a number");
        if (type.IsEnum)
        {
            var names = Enum.GetValues(type).Cast<Enum>().ToDictionary(e => ParamText.Of(e));
            return names.TryGetValue(text, out var choice) ? choice : throw Wrong("one of " + string.Join(", ", names.Keys));
        }
        throw new InvalidOperationException($"settings of type {type} are not known");

        UserException Wrong(string wanted) => new($"{where}: {key} is '{node}'; it must be {wanted}");
    }

    private static string SnakeCase(string name) =>
        string.Concat(name.Select((c, i) => char.IsUpper(c) ? (i > 0 ? "_" : "") + char.ToLowerInvariant(c) : c.ToString()));
}
