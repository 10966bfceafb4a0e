namespace JepaT.Model;

/// <summary>Marks a setting that follows from others (data, fusion, errata) and cannot be written in an experiment file.</summary>
[AttributeUsage(AttributeTargets.Property)]
public sealed class DerivedAttribute : Attribute;

/// <summary>
/// Sizes of the network. Letters used in all shapes: B images, L image tokens, D channels of a token, C width,
/// K buffer tokens, n visible tokens, m wanted (masked or newly generated) tokens, W width of the head.
/// </summary>
public sealed record ModelConfig
{
    /// <summary>Side of the (latent) image in pixels; follows from the data.</summary>
    [Derived] public int ImageSize { get; init; } = 28;

    /// <summary>Channels of the (latent) image; follows from the data.</summary>
    [Derived] public int Channels { get; init; } = 3;

    /// <summary>Length of a text feature vector; follows from the text encoder (CLIP ViT-B/32: 512).</summary>
    [Derived] public int TextDim { get; init; } = 512;

    /// <summary>Where text enters; the experiment's <c>fusion</c>.</summary>
    [Derived] public Fusion Fusion { get; init; } = Fusion.Full;

    /// <summary>Which oddities of the published code are kept; the experiment's <c>errata</c>.</summary>
    [Derived] public Errata Errata { get; init; } = Errata.Corrected;

    /// <summary>Type of matrix products and attention, float32 or bfloat16; the experiment's <c>training.precision</c>. Weights are float32.</summary>
    [Derived] public ScalarType Precision { get; init; } = ScalarType.Float32;

    /// <summary>Whether transformer blocks run again in the backward pass instead of keeping their activations; the experiment's <c>training.recompute</c>.</summary>
    [Derived] public bool Recompute { get; init; }

    /// <summary>What the text is given as; the experiment's <c>text</c>.</summary>
    [Derived] public TextForm Text { get; init; } = TextForm.Pooled;

    /// <summary>Side of a token in pixels; tokens are patches of this size.</summary>
    public int PatchSize { get; init; } = 4;

    /// <summary>C, width of encoder and predictor. They are equal, since one text vector is added to both (reference, oddity 9).</summary>
    public int Dim { get; init; } = 192;

    /// <summary>Transformer blocks of the encoder.</summary>
    public int EncoderDepth { get; init; } = 4;

    /// <summary>Transformer blocks of the predictor (the published code calls it decoder).</summary>
    public int PredictorDepth { get; init; } = 4;

    /// <summary>Attention heads of encoder and predictor.</summary>
    public int Heads { get; init; } = 3;

    /// <summary>Hidden width of the transformer MLPs over C.</summary>
    public int MlpRatio { get; init; } = 4;

    /// <summary>RMSNorm of queries and keys, which keeps large models stable.</summary>
    public bool QkNorm { get; init; } = true;

    /// <summary>K, learned tokens in front of the visible ones; they carry the text into the encoder.</summary>
    public int BufferTokens { get; init; } = 16;

    /// <summary>Dropout on attention weights (published: 0.1).</summary>
    public double AttentionDropout { get; init; } = 0.1;

    /// <summary>Dropout after attention projections and in MLPs (published: 0.1).</summary>
    public double ProjectionDropout { get; init; } = 0.1;

    /// <summary>Heads of the cross-attention to the text (published: 8, fixed).</summary>
    public int CrossHeads { get; init; } = 8;

    /// <summary>flow or gauss: how tokens come from noise.</summary>
    public HeadKind Head { get; init; } = HeadKind.Flow;

    /// <summary>W, width of the denoising head.</summary>
    public int HeadWidth { get; init; } = 256;

    /// <summary>Residual blocks of the denoising head.</summary>
    public int HeadDepth { get; init; } = 3;

    /// <summary>How often each masked token is noised anew in a training step (published scripts: 4).</summary>
    public int NoiseCopies { get; init; } = 4;

    /// <summary>Tokens in a row of the image.</summary>
    [Derived] public int Side => ImageSize / PatchSize;

    /// <summary>L, tokens of an image.</summary>
    [Derived] public int Tokens => Side * Side;

    /// <summary>D, numbers in a token.</summary>
    [Derived] public int TokenDim => Channels * PatchSize * PatchSize;

    /// <summary>The published base model on 256-pixel images with the KL-16 autoencoder.</summary>
    public static ModelConfig Base { get; } = Published(dim: 768, depth: 12, heads: 12, headWidth: 1024, headDepth: 6);

    /// <summary>The published large model.</summary>
    public static ModelConfig Large { get; } = Published(dim: 1024, depth: 24, heads: 16, headWidth: 1280, headDepth: 8);

    /// <summary>The published huge model.</summary>
    public static ModelConfig Huge { get; } = Published(dim: 1280, depth: 32, heads: 16, headWidth: 1536, headDepth: 12);

    /// <summary>28-pixel grey pictures in 49 tokens: what the benchmark calls tiny.</summary>
    public static ModelConfig Tiny { get; } = new() { Channels = 1 };

    /// <summary>Checks that the sizes fit together.</summary>
    /// <exception cref="UserException">Names the key that does not fit.</exception>
    public void Validate()
    {
        // The upper limits are slips of the finger, an order of magnitude above the published huge model; what fits a machine is not checked here.
        foreach (var (key, value, most) in new[]
        {
            ("patch_size", PatchSize, 1024), ("dim", Dim, 16_384), ("encoder_depth", EncoderDepth, 256), ("predictor_depth", PredictorDepth, 256),
            ("heads", Heads, 1024), ("mlp_ratio", MlpRatio, 64), ("buffer_tokens", BufferTokens, 4096), ("cross_heads", CrossHeads, 1024),
            ("head_width", HeadWidth, 16_384), ("head_depth", HeadDepth, 256), ("noise_copies", NoiseCopies, 256),
        })
            if (value < 1 || value > most) throw new UserException($"model.{key} is {value}; it must be at {(value < 1 ? "least 1" : $"most {most}")}");
        if (ImageSize % PatchSize != 0)
            throw new UserException($"model.patch_size {PatchSize} does not divide the image's {ImageSize} pixels");
        if (Dim % Heads != 0) throw new UserException($"model.heads {Heads} does not divide model.dim {Dim}");
        if (Dim % CrossHeads != 0) throw new UserException($"model.cross_heads {CrossHeads} does not divide model.dim {Dim}");
        foreach (var (key, p) in new[] { ("attention_dropout", AttentionDropout), ("projection_dropout", ProjectionDropout) })
            if (p is not (>= 0 and < 1)) throw new UserException($"model.{key} is {p}; it must lie in [0, 1)");
    }

    private static ModelConfig Published(int dim, int depth, int heads, int headWidth, int headDepth) => new()
    {
        ImageSize = 16,
        Channels = 16,
        PatchSize = 1,
        Dim = dim,
        EncoderDepth = depth,
        PredictorDepth = depth,
        Heads = heads,
        BufferTokens = 64,
        HeadWidth = headWidth,
        HeadDepth = headDepth,
    };
}
