namespace JepaT.Lab;

/// <summary>Arithmetic of an experiment: what a run costs can be told before it starts, for any machine. A multiply-add counts as two.</summary>
/// <param name="Step">Floating-point operations of a training step.</param>
/// <param name="Picture">Those of generating one picture.</param>
internal readonly record struct TrainingCost(double Step, double Picture)
{
    private const double ForwardAndBackward = 3;                    // a backward pass is twice a forward pass

    /// <summary>Counts the matrix products; norms, sums and draws cost little beside them.</summary>
    public static TrainingCost Of(Experiment experiment)
    {
        var (model, training, sampling) = (experiment.ResolvedModel, experiment.Training, experiment.Sampling);
        double all = model.BufferTokens + model.Tokens;
        var visible = (1 - MeanMaskRatio(training.MinimumMaskRatio)) * model.Tokens;
        var masked = model.Tokens - visible;
        var seen = model.BufferTokens + visible;
        var blocks = Blocks(model.EncoderDepth, seen) + Blocks(model.PredictorDepth, all);
        var head = Head(model) * masked * model.NoiseCopies;
        var target = Blocks(model.EncoderDepth, all);               // the EMA encoder sees the whole picture, forward only
        var step = training.EffectiveBatch * (blocks * (ForwardAndBackward + (training.Recompute ? 1 : 0)) + head * ForwardAndBackward + target);

        var guided = sampling.Guidance == 1 ? 1 : 2;
        var half = model.BufferTokens + model.Tokens / 2.0;         // visible ones grow from none to all
        var perToken = model.Head == HeadKind.Flow ? sampling.OdeSteps : new GaussianSchedule(sampling.GaussSpacing).Timesteps.Count;
        var picture = guided * (sampling.Iterations * (Blocks(model.EncoderDepth, half) + Blocks(model.PredictorDepth, all)) + model.Tokens * Head(model) * perToken);
        return new(step, picture);

        // 2 × (4 C² for q, k, v and projection + 2 r C² for the MLP) a token, and 4 n C for its attention.
        double Blocks(int depth, double tokens) => depth * tokens * (model.Dim * (double)model.Dim * (8 + 4 * model.MlpRatio) + 4 * tokens * model.Dim);
    }

    /// <summary>Mean of the published mask ratio: a normal around 1 with deviation 0.25, cut to [minimum, 1].</summary>
    internal static double MeanMaskRatio(double minimum)
    {
        const int points = 1000;
        return Enumerable.Range(0, points).Average(i => Masking.Ratio((i + 0.5) / points, minimum));
    }

    // An evaluation of the head for one token: two square layers and a modulation of three a block.
    private static double Head(ModelConfig model)
    {
        double w = model.HeadWidth;
        return 2 * (model.HeadDepth * (2 + 3) * w * w + 2 * w * w + w * (model.Dim + 3.0 * model.TokenDim));
    }
}
