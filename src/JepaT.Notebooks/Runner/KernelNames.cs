using System.Text.RegularExpressions;

namespace JepaT.Notebooks;

/// <summary>
/// Languages by the names of their kernels: nbformat asks of a notebook no more than that name, and nobody would want to read of compile
/// errors in Python.
/// </summary>
internal static partial class KernelNames
{
    /// <summary>The language of a kernel that is widely known for it; null for others, which may well be C#.</summary>
    public static string? LanguageOf(string? kernel)
    {
        if (kernel is null) return null;
        var match = Known().Match(kernel);
        return match.Success ? match.Groups.Values.Skip(1).Single(g => g.Success).Name : null;
    }

    [GeneratedRegex("""
        ^(?:
        (?<python>(?:x?python|ipykernel|pypy|sagemath|pyspark)[\w.-]*) |
        (?<R>ir\d*|x?r|ark) |
        (?<julia>x?julia[\w.-]*) |
        (?<JavaScript>javascript|jslab|ijavascript|deno|node[\w.-]*) |
        (?<TypeScript>typescript|tslab) |
        (?<bash>bash|zsh|calysto_bash) |
        (?<ruby>ruby[\w.-]*|iruby) |
        (?<rust>rust|evcxr) |
        (?<go>go|gophernotes|gonb) |
        (?<java>java|ijava|rapaio[\w.-]*) |
        (?<kotlin>kotlin) |
        (?<scala>scala[\w.-]*|almond|apache_toree_scala|spylon-kernel) |
        (?<haskell>haskell|ihaskell) |
        (?<cpp>xc(?:pp)?\d+[\w.-]*|cling[\w.-]*) |
        (?<octave>x?octave) |
        (?<matlab>matlab|jupyter_matlab_kernel) |
        (?<sql>x?sql[\w.-]*|xsqlite) |
        (?<lua>x?lua) |
        (?<fsharp>\.net-fsharp|ifsharp) |
        (?<powershell>\.net-(?:powershell|pwsh)|powershell)
        )$
        """, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture)]
    private static partial Regex Known();
}
