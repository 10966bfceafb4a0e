namespace JepaT.Lab;

/// <summary>A frozen network that judges pictures: its features give FID, precision and recall, its logits the Inception score.</summary>
public interface IFeatureNetwork
{
    /// <summary>Names the network in the names of metrics, e.g. <c>fid_inception_50k</c>.</summary>
    string Name { get; }

    /// <summary>SHA-256 of the weights' file, 64 lower-case hex digits.</summary>
    string Hash { get; }

    /// <summary>Number of features a picture.</summary>
    int Dim { get; }

    /// <summary>Judges pictures of 256 levels, (N, 3, H, W) uint8: what a file can hold, as FID asks. The caller owns the answer.</summary>
    Judgement Extract(Tensor pictures);
}

/// <summary>What a network sees in N pictures; the record owns its tensors.</summary>
/// <param name="Features">(N, D) float32.</param>
/// <param name="Logits">(N, classes) float32, before the softmax of the Inception score.</param>
public sealed record Judgement(Tensor Features, Tensor Logits) : IDisposable
{
    public void Dispose()
    {
        Features.Dispose();
        Logits.Dispose();
    }
}
