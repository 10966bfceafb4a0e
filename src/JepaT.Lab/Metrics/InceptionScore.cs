namespace JepaT.Lab;

/// <summary>
/// Inception score (Salimans et al. 2016): exp of the mean KL divergence between each picture's class posterior and the mean
/// posterior of its split. Mean and population standard deviation over the splits. 1 at worst, the number of classes at best.
/// </summary>
public static class InceptionScore
{
    /// <summary>Splits of the published score.</summary>
    public const int Splits = 10;

    /// <param name="logits">(N, classes) before the softmax, N ≥ splits.</param>
    /// <param name="permutation">
    /// (N) int64, the order in which pictures fall into splits; none keeps theirs. Pictures that were made prompt by prompt must
    /// be shuffled, or each split sees few classes and the score sinks.
    /// </param>
    /// <param name="splits">Split i holds the rows [i·N/splits, (i+1)·N/splits).</param>
    /// <exception cref="UserException">Fewer pictures than splits, or values that are not finite.</exception>
    public static (double Mean, double Std) Compute(Tensor logits, Tensor? permutation = null, int splits = Splits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(splits, 1);
        Features.Require(logits, "class logits", atLeast: splits);
        using var scope = NewDisposeScope();
        var x = logits.detach().cpu().to(ScalarType.Float64);
        if (permutation is not null) x = x.index_select(0, permutation);
        var logp = nn.functional.log_softmax(x, 1);                                         // (N, classes)
        var n = x.shape[0];
        var scores = new double[splits];
        for (var i = 0; i < splits; i++)
        {
            long from = i * n / splits, to = (i + 1) * n / splits;
            var part = logp.narrow(0, from, to - from);
            var logq = part.logsumexp(0, keepdim: true) - Math.Log(to - from);            // finite also where every p underflows
            var divergence = (part.exp() * (part - logq)).sum(1).mean().item<double>();
            scores[i] = Math.Exp(divergence);
        }
        return Statistics.MeanAndStd(scores);
    }

    /// <summary>
    /// The score of pictures that come in batches, with memory for the sums of each split only: the mean divergence of a split is
    /// its mean Σ p log p less Σ q log q, q being its mean posterior. Equal to <see cref="Compute"/> with NumPy's permutation of the seed.
    /// </summary>
    public sealed class Accumulator : IDisposable
    {
        private readonly Tensor splitOf;                // (N) int64, split of the picture with that number
        private readonly double[] sizes, plogp;
        private readonly int splits;
        private Tensor? sums;                           // (splits, classes) float64
        private long done;

        /// <param name="count">How many pictures will come.</param>
        /// <param name="seed">Of NumPy's <c>RandomState</c>, whose permutation decides which picture falls into which split.</param>
        /// <param name="splits">Split i holds the places [i·N/splits, (i+1)·N/splits) of the permutation.</param>
        /// <exception cref="UserException">Fewer pictures than splits.</exception>
        public Accumulator(int count, uint seed, int splits = Splits)
        {
            if (count < splits) throw new UserException($"Inception score: {splits} splits need at least {splits} pictures, there are {count}");
            (this.splits, sizes, plogp) = (splits, new double[splits], new double[splits]);
            using var scope = NewDisposeScope();
            var ends = Enumerable.Range(1, splits).Select(i => (long)i * count / splits).ToArray();
            var place = tensor(new RandomState(seed).Permutation(count)).argsort();
            splitOf = tensor(ends).unsqueeze(0).le(place.unsqueeze(1)).sum(1).DetachFromDisposeScope();
        }

        /// <summary>Takes in the next pictures' logits, (B, classes) before the softmax.</summary>
        /// <exception cref="UserException">Values that are not finite.</exception>
        public void Add(Tensor logits)
        {
            Features.Require(logits, "class logits", atLeast: 0);
            var n = logits.shape[0];
            ArgumentOutOfRangeException.ThrowIfGreaterThan(n, splitOf.shape[0] - done, nameof(logits));
            if (n == 0) return;
            using var scope = NewDisposeScope();
            var logp = nn.functional.log_softmax(logits.detach().cpu().to(ScalarType.Float64), 1);
            var p = logp.exp();
            var into = splitOf.narrow(0, done, n);
            sums ??= zeros([splits, logits.shape[1]], ScalarType.Float64).DetachFromDisposeScope();
            sums.index_add_(0, into, p, 1);
            var each = (p * logp).sum(1).data<double>();
            foreach (var (split, value) in into.data<long>().Zip(each))
            {
                plogp[split] += value;
                sizes[split]++;
            }
            done += n;
        }

        /// <summary>Mean and population standard deviation over the splits.</summary>
        /// <exception cref="InvalidOperationException">Pictures are still missing.</exception>
        public (double Mean, double Std) Result()
        {
            if (done != splitOf.shape[0]) throw new InvalidOperationException($"{done} of {splitOf.shape[0]} pictures came");
            using var scope = NewDisposeScope();
            var scores = Enumerable.Range(0, splits).Select(i =>
            {
                var q = sums![i] / sizes[i];
                return Math.Exp(plogp[i] / sizes[i] - q.xlogy(q).sum().item<double>());
            });
            return Statistics.MeanAndStd([.. scores]);
        }

        public void Dispose()
        {
            splitOf.Dispose();
            sums?.Dispose();
        }
    }
}
