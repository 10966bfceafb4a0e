namespace JepaT.Lab;

/// <summary>Turns captions into one vector each, which conditions the model.</summary>
public interface ITextEncoder
{
    /// <summary>Short name for configurations, run parameters and file names.</summary>
    string Name { get; }

    /// <summary>Width of the vectors.</summary>
    int Dim { get; }

    /// <summary>B captions -> (B, Dim) float32 on the CPU; the same caption always gives the same vector.</summary>
    /// <exception cref="UserException">A caption is empty or too long.</exception>
    Tensor Encode(IReadOnlyList<string> captions);
}
