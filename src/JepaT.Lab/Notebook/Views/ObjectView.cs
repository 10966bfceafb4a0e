using System.Collections;
using System.Globalization;
using System.Reflection;

namespace JepaT.Lab;

/// <summary>Views of objects that nobody has thought of: a list, a table of items or entries, their own text, their properties.</summary>
internal static class ObjectView
{
    private const int MostItems = 200, MostInLine = 20;     // of a sequence that may have no end

    public static View Of(object value) => value switch
    {
        string or Task => new TextView(TextOf(value)),
        IDictionary entries => Entries(entries),
        IEnumerable items => Items(items),
        _ when HasText(value) => new TextView(TextOf(value)),
        _ when PropertiesOf(value.GetType()) is { Count: > 0 } properties => TableView.Of(properties.Select(p => (p.Name, Read(p, value)))),
        _ => new TextView(TextOf(value)),
    };

    private static TableView Entries(IDictionary entries)
    {
        var rows = new List<(string, string)>();
        foreach (DictionaryEntry entry in entries) rows.Add((TextOf(entry.Key), TextOf(entry.Value)));
        return TableView.Of(rows, "key", "value");
    }

    private static View Items(IEnumerable items)
    {
        var all = items.Cast<object?>().Take(MostItems + 1).ToList();
        // Objects of one kind that have no text of their own, or one only for programmers, as anonymous types and records: a row each.
        var types = all.Select(i => i?.GetType()).Distinct().ToList();
        if (types is not [{ } type] || (HasText(all[0]!) && !IsData(type)) || all[0] is IEnumerable || PropertiesOf(type) is not { Count: > 0 } properties) return new TextView(List(all));
        var rows = all.Take(MostItems).Select(item => (IReadOnlyList<string>)[.. properties.Select(p => Read(p, item!))]);
        return View.Table([.. properties.Select(p => p.Name)], rows, all.Count > MostItems ? $"the first {MostItems}" : null);
    }

    private static string List(List<object?> items) =>
        $"[{string.Join(", ", items.Take(MostItems).Select(TextOf))}{(items.Count > MostItems ? ", …" : "")}]";

    private static string Read(PropertyInfo property, object from)
    {
        try
        {
            return TextOf(property.GetValue(from));
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner and not (OperationCanceledException or ThreadInterruptedException))
        {
            return $"({inner.GetType().Name}: {inner.Message})";
        }
    }

    // One line, or a few: nothing in it is opened any further.
    private static string TextOf(object? value) => value switch
    {
        null => "null",
        string text => text,
        Task task => $"task, {task.Status}",
        Tensor or nn.Module => View.Of(value).ToString().Split('\n')[0],
        IEnumerable items when !HasText(value) => Short(items),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };

    private static string Short(IEnumerable items)
    {
        var all = items.Cast<object?>().Take(MostInLine + 1).Select(i => i is IEnumerable and not string ? "[…]" : TextOf(i)).ToList();
        return $"[{string.Join(", ", all.Take(MostInLine))}{(all.Count > MostInLine ? ", …" : "")}]";
    }

    // A text of the type's own making.
    private static bool HasText(object value) =>
        value is IFormattable || value.GetType() is var type && (type.IsPrimitive || type.GetMethod(nameof(ToString), [])!.DeclaringType is var own && own != typeof(object) && own != typeof(ValueType));

    private static bool IsData(Type type) => type.GetMethod("<Clone>$") is not null || type.Name.StartsWith("<>", StringComparison.Ordinal) || type.Name.StartsWith("KeyValuePair`", StringComparison.Ordinal);

    private static List<PropertyInfo> PropertiesOf(Type type) =>
        [.. type.GetProperties(BindingFlags.Instance | BindingFlags.Public).Where(p => p.CanRead && p.GetIndexParameters().Length == 0 && !p.PropertyType.IsByRefLike && !p.PropertyType.IsPointer)];
}
