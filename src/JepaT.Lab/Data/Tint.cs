using System.Text;

namespace JepaT.Lab;

/// <summary>
/// The colour of each picture: a fixed function of seed, split and position, drawn evenly from the colours that are not held
/// out for the picture's item. The test split is tinted with seen pairs as well: it is the reference for FID and the like, so it
/// must have the distribution of the training prompts; held-out pairs exist only as prompts.
/// </summary>
public static class Tint
{
    /// <summary>
    /// One colour number a label. With <c>h = mix(FNV-1a("train" or "test") + mix(seed + mix(position)))</c>, where <c>mix</c>
    /// is the output function of SplitMix64 and all sums are modulo 2^64, the colour is number <c>h mod k</c> of the k colours
    /// allowed for the item.
    /// </summary>
    public static byte[] Assign(ReadOnlySpan<byte> items, string split, ulong seed)
    {
        var allowed = Enumerable.Range(0, Vocabulary.Items.Count)
            .Select(item => Vocabulary.SeenPairs.Where(p => p.Item == item).Select(p => (byte)p.Colour).ToArray())
            .ToArray();
        var salt = HashedText.Fnv1a(Encoding.UTF8.GetBytes(split));
        var colours = new byte[items.Length];
        for (var i = 0; i < items.Length; i++)
        {
            var choice = allowed[items[i]];
            colours[i] = choice[Mix(salt + Mix(seed + Mix((ulong)i))) % (ulong)choice.Length];
        }
        return colours;
    }

    private static ulong Mix(ulong z)
    {
        z += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
