namespace JepaT.Model;

/// <summary>What the model gets as text (design decision 2).</summary>
public enum TextForm
{
    /// <summary>One vector a caption, as the published code: the cross-attention is then a constant of the text (reference, oddity 2).</summary>
    Pooled,

    /// <summary>The vectors of the caption's tokens, too: the cross-attention looks at them.</summary>
    Tokens,
}

/// <summary>What a text encoder makes of B captions.</summary>
/// <param name="Pooled">(B, text): one vector each.</param>
/// <param name="Tokens">(B, T, text): a vector for each token, or null where only the pooled vector is used.</param>
/// <param name="Mask">(B, T) bool, true for a token, false for padding; each row has at least one token. Null with the tokens.</param>
public sealed record TextFeatures(Tensor Pooled, Tensor? Tokens, Tensor? Mask)
{
    /// <summary>Pooled vectors alone.</summary>
    public static implicit operator TextFeatures(Tensor pooled) => new(pooled, null, null);

    /// <summary>The same done to each of the tensors, whose first axis is the captions.</summary>
    public TextFeatures Each(Func<Tensor, Tensor> change) =>
        new(change(Pooled), Tokens is null ? null : change(Tokens), Mask is null ? null : change(Mask));

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Pooled.Dispose();
        Tokens?.Dispose();
        Mask?.Dispose();
    }
}

/// <summary>Text as the network takes it: projected to the width C, dropped where it is to be dropped.</summary>
/// <param name="Pooled">(B, C), for encoder buffer, predictor and raw text.</param>
/// <param name="Tokens">(B, T, C), keys of the cross-attention; null: the pooled vector is the only key.</param>
/// <param name="Mask">(B, T) bool, true where there is a key. Null with the tokens.</param>
public sealed record TextCondition(Tensor Pooled, Tensor? Tokens = null, Tensor? Mask = null)
{
    /// <summary>The pooled vector alone.</summary>
    public static implicit operator TextCondition(Tensor pooled) => new(pooled);

    /// <summary>These rows, then rows whose text is one vector (B, C), which is then their only key: (2B, …).</summary>
    public TextCondition Then(Tensor vectors)
    {
        using var scope = NewDisposeScope();
        var pooled = cat([Pooled, vectors], 0).MoveToOuterDisposeScope();
        if (Tokens is null || Mask is null) return pooled;
        var count = Tokens.shape[1];
        var only = ones_like(vectors.narrow(1, 0, 1), dtype: ScalarType.Bool);                                 // (B, 1)
        return new(pooled,
            cat([Tokens, nn.functional.pad(vectors.unsqueeze(1), [0, 0, 0, count - 1])], 0).MoveToOuterDisposeScope(),
            cat([Mask, nn.functional.pad(only, [0, count - 1])], 0).MoveToOuterDisposeScope());
    }

    /// <summary>The same done to each of the tensors, whose first axis is the images.</summary>
    public TextCondition Each(Func<Tensor, Tensor> change) =>
        new(change(Pooled), Tokens is null ? null : change(Tokens), Mask is null ? null : change(Mask));

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Pooled.Dispose();
        Tokens?.Dispose();
        Mask?.Dispose();
    }
}
