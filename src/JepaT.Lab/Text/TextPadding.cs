using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>Captions of different lengths as one tensor.</summary>
internal static class TextPadding
{
    /// <summary>Pads the tokens of each caption, row by row (t, dim), to one tensor.</summary>
    public static TextFeatures Pad(Tensor pooled, IReadOnlyList<float[]> tokens)
    {
        var dim = pooled.shape[1];
        var longest = tokens.Select(t => t.Length).DefaultIfEmpty().Max() / dim;
        var (values, mask) = (zeros([tokens.Count, longest, dim]), zeros([tokens.Count, longest], ScalarType.Bool));
        for (var i = 0; i < tokens.Count; i++)
        {
            if (tokens[i].Length == 0) continue;
            using var scope = NewDisposeScope();
            MemoryMarshal.AsBytes(tokens[i].AsSpan()).CopyTo(values[i].bytes);
            mask[i].narrow(0, 0, tokens[i].Length / dim).fill_(true);
        }
        return new(pooled, values, mask);
    }
}
