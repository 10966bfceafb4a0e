namespace JepaT.Lab;

/// <summary>
/// What an experiment asks of this machine, checked before anything is made: libtorch ends the process without a word where memory
/// is short, and hangs with thousands of threads.
/// </summary>
internal static class MachineLimits
{
    private const int ThreadsPerProcessor = 4;
    private const double Float = sizeof(float);

    /// <exception cref="UserException">More threads or memory than there are.</exception>
    public static void Check(Experiment experiment, bool training)
    {
        Threads("threads", experiment.Threads);
        var (need, have) = (LeastMemory(experiment, training).Host, (double)Machine.Memory());
        if (need > have)
            throw new UserException(FormattableString.Invariant($"this experiment needs at least {need / 1e9:N1} GB of memory, the machine has {have / 1e9:N1} GB: ")
                + (training ? "lower model.dim, the depths, training.batch_size or evaluation.batch_size" : "lower evaluation.batch_size"));
    }

    /// <exception cref="UserException">More threads than make sense here.</exception>
    public static void Threads(string name, int threads)
    {
        var most = ThreadsPerProcessor * Environment.ProcessorCount;
        if (threads > most)
            throw new UserException($"{name} is {threads}, but this machine has {Environment.ProcessorCount} processors: take at most {most} ({ThreadsPerProcessor} for each)");
    }

    /// <summary>
    /// Bytes that cannot be done without: weights, EMA, gradients and both moments; and the larger of the activations that a training
    /// step keeps for its backward pass and those of one layer in sampling. Measured peaks are two to three times as high. All of it lies
    /// in the machine's memory, or on another device; then only the weights pass through the machine's.
    /// </summary>
    public static (double Host, double Device) LeastMemory(Experiment experiment, bool training)
    {
        var model = experiment.ResolvedModel;
        double parameters, noises;
        using (var outline = JepaModel.Outline(model))
            (parameters, noises) = (outline.NamedWeights().Sum(p => p.Value.numel()), outline.StepNoises(experiment.Sampling));
        var sampling = Float * Math.Min(experiment.Evaluation.BatchSize, experiment.Evaluation.Count)
            * (2.0 * (model.BufferTokens + model.Tokens) * (4.0 + model.MlpRatio) * model.Dim + 2 * noises * model.Tokens * model.TokenDim);
        var all = training
            ? Float * 5 * parameters + Math.Max(sampling, experiment.Training.BatchSize * Activations(model, experiment.Training.MinimumMaskRatio))
            : Float * parameters + sampling;
        return experiment.Device == "cpu" ? (all, 0) : (Float * parameters, all);
    }

    /// <summary>Bytes for each picture of a training step.</summary>
    private static double Activations(ModelConfig model, double masked)
    {
        var encoded = model.BufferTokens + (1 - masked) * model.Tokens;
        double predicted = model.BufferTokens + model.Tokens;
        return Float * (Blocks(model.EncoderDepth, encoded) + Blocks(model.PredictorDepth, predicted)
            + 6.0 * model.HeadDepth * model.HeadWidth * model.NoiseCopies * masked * model.Tokens);

        // In C for each token: normed twice, q, k, v, attended, two sums, and the MLP's hidden layer before and after GELU.
        // Recomputed, a block keeps its input, and one block at a time all of it.
        double Blocks(int depth, double tokens)
        {
            var block = tokens * model.Dim * (8.0 + 2 * model.MlpRatio) + (model.AttentionDropout > 0 ? model.Heads * tokens * tokens : 0);
            return model.Recompute ? depth * tokens * model.Dim + block : depth * block;
        }
    }
}
