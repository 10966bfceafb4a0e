using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// Mean and unbiased covariance of a set of features: all that the Fréchet distance needs. Float64 on the CPU; the object owns
/// its tensors.
/// </summary>
public sealed class FeatureStatistics : IDisposable
{
    private const int Chunk = 4096;                     // rows turned to float64 at once: 64 MB at 2,048 features

    /// <summary>Mean, (D) float64.</summary>
    public Tensor Mean { get; }

    /// <summary>Covariance with divisor Count − 1, (D, D) float64.</summary>
    public Tensor Covariance { get; }

    /// <summary>How many samples there were, at least 2; 0 where published statistics do not say.</summary>
    public long Count { get; }

    /// <summary>Width of a feature vector.</summary>
    public long Dim => Mean.shape[0];

    private FeatureStatistics(Tensor mean, Tensor covariance, long count)
    {
        Mean = mean.DetachFromDisposeScope();
        Covariance = covariance.DetachFromDisposeScope();
        Count = count;
    }

    /// <summary>The statistics of <paramref name="features"/>, (N, D) of any float type, N ≥ 2.</summary>
    /// <exception cref="UserException">Fewer than 2 samples, or a value that is not finite.</exception>
    public static FeatureStatistics From(Tensor features)
    {
        Features.Require(features, "features", atLeast: 2);
        using var accumulator = new Accumulator();
        foreach (var rows in features.split(Chunk))
            using (rows)
                accumulator.Add(rows);
        return accumulator.Result();
    }

    /// <summary>Statistics known beforehand: mean (D), covariance (D, D), number of samples behind them.</summary>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public static FeatureStatistics From(Tensor mean, Tensor covariance, long count)
    {
        if (mean.dim() != 1 || covariance.dim() != 2 || covariance.shape[0] != mean.shape[0] || covariance.shape[1] != mean.shape[0])
            throw new ArgumentException($"mean {Shape(mean)} and covariance {Shape(covariance)} do not belong together");
        using var scope = NewDisposeScope();
        return new(Double(mean), Double(covariance), count);
    }

    /// <summary>Writes <c>mean</c>, <c>covariance</c> and the metadata <c>count</c> as safetensors.</summary>
    public void Save(string path) =>
        Safetensors.Save(path, [new("mean", Mean), new("covariance", Covariance)],
            new Dictionary<string, string> { ["count"] = Count.ToString(CultureInfo.InvariantCulture) });

    /// <summary>Reads what <see cref="Save"/> wrote.</summary>
    /// <exception cref="UserException">The file is missing, broken or holds something else.</exception>
    public static FeatureStatistics Load(string path)
    {
        using var scope = NewDisposeScope();
        var tensors = Safetensors.Load(path);
        try
        {
            return FromFile(path, tensors, Safetensors.Metadata(path));
        }
        finally
        {
            foreach (var t in tensors.Values) t.Dispose();
        }
    }

    /// <summary>The statistics among the tensors and metadata of a safetensors file, checked; <paramref name="path"/> only names it.</summary>
    internal static FeatureStatistics FromFile(string path, Dictionary<string, Tensor> tensors, Dictionary<string, string> metadata)
    {
        if (!tensors.TryGetValue("mean", out var mean) || !tensors.TryGetValue("covariance", out var covariance) || mean.dim() != 1
            || !covariance.shape.AsSpan().SequenceEqual([mean.shape[0], mean.shape[0]])
            || mean.dtype != ScalarType.Float64 || covariance.dtype != ScalarType.Float64
            || !metadata.TryGetValue("count", out var text) || !long.TryParse(text, CultureInfo.InvariantCulture, out var count) || count < 2)
            throw new UserException($"{path}: holds no feature statistics (mean, covariance and count)");
        return From(mean, covariance, count);
    }

    public void Dispose()
    {
        Mean.Dispose();
        Covariance.Dispose();
    }

    private static Tensor Double(Tensor t) => t.detach().cpu().to(ScalarType.Float64).clone();

    private static string Shape(Tensor t) => $"({string.Join(", ", t.shape)})";

    /// <summary>
    /// Statistics of features that come in batches, in one pass with memory for one batch: batches are joined by Chan's
    /// parallel update of mean and scatter, which does not cancel as sums of squares do.
    /// </summary>
    public sealed class Accumulator : IDisposable
    {
        private Tensor? mean, scatter;
        private long count;

        /// <summary>Takes in a batch, (B, D) of any float type.</summary>
        /// <exception cref="UserException">A value that is not finite.</exception>
        public void Add(Tensor features)
        {
            Features.Require(features, "features", atLeast: 0);
            if (features.shape[0] == 0) return;
            using var scope = NewDisposeScope();
            var x = features.detach().cpu().to(ScalarType.Float64);
            var n = x.shape[0];
            var m = x.mean([0]);
            var centred = x - m;
            var s = centred.t().mm(centred);
            if (mean is not null && scatter is not null)
            {
                var total = count + n;
                var delta = m - mean;
                s = s + scatter + outer(delta, delta) * ((double)count * n / total);
                m = mean + delta * ((double)n / total);
                mean.Dispose();
                scatter.Dispose();
            }
            (mean, scatter, count) = (m.DetachFromDisposeScope(), s.DetachFromDisposeScope(), count + n);
        }

        /// <summary>The statistics of all that was added.</summary>
        /// <exception cref="UserException">Fewer than 2 samples were added.</exception>
        public FeatureStatistics Result()
        {
            if (mean is null || scatter is null || count < 2)
                throw new UserException($"feature statistics need at least 2 samples, there are {count}");
            using var scope = NewDisposeScope();
            return new(mean.clone(), scatter / (count - 1), count);
        }

        public void Dispose()
        {
            mean?.Dispose();
            scatter?.Dispose();
        }
    }
}
