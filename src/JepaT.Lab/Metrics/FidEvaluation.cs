namespace JepaT.Lab;

/// <summary>
/// Measures pictures by the FID protocol as they are made, without keeping any: mean and covariance of the features and the sums of the
/// Inception score grow with each batch; only the features that precision and recall need are kept.
/// </summary>
public sealed class FidEvaluation : IDisposable
{
    private readonly IFeatureNetwork network;
    private readonly ReferenceStatistics reference;
    private readonly FeatureStatistics.Accumulator statistics = new();
    private readonly InceptionScore.Accumulator? score;
    private readonly Tensor kept;                       // (K, D) float32
    private readonly Dictionary<long, long> rowOf = []; // picture's number -> row in kept

    /// <param name="network">The judge.</param>
    /// <param name="reference">The real pictures under the same judge; not owned.</param>
    /// <param name="protocol">Which pictures come.</param>
    /// <exception cref="UserException">The reference is another network's.</exception>
    public FidEvaluation(IFeatureNetwork network, ReferenceStatistics reference, FidProtocol? protocol = null)
    {
        (this.network, this.reference, Protocol) = (network, reference, protocol ?? new());
        Features.RequireSameWidth(network.Dim, reference.Statistics.Dim);
        var count = Protocol.Count;
        if (count >= Protocol.Splits) score = new(count, Protocol.SplitSeed, Protocol.Splits);
        using var scope = NewDisposeScope();
        var rows = reference.Sample.shape[0] > PrecisionRecall.Neighbour ? Math.Min(Protocol.Kept, count) : 0;
        using var generator = new Generator((ulong)~Protocol.Seed);
        foreach (var number in randperm(count, ScalarType.Int64, generator: generator).data<long>().Take(rows)) rowOf.Add(number, rowOf.Count);
        kept = zeros(rows, network.Dim).DetachFromDisposeScope();
    }

    /// <summary>Which pictures come.</summary>
    public FidProtocol Protocol { get; }

    /// <summary>Pictures taken in so far.</summary>
    public int Done { get; private set; }

    /// <summary>Takes in the next generated pictures, (B, 3, H, W) in [-1, 1]: rounded to 8 bits as published.</summary>
    /// <exception cref="UserException">NaN or infinity, or more pictures than the protocol has.</exception>
    public void Add(Tensor images)
    {
        using var scope = NewDisposeScope();
        if (!isfinite(images).all().item<bool>())                               // as bytes nobody would see it any more
            throw new UserException($"picture {Done} and the next ones hold NaN or infinity: the model has diverged");
        AddBytes(Pictures.Bytes(images));
    }

    /// <summary>Takes in the next pictures, (B, 3, H, W) uint8.</summary>
    /// <exception cref="UserException">More pictures than the protocol has.</exception>
    public void AddBytes(Tensor pictures)
    {
        var n = (int)pictures.shape[0];
        if (Done + n > Protocol.Count) throw new UserException($"{Done + n} pictures are more than the {Protocol.Count} of this evaluation");
        using var scope = NewDisposeScope();
        using var judged = network.Extract(pictures);
        statistics.Add(judged.Features);
        score?.Add(judged.Logits);
        for (var i = 0; i < n; i++)
            if (rowOf.TryGetValue(Done + i, out var row)) kept[row].copy_(judged.Features[i]);
        Done += n;
    }

    /// <summary>Makes all pictures of the protocol, takes them in and measures.</summary>
    /// <param name="generate">Numbers of pictures, in order, to pictures (B, 3, H, W) in [-1, 1]; their prompts by <see cref="FidProtocol.PromptOf"/>.</param>
    /// <param name="batch">Pictures at a time.</param>
    /// <param name="progress">Takes the number of pictures done.</param>
    /// <param name="stop">Ends it.</param>
    public IReadOnlyList<(string Name, double Value)> Run(Func<IReadOnlyList<int>, Tensor> generate, int batch, Action<int>? progress = null, CancellationToken stop = default)
    {
        while (Done < Protocol.Count)
        {
            stop.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var numbers = Enumerable.Range(Done, Math.Min(batch, Protocol.Count - Done)).ToList();
            Add(generate(numbers));
            progress?.Invoke(Done);
        }
        return Result();
    }

    /// <summary>
    /// FID; the Inception score, mean and spread over the splits (left out below that many pictures); precision and recall where the
    /// reference has features of single pictures. Names by <see cref="MetricNames"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">Pictures are still missing.</exception>
    public IReadOnlyList<(string Name, double Value)> Result()
    {
        if (Done != Protocol.Count) throw new InvalidOperationException($"{Done} of {Protocol.Count} pictures came");
        List<(string, double)> values = [];
        using var generated = statistics.Result();
        values.Add((MetricNames.Fid(network.Name, Done), Frechet.Distance(generated, reference.Statistics)));
        if (score is not null)
        {
            var (mean, std) = score.Result();
            values.Add((MetricNames.InceptionScore(network.Name, Done), mean));
            values.Add((MetricNames.InceptionScoreStd(network.Name, Done), std));
        }
        if (kept.shape[0] > PrecisionRecall.Neighbour)
        {
            using var scope = NewDisposeScope();
            var real = reference.Sample[..(int)Math.Min(kept.shape[0], reference.Sample.shape[0])];
            var manifold = PrecisionRecall.Compute(kept, real);
            values.Add((MetricNames.Precision(network.Name, kept.shape[0]), manifold.Precision));
            values.Add((MetricNames.Recall(network.Name, kept.shape[0]), manifold.Recall));
        }
        return values;
    }

    public void Dispose()
    {
        statistics.Dispose();
        score?.Dispose();
        kept.Dispose();
    }
}
