using System.Text;
using System.Text.RegularExpressions;
using System.Text.Unicode;

namespace JepaT.Lab;

/// <summary>
/// Names of the classes of an image folder. Folders that are named by WordNet ids (<c>n01440764</c>) need a table with a line
/// <c>n01440764 tench, Tinca tinca</c> each (ImageNet's <c>LOC_synset_mapping.txt</c> or <c>words.txt</c>; space or tab), of which the
/// first name counts; other folders have their own name, with spaces for underscores.
/// </summary>
internal static partial class ClassNames
{
    private static readonly string[] Tables = ["LOC_synset_mapping.txt", "words.txt"];

    /// <summary>One name a folder.</summary>
    /// <param name="root">Folder of the folders; without a table given, ImageNet's own is looked for in it and in the two above it.</param>
    /// <param name="folders">The classes' folders.</param>
    /// <param name="table">The table; null to look for one.</param>
    /// <exception cref="UserException">The table cannot be read, or lacks a class.</exception>
    public static IReadOnlyList<string> Of(string root, IReadOnlyList<string> folders, string? table)
    {
        if (table is null && !folders.Any(f => WordNetId().IsMatch(f))) return [.. folders.Select(Own)];
        table ??= Find(root) ?? throw new UserException(
            $"{root}: folder {folders.First(f => WordNetId().IsMatch(f))} is a WordNet id without a name; give the table of class names ({string.Join(" or ", Tables)}), or put it beside the folder");
        var names = Read(table);
        return [.. folders.Select(f => names.GetValueOrDefault(f) ?? (WordNetId().IsMatch(f) ? throw new UserException($"{table}: has no name for {f}") : Own(f)))];
    }

    private static string Own(string folder) => folder.Replace('_', ' ');

    private static string? Find(string root)
    {
        var places = new[] { ".", "..", Path.Combine("..", "..") }.Select(up => Path.GetFullPath(Path.Combine(root, up)));
        return places.SelectMany(place => Tables.Select(name => Path.Combine(place, name))).FirstOrDefault(File.Exists);
    }

    private static Dictionary<string, string> Read(string path)
    {
        var names = new Dictionary<string, string>();
        foreach (var (line, i) in TextLines.Of(path).Select((line, i) => (line, i)))
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            var at = line.IndexOfAny(['\t', ' ']);
            var name = at < 0 ? "" : line[(at + 1)..].Split(',')[0].Trim();
            if (name.Length == 0) throw new UserException($"{path}: line {i + 1}: no name after the class; write for example 'n01440764 tench, Tinca tinca'");
            if (!names.TryAdd(line[..at], name)) throw new UserException($"{path}: line {i + 1}: {line[..at]} is there twice");
        }
        return names;
    }

    [GeneratedRegex("^n[0-9]{8}$")]
    private static partial Regex WordNetId();
}

/// <summary>Lines of a user's text file: UTF-8, or what its byte order mark says.</summary>
internal static class TextLines
{
    /// <exception cref="UserException">The file cannot be read, or is of another encoding: a text is never changed silently.</exception>
    public static string[] Of(string path)
    {
        try
        {
            return File.ReadAllLines(path, new UTF8Encoding(false, throwOnInvalidBytes: true));
        }
        catch (DecoderFallbackException e)
        {
            throw new UserException($"{path}: line {FirstWrong(File.ReadAllBytes(path))} is not UTF-8: save the file as UTF-8, or convert it, e.g. with iconv -f WINDOWS-1252 -t UTF-8", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read ({e.Message})", e);
        }
    }

    // No byte of a longer character looks like the end of a line.
    private static int FirstWrong(ReadOnlySpan<byte> text)
    {
        var number = 0;
        foreach (var line in text.Split((byte)'\n'))
        {
            number++;
            if (!Utf8.IsValid(text[line])) break;
        }
        return number;
    }
}
