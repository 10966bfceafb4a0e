using System.Reflection;
using System.Runtime.Loader;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace JepaT.Notebooks;

/// <summary>
/// One compiled piece of code and, once it has run, the object whose fields are its variables. It lives in a load context of its own that
/// can be unloaded, so whatever later cells have replaced is collected like any other garbage.
/// </summary>
internal sealed class Submission
{
    // Extension methods that C# calls without their being named.
    private static readonly HashSet<string> Unnamed =
    [
        "Add", "Cast", "Deconstruct", "GetAsyncEnumerator", "GetAwaiter", "GetEnumerator", "GroupBy", "GroupJoin", "Join", "OrderBy", "OrderByDescending", "Select", "SelectMany",
        "ThenBy", "ThenByDescending", "Where",
    ];

    private readonly Dictionary<string, string> declared = [];      // key → name

    public Submission(CSharpCompilation compilation, IReadOnlyList<Submission> before)
    {
        Compilation = compilation;
        var root = (CompilationUnitSyntax)Tree.GetRoot();
        HasCode = root.Members.Count > 0;
        var members = compilation.ScriptClass!.GetMembers().Where(m => m.CanBeReferencedByName && !m.IsImplicitlyDeclared && m is not IMethodSymbol { AssociatedSymbol: not null }).ToList();
        foreach (var member in members) declared[KeyOf(member)] = member.Name;
        Names = [.. members.Select(m => m.Name)];
        ShowsAnonymousType = members.Any(m => m is IFieldSymbol field && IsAnonymous(field.Type));
        var words = root.DescendantTokens().Where(t => t.IsKind(SyntaxKind.IdentifierToken)).Select(t => t.ValueText).ToHashSet();
        var hidden = new HashSet<string>(Keys);
        foreach (var submission in before.Reverse())
        {
            if (submission.declared.Any(d => (words.Contains(d.Value) || Unnamed.Contains(d.Value)) && !hidden.Contains(d.Key))) Needs.Add(submission.Name);
            hidden.UnionWith(submission.Keys);
        }
    }

    private Submission(Submission original, CSharpCompilation compilation)
    {
        Compilation = compilation;
        (declared, Names, Needs, Assembly, Instance) = (original.declared, original.Names, original.Needs, original.Assembly, original.Instance);
        (HasCode, ShowsAnonymousType) = (original.HasCode, original.ShowsAnonymousType);
    }

    public CSharpCompilation Compilation { get; }

    public SyntaxTree Tree => Compilation.SyntaxTrees[0];

    public string Name => Compilation.AssemblyName!;

    /// <summary>Names that later cells can use.</summary>
    public HashSet<string> Names { get; }

    /// <summary>What it declares, told apart as C# tells it apart: a later declaration of the same key hides it for good.</summary>
    public IReadOnlyCollection<string> Keys => declared.Keys;

    /// <summary>Names of the earlier submissions without which this one would not mean the same.</summary>
    public HashSet<string> Needs { get; } = [];

    /// <summary>Whether there is anything to run.</summary>
    public bool HasCode { get; }

    /// <summary>A variable of an anonymous type, whose compiled name depends on everything before it.</summary>
    public bool ShowsAnonymousType { get; }

    /// <summary>Whether later cells can refer to it at all.</summary>
    public bool Declares => Keys.Count > 0;

    public Assembly? Assembly { get; private set; }

    public object? Instance { get; set; }

    /// <summary>What holds its variables, once it has run.</summary>
    public IEnumerable<FieldInfo> Fields => Instance?.GetType()
        .GetFields(BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly).Where(f => Names.Contains(f.Name)) ?? [];

    /// <summary>The same submission after another chain of earlier ones. What is compiled and runs stays as it is.</summary>
    public Submission After(CSharpCompilation? previous) =>
        new(this, Compilation.WithScriptCompilationInfo(Compilation.ScriptCompilationInfo!.WithPreviousScriptCompilation(previous)));

    /// <summary>Loads what was compiled; <paramref name="find"/> finds the assemblies it refers to and the framework does not have.</summary>
    public void Load(Stream image, Stream symbols, Func<AssemblyName, Assembly?> find, Func<string, nint> findNative)
    {
        var context = new Context(Name, findNative);
        Assembly = context.LoadFromStream(image, symbols);
        foreach (var reference in Assembly.GetReferencedAssemblies())
            if (find(reference) is { } found) context.Known[reference.Name!] = found;
    }

    /// <summary>The code, ready to run: it takes the objects of the submissions before it and puts its own into the last place.</summary>
    public Func<object?[], Task<object?>> EntryPoint()
    {
        var entry = Compilation.GetEntryPoint(CancellationToken.None)!;
        var method = Assembly!.GetType(entry.ContainingType.MetadataName, throwOnError: true)!.GetMethod(entry.MetadataName, BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic)!;
        return method.CreateDelegate<Func<object?[], Task<object?>>>();
    }

    private static string KeyOf(ISymbol symbol) => symbol switch
    {
        IMethodSymbol method => $"{method.Name}`{method.Arity}({string.Join(", ", method.Parameters.Select(p => $"{p.RefKind} {p.Type.ToDisplayString()}"))})",
        INamedTypeSymbol type => $"type {type.Name}`{type.Arity}",
        _ => symbol.Name,
    };

    private static bool IsAnonymous(ITypeSymbol type) => type switch
    {
        IArrayTypeSymbol array => IsAnonymous(array.ElementType),
        INamedTypeSymbol named => named.IsAnonymousType || !named.CanBeReferencedByName || named.TypeArguments.Any(IsAnonymous),
        _ => false,
    };

    private sealed class Context(string name, Func<string, nint> findNative) : AssemblyLoadContext(name, isCollectible: true)
    {
        public Dictionary<string, Assembly> Known { get; } = [];

        protected override Assembly? Load(AssemblyName assemblyName) => Known.GetValueOrDefault(assemblyName.Name!);

        protected override nint LoadUnmanagedDll(string unmanagedDllName) => findNative(unmanagedDllName);
    }
}
