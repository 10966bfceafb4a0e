using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>The byte pair merges of CLIP and the ids of its 49,408 tokens.</summary>
internal sealed class ClipVocabulary
{
    public const string Start = "<|startoftext|>", End = "<|endoftext|>";

    /// <summary>What the original uses of the 262,145 lines in its file.</summary>
    private const int MergeCount = 49_152 - 256 - 2;

    private const int MaxSize = 16 << 20;
    private const string Mend = "leave the vocabulary out to use the one that comes with JepaT, or take bpe_simple_vocab_16e6.txt.gz from "
        + "https://github.com/openai/CLIP/tree/main/clip (SHA-256 924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a)";

    private ClipVocabulary(string[] merges, Dictionary<string, int> ids) => (Merges, Ids) = (merges, ids);

    /// <summary>Pairs with a space between, the strongest first.</summary>
    public IReadOnlyList<string> Merges { get; }

    public IReadOnlyDictionary<string, int> Ids { get; }

    /// <summary>The one that comes with JepaT: see Assets/clip-merges.md.</summary>
    public static ClipVocabulary Embedded()
    {
        const string name = "clip-merges.txt.gz";
        using var gz = typeof(ClipVocabulary).Assembly.GetManifestResourceStream(name)!;
        var merges = ParseMerges(Text(gz, zipped: true, name), name);
        return new(merges, IdsOf(merges));
    }

    /// <summary>A folder with vocab.json and merges.txt, a merges.txt, or the original's bpe_simple_vocab_16e6.txt.gz.</summary>
    /// <exception cref="UserException">It is missing or holds something else.</exception>
    public static ClipVocabulary Load(string path)
    {
        var folder = Directory.Exists(path) ? path : null;
        var file = folder is null ? path : Path.Combine(folder, "merges.txt");
        var merges = ParseMerges(Read(file), file);
        return new(merges, folder is null ? IdsOf(merges) : ParseIds(Path.Combine(folder, "vocab.json"), merges));
    }

    /// <summary>SHA-256 of merges and ids, however they were stored.</summary>
    public string Hash() => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        string.Join('\n', Merges) + string.Concat(Ids.OrderBy(x => x.Value).Select(x => $"\n{x.Key} {x.Value}")))));

    /// <summary>The character that stands for each byte: printable ones for themselves, the others from U+0100 on.</summary>
    private static List<string> ByteNames()
    {
        int[] printable = [.. Enumerable.Range('!', 94), .. Enumerable.Range('¡', 12), .. Enumerable.Range('®', 82)];
        return [.. printable.Concat(Enumerable.Range(256, 256 - printable.Length)).Select(c => ((char)c).ToString())];
    }

    /// <summary>Ids are places in the list: bytes, bytes that end a word, merges, the two markers.</summary>
    private static IEnumerable<string> Names(string[] merges)
    {
        var bytes = ByteNames();
        return bytes.Concat(bytes.Select(b => b + "</w>")).Concat(merges.Select(m => m.Replace(" ", "", StringComparison.Ordinal))).Append(Start).Append(End);
    }

    private static Dictionary<string, int> IdsOf(string[] merges) => Names(merges).Select((name, i) => (name, i)).ToDictionary(x => x.name, x => x.i);

    private static string[] ParseMerges(string text, string source)
    {
        var merges = text.Split('\n').Skip(1).Take(MergeCount).Select(line => line.TrimEnd('\r')).ToArray();   // the first line is a header
        var bad = Array.FindIndex(merges, m => m.Split(' ') is not [{ Length: > 0 }, { Length: > 0 }]);
        if (bad >= 0 && bad < merges.Length - 1) throw Broken(source, $"line {bad + 2} is not a pair");
        if (bad >= 0 || merges.Length < MergeCount) throw Broken(source, $"it has {merges.Length - (bad >= 0 ? 1 : 0):N0} merges, wanted {MergeCount:N0}");
        var twice = merges.GroupBy(m => m.Replace(" ", "", StringComparison.Ordinal)).FirstOrDefault(g => g.Count() > 1);
        return twice is null ? merges : throw Broken(source, $"{twice.Count()} lines make '{twice.Key}'");
    }

    private static Dictionary<string, int> ParseIds(string file, string[] merges)
    {
        Dictionary<string, int> ids;
        try
        {
            ids = JsonSerializer.Deserialize<Dictionary<string, int>>(Read(file)) ?? [];
        }
        catch (JsonException e)
        {
            throw Broken(file, $"it is no JSON object of names and ids ({e.Message})");
        }
        var missing = Names(merges).FirstOrDefault(name => !ids.ContainsKey(name));
        if (missing is not null) throw Broken(file, $"it lacks '{missing}', which merges.txt beside it makes");
        var odd = ids.FirstOrDefault(x => x.Value < 0 || x.Value >= ids.Count);
        if (odd.Key is not null) throw Broken(file, $"the id {odd.Value} of '{odd.Key}' is outside its {ids.Count:N0} names");
        return ids.GroupBy(x => x.Value).FirstOrDefault(g => g.Count() > 1)?.ToList() is not { } same ? ids
            : throw Broken(file, $"'{same[0].Key}' and '{same[1].Key}' have the same id {same[0].Value}");
    }

    private static string Read(string path)
    {
        try
        {
            using var file = File.OpenRead(path);
            return Text(file, path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase), path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new UserException($"{path}: missing; {Mend}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be read ({e.Message}); {Mend}", e);
        }
    }

    /// <summary>All of the file; a zip bomb or a wrong file ends at a size that no vocabulary has.</summary>
    private static string Text(Stream file, bool zipped, string source)
    {
        try
        {
            using var content = zipped ? new GZipStream(file, CompressionMode.Decompress) : file;
            using var bytes = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int n; (n = content.Read(buffer)) > 0;)
            {
                bytes.Write(buffer, 0, n);
                if (bytes.Length > MaxSize) throw Broken(source, $"it is larger than {MaxSize >> 20} MiB");
            }
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (Exception e) when (e is InvalidDataException or DecoderFallbackException)
        {
            throw Broken(source, e is DecoderFallbackException ? "it is not UTF-8" : "it is not gzip");
        }
    }

    private static UserException Broken(string source, string why) => new($"{source}: not a vocabulary of CLIP: {why}; {Mend}");
}
