namespace JepaT.Lab;

/// <summary>
/// One experiment: all that decides a result. Files list only what differs from these defaults or from the file they extend;
/// keys are the properties in snake case, choices in kebab case.
/// </summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed record Experiment
{
    /// <summary>Name in the tracking store and of the output folder.</summary>
    public string Name { get; init; } = "experiment";

    /// <summary>Fixes data order, masks, noise, initial weights and samples.</summary>
    public int Seed { get; init; }

    /// <summary>Where text enters: a preset (none, late, cross-attention, raw-text, full, paper) or a mapping of the four switches.</summary>
    public Fusion Fusion { get; init; } = Fusion.Full;

    /// <summary>
    /// pooled: one vector a caption, as the published code (its oddity 2: the cross-attention is then a constant of the text); tokens: the
    /// cross-attention sees a vector for each token.
    /// </summary>
    public TextForm Text { get; init; } = TextForm.Pooled;

    /// <summary>Oddities of the published code that are kept: corrected, published, or a mapping of single switches.</summary>
    public Errata Errata { get; init; } = Errata.Corrected;

    /// <summary>Device: cpu, cuda or cuda:N.</summary>
    public string Device { get; init; } = "cpu";

    /// <summary>Threads of libtorch; 0 takes all cores.</summary>
    public int Threads { get; init; }

    /// <summary>What is learned.</summary>
    public DataConfig Data { get; init; } = new();

    /// <summary>What turns captions into vectors.</summary>
    public TextEncoderConfig TextEncoder { get; init; } = new();

    /// <summary>Sizes of the network.</summary>
    public ModelConfig Model { get; init; } = new();

    /// <summary>How it is trained.</summary>
    public TrainingConfig Training { get; init; } = new();

    /// <summary>How pictures are generated.</summary>
    public SamplingConfig Sampling { get; init; } = new();

    /// <summary>What is measured and when.</summary>
    public EvaluationConfig Evaluation { get; init; } = new();

    /// <summary>The presets and seeds that <c>./lab ablate</c> runs.</summary>
    public AblationConfig Ablation { get; init; } = new();

    /// <summary>The model's sizes with what follows from data, fusion and errata.</summary>
    [Derived]
    public ModelConfig ResolvedModel => Model with
    {
        ImageSize = Data.Side,
        Channels = Data.Channels,
        TextDim = TextEncoderConfig.Dim,
        Fusion = Fusion,
        Text = Text,
        Errata = Errata,
        Precision = Training.Precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32,
        Recompute = Training.Recompute,
    };

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(this).ToHtml();

    /// <summary>The resolved experiment as YAML.</summary>
    public override string ToString() => ExperimentFile.ToYaml(this);

    /// <summary>Checks every value that a type cannot.</summary>
    /// <exception cref="UserException">Names the key.</exception>
    public void Validate()
    {
        if (Name is null or "" or "." or ".." || Name.Length > 200 || Name.IndexOfAny(Path.GetInvalidFileNameChars()) >= 0)
            throw new UserException($"name '{Name}' cannot be the name of a folder");
        Check.Whole(0, 2_000_000_000, ("seed", Seed));
        Check.Whole(0, int.MaxValue, ("threads", Threads));     // how many this machine takes: MachineLimits, as a checkpoint may come from another
        if (Device is null) throw new UserException("device is empty; write cpu, cuda or cuda:N");
        Data.Validate();
        TextEncoder.Validate();
        ResolvedModel.Validate();
        Training.Validate();
        Sampling.Validate(ResolvedModel.Tokens);
        Evaluation.Validate(Data);
        Ablation.Validate();
    }
}

/// <summary>The training loop.</summary>
public sealed record TrainingConfig
{
    /// <summary>Optimizer steps.</summary>
    public int Steps { get; init; } = 1000;

    /// <summary>Pictures at a time; a step takes <see cref="Accumulate"/> times as many.</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Batches whose gradients add up to one step, where memory does not take the whole.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Learning rate after warm-up.</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>In place of the learning rate: that of 256 pictures a step, for as many as there are in proportion (published: 1e-4).</summary>
    public double? BaseLearningRate { get; init; }

    /// <summary>Steps over which the learning rate rises from 0.</summary>
    public int WarmupSteps { get; init; } = 30;

    /// <summary>constant or cosine.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Cosine;

    /// <summary>Where the cosine ends.</summary>
    public double MinimumLearningRate { get; init; }

    /// <summary>Weight decay at the end; it rises linearly from 0 (published: 0.02).</summary>
    public double WeightDecay { get; init; } = 0.02;

    /// <summary>AdamW's β1 (published: 0.9).</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's β2 (published: 0.95).</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>AdamW's ε (published scripts: 1e-6).</summary>
    public double AdamEps { get; init; } = 1e-8;

    /// <summary>Gradients are scaled to at most this norm (published: 3).</summary>
    public double ClipNorm { get; init; } = 3;

    /// <summary>EMA rate.</summary>
    public double EmaRate { get; init; } = 0.999;

    /// <summary>warmup: lower in early steps, for short runs; linear: rises from the rate to 1 over the run, as the published code intends.</summary>
    public EmaSchedule EmaSchedule { get; init; } = EmaSchedule.Warmup;

    /// <summary>fp32, or bf16 for matrix products and attention; weights, norms, losses and the optimizer stay float32.</summary>
    public Precision Precision { get; init; } = Precision.Fp32;

    /// <summary>On a GPU, products of float32 numbers in TF32 (10 bits of mantissa): faster, nearly as exact. Elsewhere without effect.</summary>
    public bool Tf32 { get; init; }

    /// <summary>Transformer blocks run again in the backward pass instead of keeping their activations: far less memory, a third more time.</summary>
    public bool Recompute { get; init; }

    /// <summary>Share of pictures that train without text, for guidance (published: 0.1).</summary>
    public double LabelDrop { get; init; } = 0.1;

    /// <summary>Least share of masked tokens (published: 0.7).</summary>
    public double MinimumMaskRatio { get; init; } = 0.7;

    /// <summary>Weight of the loss of the denoising head.</summary>
    public double FlowWeight { get; init; } = 1;

    /// <summary>Weight of the JEPA loss (published scripts: 1).</summary>
    public double JepaWeight { get; init; } = 1;

    /// <summary>Weights to start from: a checkpoint of this program, or of MAR, D-JEPA or JEPA-T.</summary>
    public string? Init { get; init; }

    /// <summary>Takes of them what agrees in name and shape, and reports the rest; else all must agree.</summary>
    public bool InitPartial { get; init; }

    /// <summary>Steps between logged losses.</summary>
    public int LogEvery { get; init; } = 10;

    /// <summary>Steps between checkpoints.</summary>
    public int CheckpointEvery { get; init; } = 250;

    /// <summary>Pictures a step.</summary>
    [Derived] public int EffectiveBatch => BatchSize * Accumulate;

    /// <summary>The learning rate after warm-up, given or in proportion to the pictures a step.</summary>
    [Derived] public double PeakLearningRate => BaseLearningRate * EffectiveBatch / 256 ?? LearningRate;

    internal void Validate()
    {
        Check.Whole(1, 100_000_000, ("training.steps", Steps), ("training.log_every", LogEvery), ("training.checkpoint_every", CheckpointEvery));
        Check.Whole(1, 1_000_000, ("training.batch_size", BatchSize));
        Check.Whole(1, 2_000, ("training.accumulate", Accumulate));
        Check.Whole(0, 100_000_000, ("training.warmup_steps", WarmupSteps));
        Check.Real(0, 10, ("training.learning_rate", LearningRate), ("training.base_learning_rate", BaseLearningRate ?? 0), ("training.minimum_learning_rate", MinimumLearningRate),
            ("training.weight_decay", WeightDecay));
        Check.Real(1e-12, 1, ("training.adam_eps", AdamEps));
        Check.Real(0, 1e6, ("training.flow_weight", FlowWeight), ("training.jepa_weight", JepaWeight));
        Check.Share(("training.beta1", Beta1), ("training.beta2", Beta2), ("training.ema_rate", EmaRate), ("training.label_drop", LabelDrop),
            ("training.minimum_mask_ratio", MinimumMaskRatio));
        if (ClipNorm is not (> 0 and <= 1e9)) throw new UserException($"training.clip_norm is {ClipNorm}; it must be above 0, and at most 1e9 (as good as no clipping)");
        if (FlowWeight + JepaWeight == 0) throw new UserException("training.flow_weight and training.jepa_weight are both 0: nothing would be learned");
        if (Schedule == LearningRateSchedule.Cosine && MinimumLearningRate > PeakLearningRate)
            throw new UserException($"training.minimum_learning_rate {MinimumLearningRate} must not be above {(BaseLearningRate is null ? "training.learning_rate" : "what follows from training.base_learning_rate,")} {PeakLearningRate}");
        if (WarmupSteps >= Steps) throw new UserException($"training.warmup_steps {WarmupSteps} must be below training.steps {Steps}");
    }
}

/// <summary>Who judges generated pictures.</summary>
public enum JudgeChoice
{
    /// <summary>The network that is usual for the data.</summary>
    Auto,

    /// <summary>Nobody.</summary>
    None,
}

/// <summary>The measurements.</summary>
public sealed record EvaluationConfig
{
    /// <summary>Steps between evaluations; the last step is always evaluated.</summary>
    public int Every { get; init; } = 250;

    /// <summary>Pictures generated for FID, IS, KID, precision, recall and alignment on seen pairs.</summary>
    public int Count { get; init; } = 1000;

    /// <summary>Pictures generated for alignment on held-out pairs (16 pairs in turn).</summary>
    public int HeldOutCount { get; init; } = 320;

    /// <summary>Pictures generated at once.</summary>
    public int BatchSize { get; init; } = 250;

    /// <summary>Seed of the generated pictures: the same for all presets and seeds of an ablation.</summary>
    public int Seed { get; init; } = 1000;

    /// <summary>auto (the shipped network for Fashion-MNIST, the FID Inception for all else) or none: nothing is measured, pictures are drawn.</summary>
    public JudgeChoice Network { get; init; } = JudgeChoice.Auto;

    /// <summary>Weights of the FID Inception; by default looked for in the cache folder.</summary>
    public string? Inception { get; init; }

    /// <summary>What generated pictures are compared with: an .npz (mu and sigma, or ADM's batch), or a folder of real pictures.</summary>
    public string? Reference { get; init; }

    internal void Validate(DataConfig data)
    {
        if (!data.IsFashion && Network == JudgeChoice.Auto && Reference is null)
            throw new UserException("evaluation.reference is missing: name an .npz of reference statistics or a folder of real pictures, or set evaluation.network to none");
        Check.Whole(1, 100_000_000, ("evaluation.every", Every));
        Check.Whole(1, 10_000, ("evaluation.batch_size", BatchSize));
        Check.Whole(10, 1_000_000, ("evaluation.count", Count), ("evaluation.held_out_count", HeldOutCount));
        Check.Whole(0, int.MaxValue, ("evaluation.seed", Seed));
    }
}

/// <summary>The fusion ablation.</summary>
public sealed record AblationConfig
{
    /// <summary>Fusion presets, in the order of the table.</summary>
    public IReadOnlyList<string> Presets { get; init; } = ["none", "late", "cross-attention", "raw-text", "full"];

    /// <summary>Number of seeds; run k of a preset has the experiment's seed + k.</summary>
    public int Seeds { get; init; } = 1;

    internal void Validate()
    {
        Check.Whole(1, 1000, ("ablation.seeds", Seeds));
        if (Presets.Count == 0) throw new UserException("ablation.presets is empty; list at least one preset");
        foreach (var preset in Presets) Fusion.Parse(preset);
        if (Presets.Distinct().Count() < Presets.Count) throw new UserException("ablation.presets names a preset twice");
    }
}

/// <summary>Ranges of settings. The upper ends stop slips of the finger and overflows; none is near what a large study uses.</summary>
internal static class Check
{
    public static void Whole(int least, int most, params ReadOnlySpan<(string Key, int Value)> settings)
    {
        foreach (var (key, value) in settings)
            if (value < least || value > most)
                throw new UserException($"{key} is {value}; it must be at {(value < least ? $"least {least}" : $"most {most}")}");
    }

    public static void Real(double least, double most, params ReadOnlySpan<(string Key, double Value)> settings)
    {
        foreach (var (key, value) in settings)
            if (!(value >= least && value <= most)) throw new UserException($"{key} is {value}; it must lie between {least} and {most}");
    }

    public static void Share(params ReadOnlySpan<(string Key, double Value)> settings)
    {
        foreach (var (key, value) in settings)
            if (value is not (>= 0 and < 1)) throw new UserException($"{key} is {value}; it must lie in [0, 1)");
    }
}
