using static TorchSharp.torch.nn;

namespace JepaT.Lab;

/// <summary>What the Inception network computes of N pictures; the record owns its tensors.</summary>
/// <param name="Features">(N, 2048) float32, means over all places.</param>
/// <param name="Logits">(N, 1008) float32.</param>
/// <param name="LogitsWithoutBias">(N, 1008) float32: the published Inception score leaves the last bias out.</param>
public sealed record InceptionOutput(Tensor Features, Tensor Logits, Tensor LogitsWithoutBias) : IDisposable
{
    public void Dispose()
    {
        Features.Dispose();
        Logits.Dispose();
        LogitsWithoutBias.Dispose();
    }
}

/// <summary>
/// The Inception-v3 of December 2015 that FID is defined by (Heusel et al. 2017), with the batch norms folded into the
/// convolutions. It differs from torchvision's: 1,008 classes, padding that does not count in mean pools, a maximum in the last block.
/// </summary>
public sealed class Inception : IFeatureNetwork, IDisposable
{
    private const double Epsilon = 0.001;               // of every batch norm
    private const int Batch = 32;                       // pictures at a time: 0.5 GB of activations

    private readonly Dictionary<string, Tensor> weights;
    private readonly ScalarType dtype;
    private readonly Device device;

    private Inception(Dictionary<string, Tensor> weights, string hash, InceptionConvention convention, Device device, ScalarType dtype)
    {
        using var scope = NewDisposeScope();
        this.weights = weights.ToDictionary(w => w.Key, w => w.Value.to(dtype).to(device).clone().DetachFromDisposeScope());
        (Hash, Convention, this.device, this.dtype) = (hash, convention, device, dtype);
    }

    /// <summary>How pictures are prepared.</summary>
    public InceptionConvention Convention { get; }

    /// <inheritdoc/>
    public string Name => Convention == InceptionConvention.TorchFidelity ? "inception" : "inception_pytorch_fid";

    /// <inheritdoc/>
    public string Hash { get; }

    /// <inheritdoc/>
    public int Dim => InceptionArchitecture.Features;

    /// <summary>Loads the user's copy of the public weights (<see cref="PublicWeights.Inception"/>).</summary>
    /// <param name="read">Reads a file of weights: names to tensors, which are then freed here.</param>
    /// <param name="path">The file; by default looked for in <see cref="PublicWeights.Folder"/>.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="dtype">What it computes in; published numbers are float32's.</param>
    /// <param name="convention">How pictures are prepared.</param>
    /// <exception cref="UserException">The file is missing (with where to get it), another one than its name says, or does not fit.</exception>
    public static Inception Load(Func<string, IReadOnlyDictionary<string, Tensor>> read, string? path = null, Device? device = null,
        ScalarType dtype = ScalarType.Float32, InceptionConvention convention = InceptionConvention.TorchFidelity)
    {
        var (file, hash) = PublicWeights.Inception.Find(path);
        var weights = read(file);
        try
        {
            return From(weights, file, hash, device, dtype, convention);
        }
        finally
        {
            foreach (var w in weights.Values) w.Dispose();
        }
    }

    /// <summary>Takes weights in (they are copied) under the names of the public file.</summary>
    /// <param name="weights">Names to float32 tensors; batch norms' counters (<c>num_batches_tracked</c>) may be there or not.</param>
    /// <param name="source">Where they come from, for messages.</param>
    /// <param name="hash">SHA-256 of the file.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="dtype">What it computes in.</param>
    /// <param name="convention">How pictures are prepared.</param>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type.</exception>
    public static Inception From(IReadOnlyDictionary<string, Tensor> weights, string source, string hash, Device? device = null,
        ScalarType dtype = ScalarType.Float32, InceptionConvention convention = InceptionConvention.TorchFidelity)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var own = Shapes().Select(s => (s.Name, Value: empty(s.Shape))).ToList();
        var norms = Convolutions().Select(c => c.Convolution.Name + ".bn.num_batches_tracked").ToHashSet();
        WeightMatch.Copy(own, weights.Where(w => !norms.Contains(w.Key)).ToDictionary(), source,
            "is it the FID variant? torchvision's own Inception, with 1000 classes and AuxLogits, is another network");
        return new(Fold(own.ToDictionary(w => w.Name, w => w.Value)), hash, convention, device ?? CPU, dtype);
    }

    /// <summary>Name and shape of each tensor of the public file but the batch norms' counters, which inference has no use for.</summary>
    internal static IEnumerable<(string Name, long[] Shape)> Shapes()
    {
        foreach (var (c, inputs) in Convolutions())
        {
            yield return (c.Name + ".conv.weight", [c.Outputs, inputs, c.Height, c.Width]);
            foreach (var part in new[] { "weight", "bias", "running_mean", "running_var" }) yield return ($"{c.Name}.bn.{part}", [c.Outputs]);
        }
        yield return ("fc.weight", [InceptionArchitecture.Classes, InceptionArchitecture.Features]);
        yield return ("fc.bias", [InceptionArchitecture.Classes]);
    }

    /// <summary>Pictures (N, 3, H, W) uint8 of any size; the answer does not depend on how many there are (up to the last digits).</summary>
    /// <exception cref="ArgumentException">Pictures of another shape or type.</exception>
    public InceptionOutput Compute(Tensor pictures)
    {
        if (pictures.dim() != 4 || pictures.shape[1] != 3 || pictures.dtype != ScalarType.Byte || pictures.numel() == 0)
            throw new ArgumentException($"pictures must be (N, 3, H, W) uint8, not ({string.Join(", ", pictures.shape)}) {pictures.dtype}", nameof(pictures));
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var features = cat([.. pictures.split(Batch).Select(Features)]);
        var unbiased = functional.linear(features, weights["fc.weight"]);
        var logits = unbiased + weights["fc.bias"];
        return new(Out(features), Out(logits), Out(unbiased));

        static Tensor Out(Tensor t) => t.to(ScalarType.Float32).cpu().MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public Judgement Extract(Tensor pictures)
    {
        using var output = Compute(pictures);
        return new(output.Features.alias(), output.LogitsWithoutBias.alias());
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        foreach (var w in weights.Values) w.Dispose();
    }

    private Tensor Features(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var x = InceptionInput.Prepare(pictures.to(device), Convention).to(dtype);
        return InceptionLayer.Run(InceptionArchitecture.Layers, x, weights).mean([2L, 3L]).MoveToOuterDisposeScope();      // (n, 2048)
    }

    /// <summary>In evaluation a batch norm is a scale and a shift, so it fits into the convolution.</summary>
    private static Dictionary<string, Tensor> Fold(Dictionary<string, Tensor> w)
    {
        Dictionary<string, Tensor> folded = new() { ["fc.weight"] = w["fc.weight"], ["fc.bias"] = w["fc.bias"] };
        foreach (var (c, _) in Convolutions())
        {
            var scale = w[c.Name + ".bn.weight"] / (w[c.Name + ".bn.running_var"] + Epsilon).sqrt();
            folded[c.Name + ".weight"] = w[c.Name + ".conv.weight"] * scale.view(-1, 1, 1, 1);
            folded[c.Name + ".bias"] = w[c.Name + ".bn.bias"] - w[c.Name + ".bn.running_mean"] * scale;
        }
        return folded;
    }

    private static List<(InceptionConvolution Convolution, long Inputs)> Convolutions()
    {
        List<(InceptionConvolution, long)> all = [];
        InceptionLayer.Channels(InceptionArchitecture.Layers, 3, (c, inputs) => all.Add((c, inputs)));
        return all;
    }
}
