using System.Text.RegularExpressions;

namespace JepaT.Tests;

/// <summary>What compiler and analyzers cannot see, or what would be lost silently if a build file changed.</summary>
public sealed partial class ConventionsTests
{
    internal static readonly string Root = FindRoot();

    [Fact]
    public void Source_files_stay_short_enough_to_read()
    {
        var tooLong = Sources().Select(file => (file, Lines: File.ReadLines(file).Count())).Where(f => f.Lines > 310);

        Assert.Empty(tooLong);
    }

    [Fact]
    public void No_text_file_names_a_folder_of_one_machine()
    {
        var found = Texts().Where(file => MachinePath().IsMatch(File.ReadAllText(file)));

        Assert.Empty(found.Select(Relative));
    }

    [Fact]
    public void Public_types_say_what_they_are()
    {
        var found = Undocumented(Sources("src").Select(File.ReadAllLines)).ToList();

        Assert.True(found.Count == 0, string.Join("\n", found));
    }

    [Fact]
    public void No_source_multiplies_with_matmul()
    {
        var found = Sources("src").Where(file => File.ReadLines(file).Any(line => Matmul().IsMatch(WithoutComment(line))));

        Assert.Empty(found.Select(Relative));
    }

    [Fact]
    public void Every_banned_symbol_has_a_reason()
    {
        var lines = File.ReadAllLines(Path.Combine(Root, "BannedSymbols.txt"));

        Assert.Contains(lines, line => line.Contains("torch.Tensor.matmul", StringComparison.Ordinal));
        Assert.All(lines, line => Assert.Matches(@"^[MPTF]:[^;]+;.+$", line));
    }

    [Fact]
    public void Tests_run_with_one_passive_thread()
    {
        Assert.Equal("PASSIVE", Environment.GetEnvironmentVariable("OMP_WAIT_POLICY"));
        Assert.Equal("1", Environment.GetEnvironmentVariable("OMP_NUM_THREADS"));
    }

    [Theory]
    [InlineData("public class A", 1)]
    [InlineData("/// <summary>It is.</summary>\n[Obsolete]\npublic sealed record A(int B);", 0)]
    [InlineData("internal class A", 0)]
    [InlineData("// a comment\n    public static class A", 1)]
    [InlineData("public partial class A\n/// <summary>It is.</summary>\npublic partial class A", 0)]
    public void The_search_for_undocumented_types_finds_them(string source, int count) =>
        Assert.Equal(count, Undocumented([source.Split('\n')]).Count());

    /// <summary>Names of public types of which no part has a documentation comment.</summary>
    private static IEnumerable<string> Undocumented(IEnumerable<string[]> files) =>
        files.SelectMany(PublicTypes).GroupBy(type => type.Name).Where(parts => !parts.Any(part => part.Documented)).Select(parts => parts.Key);

    private static IEnumerable<(string Name, bool Documented)> PublicTypes(string[] lines)
    {
        for (var i = 0; i < lines.Length; i++)
        {
            var type = PublicType().Match(lines[i]);
            if (!type.Success) continue;
            var before = i - 1;
            while (before >= 0 && lines[before].TrimStart().StartsWith('[')) before--;
            yield return (type.Groups["name"].Value, before >= 0 && lines[before].TrimStart().StartsWith("///", StringComparison.Ordinal));
        }
    }

    private static string WithoutComment(string line) => line.Split("//")[0];

    private static IEnumerable<string> Sources(params string[] folders) =>
        (folders.Length == 0 ? ["src", "tests"] : folders)
            .SelectMany(folder => Directory.EnumerateFiles(Path.Combine(Root, folder), "*.cs", SearchOption.AllDirectories));

    private static IEnumerable<string> Texts()
    {
        string[] kinds = [".cs", ".csproj", ".props", ".sln", ".md", ".yaml", ".yml", ".json", ".sh", ".cmd", ".ipynb", ".txt", ".html", ".csv", ""];
        string[] folders = [".ci", "docs", "experiments", "notebooks", "src", "tests", "tools"];
        return folders.Select(folder => Path.Combine(Root, folder)).Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Concat(Directory.EnumerateFiles(Root))
            .Where(file => kinds.Contains(Path.GetExtension(file)) && new FileInfo(file).Length < 5_000_000);
    }

    private static string Relative(string file) => Path.GetRelativePath(Root, file);

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "JepaT.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException($"no JepaT.sln above {AppContext.BaseDirectory}");
    }

    // A home folder with a name, or a drive's user folder: true on one machine only.
    [GeneratedRegex(@"(?<![\w.])/(home|Users|root|work|workspace)/\w|[A-Z]:\\Users\\\w")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"^\s*public (static |sealed |abstract |partial |readonly |unsafe )*(class|record struct|record|struct|interface|enum) (?<name>\w+)")]
    private static partial Regex PublicType();

    [GeneratedRegex(@"\bmatmul\s*\(")]
    private static partial Regex Matmul();
}
