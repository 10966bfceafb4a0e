namespace JepaT.Model;

/// <summary>The attention weights of one block.</summary>
/// <param name="Block">Its name, e.g. <c>predictor.decoder_blocks.2</c>.</param>
/// <param name="Weights">(B, h, m, n): for each head and each of m queries the share of each of n keys; a row sums to 1. Owned by the caller.</param>
public sealed record AttentionMap(string Block, Tensor Weights) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Weights.Dispose();
}

/// <summary>Looks into a model's attention while it computes something; the fused kernels keep no weights, so they are computed again.</summary>
public static class AttentionMaps
{
    /// <summary>
    /// Runs <paramref name="compute"/> and returns the weights of each block that it went through, in order. Keys are the K buffer tokens
    /// first, then in the encoder the visible tokens, in the predictor all L; the last block's queries are the wanted tokens only.
    /// </summary>
    public static IReadOnlyList<AttentionMap> Record(JepaModel model, Action compute)
    {
        List<AttentionMap> maps = [];
        List<Action> removers = [];
        try
        {
            foreach (var (name, module) in model.named_modules())
                if (module is Attention attention)
                    removers.Add(attention.register_forward_hook((_, x, wanted, y) =>
                    {
                        maps.Add(new(name[..name.LastIndexOf('.')], attention.Weights(x, wanted).DetachFromDisposeScope()));
                        return y;
                    }).remove);
            compute();
        }
        finally
        {
            foreach (var remove in removers) remove();
        }
        return maps;
    }
}
