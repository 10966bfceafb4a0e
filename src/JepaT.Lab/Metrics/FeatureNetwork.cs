using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>
/// The judge of small pictures: five convolutions, the mean over all places as features, one linear head for the item and
/// one for the colour. It only infers; <see cref="EvaluatorTraining"/> made its weights, with the batch norms folded into the
/// convolutions. Everyone's numbers compare because everyone uses the shipped file, whose hash goes with every number.
/// </summary>
public sealed class FeatureNetwork : IFeatureNetwork, IDisposable
{
    /// <summary>Name of the shipped weights, beside their card <c>evaluator-fashion.md</c>.</summary>
    public const string FileName = "evaluator-fashion.safetensors";

    /// <summary>
    /// The convolutions: 28 × 28 -> 14 × 14 twice -> 7 × 7 three times, each followed by ReLU. The last sees 30 × 30 pixels: all of
    /// a picture, which matters as the mean forgets places.
    /// </summary>
    internal static readonly Convolution[] Convolutions =
        [new("conv1", 3, 32, 6, 2), new("conv2", 32, 64, 3, 1), new("conv3", 64, 96, 3, 2), new("conv4", 96, 96, 3, 1), new("conv5", 96, 96, 3, 1)];

    private readonly Dictionary<string, Tensor> weights;
    private readonly Device device;

    internal FeatureNetwork(Dictionary<string, Tensor> weights, string hash, Device device)
    {
        this.weights = weights.ToDictionary(w => w.Key, w => w.Value.to(device).DetachFromDisposeScope());
        (Hash, this.device) = (hash, device);
    }

    /// <summary>Names the network in the names of metrics, e.g. <c>fid_fashion_5k</c>.</summary>
    public string Name { get; } = "fashion";

    /// <summary>SHA-256 of the weights' file, 64 lower-case hex digits.</summary>
    public string Hash { get; }

    /// <summary>Number of features a picture.</summary>
    public int Dim { get; } = Convolutions[^1].Out;

    /// <summary>The shipped weights: in the assembly itself, so that they are found from a package, too.</summary>
    internal static Stream OpenShipped() => typeof(FeatureNetwork).Assembly.GetManifestResourceStream(FileName)!;

    /// <summary>Name and shape of each tensor of the weights' file.</summary>
    internal static IEnumerable<(string Name, long[] Shape)> Shapes()
    {
        foreach (var c in Convolutions)
        {
            yield return ($"{c.Name}.weight", [c.Out, c.In, c.Kernel, c.Kernel]);
            yield return ($"{c.Name}.bias", [c.Out]);
        }
        foreach (var (name, classes) in new[] { ("item", Vocabulary.Items.Count), ("colour", Vocabulary.Colours.Count) })
        {
            yield return ($"{name}.weight", [classes, Convolutions[^1].Out]);
            yield return ($"{name}.bias", [classes]);
        }
    }

    /// <summary>Loads the shipped weights, or those of another file of the same form.</summary>
    /// <exception cref="UserException">The file is missing, broken, or a tensor is missing, unknown or of another shape or type.</exception>
    public static FeatureNetwork Load(Device? device = null, string? path = null)
    {
        using var file = path is null ? OpenShipped() : Open(path);
        var weights = Safetensors.Load(file, path ?? FileName);
        try
        {
            foreach (var (name, shape) in Shapes())
            {
                if (!weights.TryGetValue(name, out var w)) throw Wrong($"tensor {name} is missing");
                if (!w.shape.SequenceEqual(shape))
                    throw Wrong($"tensor {name} is ({string.Join(", ", w.shape)}), wanted ({string.Join(", ", shape)})");
                if (w.dtype != ScalarType.Float32) throw Wrong($"tensor {name} is {w.dtype}, wanted Float32");
                WeightMatch.RequireFinite(w, name, path ?? FileName);
            }
            var unknown = weights.Keys.Except(Shapes().Select(s => s.Name)).FirstOrDefault();
            if (unknown is not null) throw Wrong($"tensor {unknown} is unknown");
            file.Position = 0;
            return new(weights, Convert.ToHexStringLower(SHA256.HashData(file)), device ?? CPU);
        }
        finally
        {
            foreach (var w in weights.Values) w.Dispose();
        }

        UserException Wrong(string why) => new(
            $"{path ?? FileName}: {why}; it is no file of ./lab train-evaluator of this version: train one, or leave the path out");
    }

    private static FileStream Open(string path)
    {
        try
        {
            return File.OpenRead(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{path}: cannot be opened ({e.Message})", e);
        }
    }

    /// <summary>
    /// Judges pictures (N, 3, 28, 28), or grey ones (N, 1, 28, 28) as three equal channels; float32 in [-1, 1] on any device. The
    /// answer does not depend on <paramref name="batch"/>, the number of pictures at a time (up to the last digits).
    /// </summary>
    /// <exception cref="ArgumentException">Pictures of another shape.</exception>
    public FeatureSet Extract(Tensor images, int batch = 500)
    {
        if (images.dim() != 4 || images.shape[1] is not (1 or 3) || images.shape[2] != IdxFile.Side || images.shape[3] != IdxFile.Side)
            throw new ArgumentException($"pictures must be (N, 1 or 3, 28, 28), not ({string.Join(", ", images.shape)})", nameof(images));
        ArgumentOutOfRangeException.ThrowIfLessThan(batch, 1);
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var n = images.shape[0];
        var (features, items, colours) = (empty(n, Dim), empty(n, Vocabulary.Items.Count), empty(n, Vocabulary.Colours.Count));
        for (long first = 0; first < n; first += batch)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(batch, n - first);
            var x = images.narrow(0, first, count).to(ScalarType.Float32, device).expand(count, 3, IdxFile.Side, IdxFile.Side);
            foreach (var c in Convolutions)
                x = nn.functional.conv2d(x, weights[$"{c.Name}.weight"], weights[$"{c.Name}.bias"], [c.Stride, c.Stride], [c.Padding, c.Padding]).relu_();
            x = x.mean([2L, 3L]);                                                                           // (n, Dim)
            features.narrow(0, first, count).copy_(x);
            items.narrow(0, first, count).copy_(nn.functional.linear(x, weights["item.weight"], weights["item.bias"]));
            colours.narrow(0, first, count).copy_(nn.functional.linear(x, weights["colour.weight"], weights["colour.bias"]));
        }
        return new(features.MoveToOuterDisposeScope(), items.MoveToOuterDisposeScope(), colours.MoveToOuterDisposeScope());
    }

    /// <summary>Of 8-bit pictures, with the item head's logits: colour is no class of the Inception score.</summary>
    Judgement IFeatureNetwork.Extract(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        using var set = Extract(pictures.to(ScalarType.Float32) / 127.5 - 1);
        return new(set.Features.alias().MoveToOuterDisposeScope(), set.ItemLogits.alias().MoveToOuterDisposeScope());
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        foreach (var w in weights.Values) w.Dispose();
    }

    /// <summary>A square convolution: channels in and out, kernel and stride in pixels.</summary>
    internal sealed record Convolution(string Name, int In, int Out, int Kernel, int Stride)
    {
        /// <summary>Pixels of border on each side, such that the output is input / stride.</summary>
        public int Padding => (Kernel - 1) / 2;
    }
}
