using System.Globalization;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace JepaT.Notebooks;

/// <summary>
/// A notebook's parameters: the variables of the cell with the tag <c>parameters</c> (or the first line <c>// parameters</c>). Values given
/// for a run come in a cell of their own after it, tagged <c>injected-parameters</c>, as papermill does it; their types are those of the
/// defaults, which are read from the syntax, so nothing runs before all values are known to fit.
/// </summary>
internal static class Parameters
{
    private const string Tag = "parameters", InjectedTag = "injected-parameters";

    private static readonly CSharpParseOptions Script = new(kind: SourceCodeKind.Script);

    private static readonly SyntaxKind[] Tests =
    [
        SyntaxKind.LessThanExpression, SyntaxKind.LessThanOrEqualExpression, SyntaxKind.GreaterThanExpression, SyntaxKind.GreaterThanOrEqualExpression,
        SyntaxKind.EqualsExpression, SyntaxKind.NotEqualsExpression, SyntaxKind.LogicalAndExpression, SyntaxKind.LogicalOrExpression, SyntaxKind.IsExpression,
    ];

    private static readonly string[] Types = ["bool", "int", "long", "float", "double", "decimal", "string"];

    /// <summary>Puts values (<c>name=value</c>) into the notebook; those of an earlier run make place.</summary>
    /// <exception cref="UserException">A name is unknown, or a value has another type than the default.</exception>
    public static void Inject(NotebookDocument document, IReadOnlyList<string> given)
    {
        if (given.Count == 0) return;
        var code = document.Cells.Where(c => c.IsCode && !c.HasTag(InjectedTag)).ToList();
        var place = code.FindIndex(c => c.HasTag(Tag));
        if (place < 0) place = code.FindIndex(c => FirstLine(c.Source) == "// parameters");
        if (place < 0) throw new UserException($"{document.Name}: takes no parameters (no cell has the tag 'parameters')");

        var known = Declared(code[place].Source);
        var lines = new Dictionary<string, string>();
        foreach (var text in given)
        {
            var (name, value) = Split(text);
            if (!known.TryGetValue(name, out var type))
                throw new UserException($"{document.Name}: has no parameter '{name}'; it has {string.Join(", ", known.Select(p => p.Value is null ? p.Key : $"{p.Key} ({p.Value})"))}");
            if (!lines.TryAdd(name, $"{type} {name} = {Literal(document.Name, name, type, value)};"))
                throw new UserException($"parameter '{name}' is given twice");
        }

        document.Remove(InjectedTag);
        var next = document.Cells.SkipWhile(c => c != code[place]).Skip(1).FirstOrDefault();
        document.Insert(next, NotebookCell.Create("code", string.Join('\n', lines.Values.Prepend("// the values of this run")), InjectedTag));
    }

    /// <summary>The variables that a cell declares, and the type of each; null where the syntax does not tell it.</summary>
    internal static Dictionary<string, string?> Declared(string source)
    {
        var found = new Dictionary<string, string?>();
        foreach (var declaration in CSharpSyntaxTree.ParseText(source, Script).GetCompilationUnitRoot().Members.OfType<FieldDeclarationSyntax>().Select(f => f.Declaration))
            foreach (var variable in declaration.Variables.Where(v => v.Initializer is not null))
                found[variable.Identifier.Text] = declaration.Type.IsVar ? TypeOf(variable.Initializer!.Value) : declaration.Type.ToString();
        return found;
    }

    private static string? TypeOf(ExpressionSyntax expression) => expression switch
    {
        LiteralExpressionSyntax literal => literal.Token.Value switch
        {
            string => "string",
            bool => "bool",
            int => "int",
            long => "long",
            float => "float",
            double => "double",
            decimal => "decimal",
            _ => null,
        },
        InterpolatedStringExpressionSyntax => "string",
        ParenthesizedExpressionSyntax inner => TypeOf(inner.Expression),
        PrefixUnaryExpressionSyntax unary => TypeOf(unary.Operand),
        CastExpressionSyntax cast => cast.Type.ToString(),
        IsPatternExpressionSyntax => "bool",
        BinaryExpressionSyntax test when Tests.Contains(test.Kind()) => "bool",
        BinaryExpressionSyntax binary when TypeOf(binary.Left) is { } left && left == TypeOf(binary.Right) => left,
        MemberAccessExpressionSyntax { Expression: PredefinedTypeSyntax type } => type.ToString(),                     // double.NaN, string.Empty
        InvocationExpressionSyntax call when Called(call.Expression) is { Identifier.Text: "Param" } name =>           // Notebook.Param("steps", 200)
            name is GenericNameSyntax generic ? generic.TypeArgumentList.Arguments[0].ToString()
            : call.ArgumentList.Arguments.ElementAtOrDefault(1) is { } fallback ? TypeOf(fallback.Expression) : null,
        ArrayCreationExpressionSyntax array => array.Type.ToString(),
        ImplicitArrayCreationExpressionSyntax array when array.Initializer.Expressions.Select(TypeOf).Distinct().ToList() is [{ } type] => type + "[]",
        _ => null,
    };

    private static SimpleNameSyntax? Called(ExpressionSyntax expression) => expression switch
    {
        SimpleNameSyntax name => name,
        MemberAccessExpressionSyntax access => access.Name,
        _ => null,
    };

    private static (string Name, string Value) Split(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? (text[..equals].Trim(), text[(equals + 1)..]) : throw new UserException($"-p {text}: write it as name=value");
    }

    /// <summary>The value as C# source.</summary>
    private static string Literal(string notebook, string name, string? type, string value)
    {
        if (type is null)
            throw new UserException($"{notebook}: the type of parameter '{name}' cannot be told from its default; declare it with its type instead of var");
        if (type.EndsWith('?')) return value == "null" ? "null" : Literal(notebook, name, type[..^1], value);
        if (type.EndsWith("[]", StringComparison.Ordinal) && Types.Contains(type[..^2]))
            return $"new {type} {{ {string.Join(", ", value.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(item => Literal(notebook, name, type[..^2], item.Trim())))} }}";
        if (!Types.Contains(type))
            throw new UserException($"{notebook}: parameter '{name}' is a {type}; only {string.Join(", ", Types)} and arrays of them can be given");
        var literal = One(type, value);
        // Whoever means infinity says so; a number that becomes it is a mistake.
        if (literal is not null && literal.EndsWith("Infinity", StringComparison.Ordinal) && value.AsSpan().IndexOfAnyInRange('0', '9') >= 0)
            throw new UserException($"{notebook}: parameter '{name}' is a {type}, which cannot hold {value}");
        return literal ?? throw new UserException($"{notebook}: parameter '{name}' must be {Description(type)}, and '{value}' is none");
    }

    private static string? One(string type, string value)
    {
        var culture = CultureInfo.InvariantCulture;
        return type switch
        {
            "string" => SymbolDisplay.FormatLiteral(value, quote: true),
            "bool" => bool.TryParse(value, out var flag) ? flag ? "true" : "false" : null,
            "int" => int.TryParse(value, NumberStyles.AllowLeadingSign, culture, out var number) ? number.ToString(culture) : null,
            "long" => long.TryParse(value, NumberStyles.AllowLeadingSign, culture, out var number) ? number.ToString(culture) + "L" : null,
            "float" => float.TryParse(value, NumberStyles.Float, culture, out var number) ? Real(type, number, number.ToString("R", culture) + "f") : null,
            "double" => double.TryParse(value, NumberStyles.Float, culture, out var number) ? Real(type, number, number.ToString("R", culture) + "d") : null,
            _ => decimal.TryParse(value, NumberStyles.Float, culture, out var number) ? number.ToString(culture) + "m" : null,
        };
    }

    private static string Real(string type, double number, string text) =>
        double.IsNaN(number) ? $"{type}.NaN" : double.IsInfinity(number) ? $"{type}.{(number > 0 ? "Positive" : "Negative")}Infinity" : text;

    private static string Description(string type) => type switch
    {
        "bool" => "a bool (true or false)",
        "int" => "an int (a whole number)",
        "long" => "a long (a whole number)",
        _ => $"a {type} (a number)",
    };

    private static string FirstLine(string source) => source.TrimStart().Split('\n')[0].TrimEnd();
}
