namespace JepaT.Lab;

/// <summary>Turns captions into vectors, which condition the model: one a caption, or one a token.</summary>
public interface ITextEncoder
{
    /// <summary>Short name for configurations, run parameters and file names.</summary>
    string Name { get; }

    /// <summary>Width of the vectors.</summary>
    int Dim { get; }

    /// <summary>Refuses captions that cannot be encoded, as far as that can be told without encoding them.</summary>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    void Check(IReadOnlyList<string> captions) { }

    /// <summary>B captions -> (B, Dim) float32 on the CPU; the same caption always gives the same vector.</summary>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    Tensor Encode(IReadOnlyList<string> captions);

    /// <summary>
    /// B captions -> pooled vectors as <see cref="Encode"/> gives them, and tokens. A caption's tokens do not depend on its
    /// company; only the padding does.
    /// </summary>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    TextFeatures EncodeTokens(IReadOnlyList<string> captions);
}

/// <summary>Text in the form that an experiment asks for.</summary>
public static class TextEncoderForms
{
    /// <summary>B captions → pooled vectors, in the form <see cref="TextForm.Tokens"/> with those of the tokens; on the CPU.</summary>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    public static TextFeatures Encode(this ITextEncoder text, IReadOnlyList<string> captions, TextForm form) =>
        form == TextForm.Tokens ? text.EncodeTokens(captions) : text.Encode(captions);
}
