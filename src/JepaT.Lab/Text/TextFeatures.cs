namespace JepaT.Lab;

/// <summary>What a text encoder makes of B captions; float32 on the CPU.</summary>
/// <param name="Pooled">(B, Dim): one vector a caption, as <see cref="ITextEncoder.Encode"/> gives it.</param>
/// <param name="Tokens">
/// (B, T, Dim): one vector a token, T the longest caption's tokens, zero where <paramref name="Mask"/> is false; null for an
/// encoder that has no tokens of the same width.
/// </param>
/// <param name="Mask">(B, T) bool: true is a token, false is padding; null as <paramref name="Tokens"/>.</param>
public sealed record TextFeatures(Tensor Pooled, Tensor? Tokens, Tensor? Mask)
{
    /// <summary>Pads the tokens of each caption, row by row (t, dim), to one tensor.</summary>
    internal static TextFeatures Pad(Tensor pooled, IReadOnlyList<float[]> tokens)
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
