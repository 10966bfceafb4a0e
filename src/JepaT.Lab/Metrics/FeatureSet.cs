namespace JepaT.Lab;

/// <summary>What a feature network sees in N pictures; the record owns its tensors.</summary>
/// <param name="Features">(N, D) float32.</param>
/// <param name="ItemLogits">(N, items) float32.</param>
/// <param name="ColourLogits">(N, colours) float32.</param>
public sealed record FeatureSet(Tensor Features, Tensor ItemLogits, Tensor ColourLogits) : IDisposable
{
    public void Dispose()
    {
        Features.Dispose();
        ItemLogits.Dispose();
        ColourLogits.Dispose();
    }
}
