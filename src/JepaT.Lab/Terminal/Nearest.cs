namespace JepaT.Lab;

/// <summary>What was probably meant by a mistyped word.</summary>
internal static class Nearest
{
    /// <summary>The known word that takes the fewest letters to change.</summary>
    public static string To(string word, IEnumerable<string> known) => known.MinBy(k => Distance(k, word))!;

    // Levenshtein distance, one row at a time.
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 0; i < a.Length; i++)
        {
            var corner = row[0]++;
            for (var j = 0; j < b.Length; j++)
                (corner, row[j + 1]) = (row[j + 1], Math.Min(corner + (a[i] == b[j] ? 0 : 1), Math.Min(row[j], row[j + 1]) + 1));
        }
        return row[^1];
    }
}
