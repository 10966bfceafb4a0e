using JepaT.Lab;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The first features of another network: the root of a covariance of 2,048 takes ten seconds, and shows no more.</summary>
internal sealed class FirstFeatures(IFeatureNetwork whole) : IFeatureNetwork
{
    public string Name => whole.Name;

    public string Hash => whole.Hash;

    public int Dim => 64;

    public Judgement Extract(Tensor pictures)
    {
        using var judged = whole.Extract(pictures);
        return new(judged.Features.narrow(1, 0, Dim), judged.Logits.alias());
    }
}
