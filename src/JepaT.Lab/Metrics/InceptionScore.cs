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
}
