using System.Reflection;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;

namespace JepaT.Notebooks;

/// <summary>A variable of the session.</summary>
internal sealed record Variable(string Name, Type Type, object? Value);

/// <summary>Code that could be run next.</summary>
/// <param name="Submission">The code.</param>
/// <param name="Before">The submissions that it sees.</param>
/// <param name="Usings">The usings that later code sees.</param>
internal sealed record Compiled(Submission Submission, IReadOnlyList<Submission> Before, IReadOnlyDictionary<string, string> Usings);

/// <summary>
/// The submissions that later code can refer to, oldest first. Roslyn's own scripting keeps every cell for ever and looks through all of
/// them at each name; here code that declares nothing is not kept, and what later cells declare anew is dropped. A session of ten
/// thousand cells is then as large and as quick as one of ten.
/// </summary>
internal sealed class SubmissionChain(References references)
{
    private const int Tolerated = 8;        // dropping one makes Roslyn bind the later ones anew: not worth it for each

    public static readonly CSharpParseOptions Script = new(LanguageVersion.Latest, kind: SourceCodeKind.Script);

    private static readonly string[] Imports =
    [
        "System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Text", "System.Threading.Tasks", typeof(CellFunctions).FullName!,
    ];

    private static readonly EmitOptions WithSymbols = new(debugInformationFormat: DebugInformationFormat.PortablePdb);

    private List<Submission> chain = [];
    private IReadOnlyDictionary<string, string> usings = new Dictionary<string, string>();      // by what they say, or by the name they give
    private int count;

    public IReadOnlyList<Submission> Submissions => chain;

    /// <summary>The variables that code sees now, the newest first.</summary>
    public IEnumerable<Variable> Variables
    {
        get
        {
            var seen = new HashSet<string>();
            foreach (var submission in Enumerable.Reverse(chain))
            {
                foreach (var variable in submission.Fields.Where(f => !seen.Contains(f.Name))) yield return new(variable.Name, variable.FieldType, variable.GetValue(submission.Instance));
                seen.UnionWith(submission.Names);
            }
        }
    }

    public static SyntaxTree Parse(string code, string name = "") => CSharpSyntaxTree.ParseText(SourceText.From(code, System.Text.Encoding.UTF8), Script, name);

    /// <summary>Compiles code so that it follows the submissions so far. They stay as they are until <see cref="Start"/>.</summary>
    /// <exception cref="CompilationFailedException">It has errors.</exception>
    public Compiled Compile(string code, string name, CancellationToken stop)
    {
        var (complete, all) = WithUsings(Parse(code, name));
        var before = chain;
        var submission = new Submission(StopChecks.Insert(Create(complete, before)), before);
        if (Shorten(before, submission) is { } shorter)
        {
            before = shorter;
            submission = new Submission(Create(submission.Tree, before), before);
        }

        // What cannot be parsed has no meaning: what the compiler makes of it all the same would only hide the mistake.
        if (complete.GetDiagnostics(stop).Where(d => d.Severity == DiagnosticSeverity.Error).ToList() is { Count: > 0 } mistakes) throw CompilationFailedException.Of(name, code, mistakes);

        PoolRoom.Make();
        using var image = new MemoryStream();
        using var symbols = new MemoryStream();
        // Of usings and comments there is nothing to emit, and Roslyn refuses to.
        var diagnostics = submission.HasCode ? submission.Compilation.Emit(image, symbols, options: WithSymbols, cancellationToken: stop).Diagnostics : submission.Compilation.GetDiagnostics(stop);
        if (diagnostics.Any(d => d.Severity == DiagnosticSeverity.Error)) throw CompilationFailedException.Of(name, code, diagnostics);
        (image.Position, symbols.Position) = (0, 0);
        if (submission.HasCode) submission.Load(image, symbols, reference => before.FirstOrDefault(s => s.Name == reference.Name)?.Assembly ?? references.Find(reference), references.FindNative);
        return new(submission, before, all);
    }

    /// <summary>Starts compiled code. Its declarations count from here on, also when it fails later.</summary>
    public Task<object?> Start(Compiled code)
    {
        usings = code.Usings;
        if (!code.Submission.HasCode) return Task.FromResult<object?>(null);
        object?[] slots = [null, .. code.Before.Select(s => s.Instance), null];
        var entry = code.Submission.EntryPoint();
        if (code.Submission.Declares) chain = [.. code.Before, code.Submission];
        try
        {
            return entry(slots);
        }
        finally
        {
            code.Submission.Instance = slots[^1];
        }
    }

    /// <summary>The code with the usings of earlier cells before its first word, and all usings that later cells see.</summary>
    /// <remarks>Repeated in each, they leave no cell dependent on the one that they came from.</remarks>
    public (SyntaxTree Tree, IReadOnlyDictionary<string, string> All) WithUsings(SyntaxTree tree)
    {
        var root = (CompilationUnitSyntax)tree.GetRoot();
        var own = root.Usings.Select(u => u.WithoutTrivia().NormalizeWhitespace()).ToLookup(u => u.Alias?.Name.ToString() ?? u.ToString(), u => u.ToString());
        var others = usings.Where(u => !own.Contains(u.Key)).ToDictionary();
        var first = new TextSpan(root.GetFirstToken(includeZeroWidth: true).SpanStart, 0);
        return (others.Count == 0 ? tree : tree.WithChangedText(tree.GetText().WithChanges(new TextChange(first, string.Concat(others.Values)))),
            others.Concat(own.Select(u => KeyValuePair.Create(u.Key, u.Last()))).ToDictionary());
    }

    // Not optimised: code that can be unloaded is compiled once and for all, and optimised code does not know its lines. What is to be fast
    // belongs into a library.
    public static CSharpCompilationOptions OptionsFor(string name) => new(OutputKind.DynamicallyLinkedLibrary, scriptClassName: name, usings: Imports, allowUnsafe: true,
        optimizationLevel: OptimizationLevel.Debug, concurrentBuild: false, assemblyIdentityComparer: DesktopAssemblyIdentityComparer.Default);

    private CSharpCompilation Create(SyntaxTree tree, List<Submission> before)
    {
        var name = $"Cell#{Interlocked.Increment(ref count)}";
        return CSharpCompilation.CreateScriptCompilation(name, tree, references.All, OptionsFor(name), before.Count > 0 ? before[^1].Compilation : null, typeof(object));
    }

    /// <summary>Sets a variable, and declares it where there is none that the value fits.</summary>
    public void Set(string name, object? value)
    {
        var field = FieldOf(name, out var owner);
        if (field is null || field.IsInitOnly || !(value is null ? !field.FieldType.IsValueType : field.FieldType.IsInstanceOfType(value)))
        {
            Start(Compile($"{CSharpNames.Full(value?.GetType() ?? typeof(object))} {name} = default!;", name, CancellationToken.None)).GetAwaiter().GetResult();
            field = FieldOf(name, out owner);
        }
        field!.SetValue(owner, value);
    }

    private FieldInfo? FieldOf(string name, out object? owner)
    {
        var submission = chain.FindLast(s => s.Names.Contains(name));
        owner = submission?.Instance;
        return submission?.Fields.FirstOrDefault(f => f.Name == name);
    }

    // Without the submissions of which nothing can be seen any more once this one is there; null if there are too few of them.
    private static List<Submission>? Shorten(List<Submission> chain, Submission next)
    {
        if (!next.Declares) return null;
        var (hidden, alive) = (new HashSet<string>(next.Keys), new HashSet<string>(next.Needs));
        foreach (var submission in Enumerable.Reverse(chain))
        {
            if (submission.Keys.Any(k => !hidden.Contains(k)) || alive.Contains(submission.Name)) alive.UnionWith([submission.Name, .. submission.Needs]);
            hidden.UnionWith(submission.Keys);
        }

        var first = chain.FindLastIndex(s => s.ShowsAnonymousType && alive.Contains(s.Name)) + 1;        // this one and all before it must stay
        var dead = chain.Skip(first).Count(s => !alive.Contains(s.Name));
        if (dead == 0 || (dead < Tolerated && !next.ShowsAnonymousType)) return null;

        var kept = new List<Submission>(chain.Take(first));
        foreach (var submission in chain.Skip(first).Where(s => alive.Contains(s.Name)))
        {
            var previous = kept.LastOrDefault()?.Compilation;
            kept.Add(submission.Compilation.ScriptCompilationInfo!.PreviousScriptCompilation == previous ? submission : submission.After(previous));
        }
        return kept;
    }
}
