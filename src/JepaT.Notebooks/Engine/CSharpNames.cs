namespace JepaT.Notebooks;

/// <summary>Types as C# writes them.</summary>
internal static class CSharpNames
{
    /// <summary>Short, for people: <c>List&lt;Int32&gt;</c>.</summary>
    public static string Of(Type type) => Write(type, t => t.Name);

    /// <summary>For code: complete, and <c>object</c> for a type that code cannot name.</summary>
    public static string Full(Type type) => type.IsVisible && !type.FullName!.Contains('#') ? Write(type, t => t.IsNested ? t.Name : $"global::{(t.Namespace is { } space ? space + "." : "")}{t.Name}") : "object";

    private static string Write(Type type, Func<Type, string> name)
    {
        if (type.IsArray) return $"{Write(type.GetElementType()!, name)}[{new string(',', type.GetArrayRank() - 1)}]";
        var arguments = type.GetGenericArguments();
        var outer = type is { IsNested: true, IsGenericParameter: false, DeclaringType: { } parent } && !parent.Name.Contains('#') ? parent : null;
        var own = arguments[(outer?.GetGenericArguments().Length ?? 0)..];
        var text = name(type).Split('`')[0] + (own.Length > 0 ? $"<{string.Join(", ", own.Select(a => Write(a, name)))}>" : "");
        if (outer is null) return text;
        return $"{Write(outer.IsGenericTypeDefinition ? outer.MakeGenericType(arguments[..outer.GetGenericArguments().Length]) : outer, name)}.{text}";
    }
}
