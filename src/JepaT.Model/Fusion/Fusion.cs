namespace JepaT.Model;

/// <summary>
/// The four places where text can enter, each a switch of its own. The presets are our reading of the paper's ablation,
/// whose tables could not be read; any other combination can be written in an experiment.
/// </summary>
/// <param name="TextInEncoder">Text is added to the buffer tokens of the online and the target encoder.</param>
/// <param name="TextInPredictor">Text is added to the predictor's input.</param>
/// <param name="PostCrossAttention">Residual cross-attention to the text after the predictor.</param>
/// <param name="RawText">Text is joined to the predictor's output before the losses.</param>
public sealed record Fusion(bool TextInEncoder, bool TextInPredictor, bool PostCrossAttention, bool RawText)
{
    /// <summary>The named combinations, in the order of the ablation table; <c>paper</c> is not in the default table.</summary>
    public static IReadOnlyDictionary<string, Fusion> Presets { get; } = new Dictionary<string, Fusion>
    {
        //                       encoder  predictor  cross-attention  raw text
        ["none"] = new(false, false, false, false),
        ["late"] = new(false, false, false, true),
        ["cross-attention"] = new(true, true, true, false),
        ["raw-text"] = new(true, true, false, true),
        ["full"] = new(true, true, true, true),
        ["paper"] = new(false, true, true, true),
    };

    /// <summary>The published model: text everywhere.</summary>
    public static Fusion Full { get; } = Presets["full"];

    /// <summary>Whether text enters anywhere.</summary>
    public bool AnyText => this != Presets["none"];

    /// <summary>Whether text enters before the predictor's output; if not, guidance needs the backbone only once.</summary>
    public bool TextInBackbone => TextInEncoder || TextInPredictor;

    /// <summary>The preset of this name.</summary>
    /// <exception cref="UserException">There is none; the message lists them.</exception>
    public static Fusion Parse(string preset) =>
        Presets.TryGetValue(preset, out var fusion) ? fusion
        : throw new UserException($"unknown fusion '{preset}'; known are {string.Join(", ", Presets.Keys)}, or a mapping of the four switches");

    /// <summary>The preset's name, or the switches that are on.</summary>
    public override string ToString()
    {
        var name = Presets.FirstOrDefault(p => p.Value == this).Key;
        return name ?? string.Join('+', new[] { ("encoder", TextInEncoder), ("predictor", TextInPredictor), ("cross", PostCrossAttention), ("raw", RawText) }
            .Where(s => s.Item2).Select(s => s.Item1));
    }
}

/// <summary>
/// Oddities of the published code that can be kept, so that their effect can be measured. The numbers are those of the
/// reference's list; all off is our default, all on (<c>errata: published</c>) is what the golden tensors use. Number 2, a
/// cross-attention that is a constant of the text, has no switch here: it is what <see cref="TextForm.Pooled"/> means.
/// </summary>
public sealed record Errata
{
    /// <summary>1: cross-attention and raw text run in training only.</summary>
    public bool FusionSkippedInSampling { get; init; }

    /// <summary>3: CLIP's linear layers and norms are initialised anew after its weights are loaded; its embeddings, attention inputs and projection survive.</summary>
    public bool ReinitialisedClip { get; init; }

    /// <summary>4: prompts made of classes say the number ("a photo of class 17") instead of the name.</summary>
    public bool NumberedPrompts { get; init; }

    /// <summary>5: texts are encoded anew in each training step; corrected: once. The same features, at a price.</summary>
    public bool TextEncodedEachStep { get; init; }

    /// <summary>6: a prompt of more tokens than CLIP takes is an error; corrected: it is cut and keeps its end.</summary>
    public bool LongPromptsFail { get; init; }

    /// <summary>10: the buffer starts at zero, so that all its tokens stay the same.</summary>
    public bool IdenticalBufferTokens { get; init; }

    /// <summary>15: t in [0, 1) enters the sinusoidal embedding unscaled; corrected: times 1,000.</summary>
    public bool UnscaledTime { get; init; }

    /// <summary>20: weight decay is 0 after the first step; corrected: it rises linearly to its value.</summary>
    public bool WeightDecayVanishes { get; init; }

    /// <summary>21: a linear EMA schedule is capped at 0.9999, where it starts.</summary>
    public bool ConstantEmaRate { get; init; }

    /// <summary>No oddity kept: the default.</summary>
    public static Errata Corrected { get; } = new();

    /// <summary>The published behaviour.</summary>
    public static Errata Published { get; } = new()
    {
        FusionSkippedInSampling = true,
        ReinitialisedClip = true,
        NumberedPrompts = true,
        TextEncodedEachStep = true,
        LongPromptsFail = true,
        IdenticalBufferTokens = true,
        UnscaledTime = true,
        WeightDecayVanishes = true,
        ConstantEmaRate = true,
    };

    /// <summary><c>corrected</c> or <c>published</c>.</summary>
    /// <exception cref="UserException">Another word.</exception>
    public static Errata Parse(string name) => name switch
    {
        "corrected" => Corrected,
        "published" => Published,
        _ => throw new UserException($"unknown errata '{name}'; known are corrected, published, or a mapping of single switches"),
    };

    /// <summary><c>corrected</c>, <c>published</c> or the oddities kept.</summary>
    public override string ToString() => this == Corrected ? "corrected" : this == Published ? "published"
        : string.Join('+', new[]
        {
            (1, FusionSkippedInSampling), (3, ReinitialisedClip), (4, NumberedPrompts), (5, TextEncodedEachStep), (6, LongPromptsFail),
            (10, IdenticalBufferTokens), (15, UnscaledTime), (20, WeightDecayVanishes), (21, ConstantEmaRate),
        }.Where(e => e.Item2).Select(e => $"erratum-{e.Item1}"));
}
