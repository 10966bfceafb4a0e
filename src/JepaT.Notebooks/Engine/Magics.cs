using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;

namespace JepaT.Notebooks;

/// <summary>Does what directives say.</summary>
internal sealed partial class Magics(Session session, References references, Packages packages)
{
    private readonly HashSet<string> importing = [];
    private readonly Namespaces namespaces = new();

    /// <summary>Runs one of them; <paramref name="folder"/> is that of the file it stands in.</summary>
    /// <exception cref="UserException">It is unknown, or cannot be done.</exception>
    public async Task RunAsync(DirectivePart directive, string folder, CancellationToken stop)
    {
        if (directive.Conditional) throw new UserException($"{directive.Name} cannot stand between #if and #endif: move it out of them, or into a cell of its own");
        switch (directive.Name)
        {
            case "#r": await ReferAsync(Unquote(directive.Argument), folder, stop); break;
            case "#i": packages.AddSource(Nuget(Unquote(directive.Argument)) ?? throw new UserException("#i: write #i \"nuget: ADDRESS-OR-FOLDER\"")); break;
            case "#load": await ImportAsync("#load", Unquote(directive.Argument), folder, stop); break;
            case "#!import": await ImportAsync("#!import", Unquote(directive.Argument), folder, stop); break;
            case "#!who": session.Outlet.Write("stdout", string.Join("\n", session.Variables.Select(v => v.Name).Order()) + "\n"); break;
            case "#!whos": session.Outlet.Display(Rendering.Of(Table())!, DisplayedOutput.NewId()); break;
            case "#!set": await SetAsync(Options(directive, "name", "value")); break;
            case "#!share": await ShareAsync(Options(directive, "from", "as")); break;
            default: throw new UserException($"{directive.Name} is not known here; known are {string.Join(", ", Directives.Known)}");
        }
    }

    /// <summary>Shows how long it took when it is over.</summary>
    public static IDisposable Time(Outlet outlet) => new Timer(outlet);

    private async Task ReferAsync(string argument, string folder, CancellationToken stop)
    {
        if (Nuget(argument) is { } package)
        {
            var parts = package.Split(',', 2, StringSplitOptions.TrimEntries);
            var found = await packages.AddAsync(parts[0], parts.Length > 1 && parts[1].Length > 0 ? parts[1] : null, folder, line => session.Outlet.Write("stderr", line + "\n"), stop);
            references.Add(found);
        }
        else if (!references.Contains(argument))
        {
            if (references.Add(Find("#r", argument, folder)) is { } note) session.Outlet.Write("stderr", note + "\n");
        }
    }

    private async Task ImportAsync(string directive, string argument, string folder, CancellationToken stop)
    {
        var path = Find(directive, argument, folder);
        if (!importing.Add(path)) throw new UserException($"{directive} \"{argument}\": this file is being imported already, by itself or by one that it imports");
        try
        {
            var name = Path.GetFileName(path);
            var texts = Path.GetExtension(path) switch
            {
                ".cs" or ".csx" => [(name, namespaces.Unwrap(File.ReadAllText(path)))],
                ".ipynb" => NotebookDocument.Load(path).Cells.Where(c => c.IsCode).Select((c, i) => (string.Create(CultureInfo.InvariantCulture, $"{name}, cell {i + 1}"), c.Source)),
                _ => throw new UserException($"{directive} \"{argument}\": .cs, .csx and .ipynb files can be imported"),
            };
            foreach (var (title, text) in texts)
                if (await session.RunTextAsync(text, title, Path.GetDirectoryName(path)!, stop) is { } value) session.Outlet.Display(value, DisplayedOutput.NewId());
        }
        finally
        {
            importing.Remove(path);
        }
    }

    private async Task SetAsync(Dictionary<string, string> options)
    {
        if (!options.TryGetValue("name", out var name) || !options.TryGetValue("value", out var value) || !SyntaxFacts.IsValidIdentifier(name))
            throw new UserException("#!set: write #!set --name NAME --value VALUE, or --value @csharp:VARIABLE");
        if (value.StartsWith("@input:", StringComparison.Ordinal) || value.StartsWith("@password:", StringComparison.Ordinal))
            value = session.Outlet.ReadLine(value[(value.IndexOf(':') + 1)..], password: value[1] == 'p') ?? throw new UserException("#!set: no one can type here; give the value itself");
        else if (value.StartsWith('@'))
        {
            await session.RunTextAsync($"var {name} = {Known("#!set", value[(value.IndexOf(':') + 1)..].TrimStart('@'))};", "#!set", "", CancellationToken.None);
            return;
        }
        session.SetVariable(name, bool.TryParse(value, out var truth) ? truth
            : int.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) ? whole
            : double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : value);
    }

    private async Task ShareAsync(Dictionary<string, string> options)
    {
        if (options.TryGetValue("from", out var from) && from is not ("csharp" or "c#")) throw new UserException($"#!share --from {from}: only csharp runs here");
        if (!options.TryGetValue("", out var name)) throw new UserException("#!share: write #!share NAME --from csharp --as OTHER-NAME");
        Known("#!share", name);
        if (options.TryGetValue("as", out var other) && other != name) await session.RunTextAsync($"var {other} = {name};", "#!share", "", CancellationToken.None);
    }

    private string Known(string directive, string name) =>
        session.Variables.Any(v => v.Name == name) ? name : throw new UserException($"{directive}: there is no variable '{name}'");

    private View Table() =>
        View.Table(["variable", "type", "value"], session.Variables.OrderBy(v => v.Name).Select(v => (IReadOnlyList<string>)[v.Name, CSharpNames.Of(v.Type), Short(v.Value)]));

    private static string Short(object? value)
    {
        var text = value is null ? "null" : (Rendering.Of(value, Rendering.Plain)?.Data[Rendering.Plain] ?? "").ReplaceLineEndings(" ");
        return text.Length > 100 ? text[..99] + "…" : text;
    }

    private static string Find(string directive, string path, string folder) =>
        new[] { folder, Environment.CurrentDirectory }.Select(f => Path.GetFullPath(path, Path.GetFullPath(f))).FirstOrDefault(File.Exists)
        ?? throw new UserException($"{directive} \"{path}\": there is no such file" + (Path.IsPathFullyQualified(path) ? "" : " in the notebook's folder or the working folder"));

    private static string? Nuget(string argument) => argument.StartsWith("nuget:", StringComparison.OrdinalIgnoreCase) ? argument[6..].Trim() : null;

    private static string Unquote(string text) => text.Length > 1 && text[0] == '"' && text.IndexOf('"', 1) is > 0 and var end ? text[1..end] : text;

    // --name value pairs; what stands alone has the name "".
    private static Dictionary<string, string> Options(DirectivePart directive, params string[] names)
    {
        var options = new Dictionary<string, string>();
        if (Words().Replace(directive.Argument, "").Contains('"')) throw new UserException($"{directive.Name} {directive.Argument}: a quotation mark is not closed");
        var words = new Queue<string>(Words().Matches(directive.Argument).Select(m => m.Value[0] == '"' ? Escaped().Replace(m.Value[1..^1], "$1") : m.Value));
        while (words.TryDequeue(out var word))
        {
            if (!word.StartsWith("--", StringComparison.Ordinal)) options[""] = word;
            else if (!names.Contains(word[2..])) throw new UserException($"{directive.Name} {word}: known are {string.Join(", ", names.Select(n => "--" + n))}");
            else options[word[2..]] = words.TryDequeue(out var value) ? value : throw new UserException($"{directive.Name} {word}: its value is missing");
        }
        return options;
    }

    // In quotation marks a backslash stands before another one, and before a backslash where it must.
    [GeneratedRegex("""["](?:\\["\\]|[^"])*["]|[^ \t"]+""")]
    private static partial Regex Words();

    [GeneratedRegex("""\\(["\\])""")]
    private static partial Regex Escaped();

    private sealed class Timer(Outlet outlet) : IDisposable
    {
        private readonly long since = Stopwatch.GetTimestamp();

        public void Dispose() =>
            outlet.Display(Rendering.Single(Rendering.Plain, string.Create(CultureInfo.InvariantCulture, $"Wall time: {Stopwatch.GetElapsedTime(since).TotalMilliseconds:0.##} ms")), DisplayedOutput.NewId());
    }
}
