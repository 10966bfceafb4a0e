namespace JepaT.Lab;

/// <summary>Captions of different lengths as one tensor.</summary>
internal static class TextPadding
{
    /// <summary>Pads the tokens of each caption, row by row (t, dim), to one tensor.</summary>
    public static TextFeatures Pad(Tensor pooled, IReadOnlyList<float[]> tokens)
    {
        var dim = (int)pooled.shape[1];
        var longest = tokens.Select(t => t.Length).DefaultIfEmpty().Max() / dim;
        var values = new float[tokens.Count * longest * dim];
        var mask = new bool[tokens.Count * longest];
        for (var i = 0; i < tokens.Count; i++)
        {
            tokens[i].CopyTo(values.AsSpan(i * longest * dim));
            mask.AsSpan(i * longest, tokens[i].Length / dim).Fill(true);
        }
        return new(pooled, tensor(values, [tokens.Count, longest, dim]), tensor(mask, [tokens.Count, longest]));
    }
}
