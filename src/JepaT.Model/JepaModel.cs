using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>
/// JEPA-T (arXiv 2510.00974): image tokens and text → encoder → predictor → text fusion → denoising head and JEPA head.
/// Training and sampling share <see cref="Predict"/>. Shapes: see <see cref="ModelConfig"/>.
/// </summary>
public sealed class JepaModel : Module
{
    /// <summary>Submodules whose level the published keys do not have.</summary>
    private static readonly string[] Groups = ["text.", "encoder.", "predictor.", "fusion."];

    private readonly TextTokens text;
    private readonly Encoder encoder;
    private readonly Predictor predictor;
    private readonly TextFusion fusion;
    private readonly IDenoisingHead head;
    [ComponentName(Name = "diffloss")] private readonly DenoisingMlp headNet;       // published: diffloss.net
    [ComponentName(Name = "jepaloss")] private readonly JepaHead jepaHead;

    /// <param name="config">Sizes and switches; validated.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    public JepaModel(ModelConfig config, long seed = 0) : this(config, new Init(seed, config.Precision)) { }

    private JepaModel(ModelConfig config, Init init) : base(nameof(JepaModel))
    {
        config.Validate();
        Config = config;
        text = new TextTokens(config, init);
        encoder = new Encoder(config, init);
        predictor = new Predictor(config, init);
        fusion = new TextFusion(config, init);
        head = config.Head switch
        {
            HeadKind.Flow => new FlowHead(config, init),
            HeadKind.Gauss => new GaussHead(config, init),
            _ => throw new UserException($"model.head {config.Head} is unknown"),
        };
        headNet = head.Net;
        jepaHead = new JepaHead(config.Dim, init);
        RegisterComponents();
    }

    /// <summary>A model whose weights have names and shapes but no memory: for counting parameters of any size.</summary>
    public static JepaModel Outline(ModelConfig config) => new(config, Init.Outline);

    /// <summary>The sizes and switches it was built with.</summary>
    public ModelConfig Config { get; }

    internal IDenoisingHead Head => head;

    internal JepaHead JepaHead => jepaHead;

    /// <summary>
    /// Text features of B captions → text of the width C; rows where <paramref name="drop"/> (B, bool) is true become the unconditional
    /// vector.
    /// </summary>
    /// <exception cref="ArgumentException">The model takes text tokens and there are none, or the other way round.</exception>
    public TextCondition ProjectText(TextFeatures features, Tensor? drop = null)
    {
        if (features.Tokens is null != (Config.Text == TextForm.Pooled))
            throw new ArgumentException($"the features {(features.Tokens is null ? "lack" : "have")} tokens, but the model's text is {Config.Text}", nameof(features));
        return text.Project(Config.Fusion.PostCrossAttention ? features : features.Pooled, drop);       // nothing else looks at tokens
    }

    /// <summary>Times of the states that <see cref="SampleStep.OdeStates"/> keeps, from 0 (noise) to 1 (the token).</summary>
    public float[] StateTimes(SamplingConfig sampling) => head.Times(sampling);

    /// <summary>S, how often a token gets fresh noise on its way, after the first; 0 for the flow head.</summary>
    public int StepNoises(SamplingConfig sampling) => head.StepNoises(sampling);

    /// <summary>The unconditional vector for each of <paramref name="count"/> images: (count, C).</summary>
    public Tensor Unconditional(long count) => text.Unconditional.expand(count, -1);

    /// <summary>
    /// The shared path: encoder, predictor and fusion. tokens (B, L, D), visible (B, n), wanted (B, m), projected text of B rows
    /// → z (B, m, C). The text may have twice as many rows (conditional, then unconditional): z then has, too.
    /// </summary>
    /// <param name="tokens">Tokens; those that are not visible are not read.</param>
    /// <param name="visible">Places of the visible tokens, ascending.</param>
    /// <param name="wanted">Places asked for.</param>
    /// <param name="c">Projected text.</param>
    /// <param name="fuse">False leaves out cross-attention and raw text, as the published sampler does (oddity 1).</param>
    public Tensor Predict(Tensor tokens, Tensor visible, Tensor wanted, TextCondition c, bool fuse = true)
    {
        Shape.Require(tokens, nameof(tokens), -1, Config.Tokens, Config.TokenDim);
        using var scope = NewDisposeScope();
        var repeats = c.Pooled.shape[0] / tokens.shape[0];
        // A backbone without text is the same for both halves of a guided batch: it runs once.
        if (Config.Fusion.TextInBackbone) (tokens, visible, wanted) = (Repeat(tokens), Repeat(visible), Repeat(wanted));
        var encoded = encoder.Call(tokens, visible, BufferText(c.Pooled, tokens.shape[0]));
        var z = predictor.Call(encoded, visible, wanted, Config.Fusion.TextInPredictor ? c.Pooled : null);
        if (z.shape[0] != c.Pooled.shape[0]) z = Repeat(z);
        return (fuse ? fusion.Call(z, c) : z).MoveToOuterDisposeScope();

        Tensor Repeat(Tensor x) => repeats == 1 ? x : cat([.. Enumerable.Repeat(x, (int)repeats)], 0);
    }

    /// <summary>
    /// Called on the EMA model: its encoder's features of the whole image with undropped text, the targets of the JEPA loss.
    /// images (B, c, H, W), text features of B captions, wanted (B, m) → (B, m, C), without gradient.
    /// </summary>
    public Tensor TargetFeatures(Tensor images, TextFeatures features, Tensor wanted)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var tokens = ImageTokens.Patchify(images, Config.PatchSize);
        var c = BufferText(Config.Fusion.TextInEncoder ? text.Project(features.Pooled) : Unconditional(images.shape[0]), images.shape[0]);
        return encoder.Call(tokens, visible: null, c, wanted).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The two losses on masked tokens. images (B, c, H, W), text features of B captions, target features (B, m, C) of
    /// <see cref="TargetFeatures"/> at the masked places.
    /// </summary>
    public Losses Loss(Tensor images, TextFeatures features, LossDraws draws, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var tokens = ImageTokens.Patchify(images, Config.PatchSize);                        // (B, L, D)
        var masked = Masking.First(draws.Orders, draws.MaskedCount);                        // (B, m)
        var visible = Masking.Rest(draws.Orders, draws.MaskedCount);                        // (B, n)
        var z = Predict(tokens, visible, masked, ProjectText(features, draws.Drop));        // (B, m, C)
        var rows = head.RowLosses(ImageTokens.Take(tokens, masked).flatten(0, 1), z.flatten(0, 1), draws.Time, draws.Noise);
        var flow = rows.mean();
        var jepa = jepaHead.TokenLosses(z, targets).mean();
        return new Losses(flow.MoveToOuterDisposeScope(), jepa.MoveToOuterDisposeScope());
    }

    /// <summary>Weights under the published names. The tensors alias the live weights.</summary>
    public Dictionary<string, Tensor> StateDict() => NamedWeights().ToDictionary(p => p.Name, p => (Tensor)p.Value);

    /// <summary>Parameters under the published names.</summary>
    public IEnumerable<(string Name, Parameter Value)> NamedWeights() => named_parameters().Select(p => (PublishedName(p.name), p.parameter));

    /// <summary>Parameters that the fusion switches leave in use; the others get no gradient.</summary>
    public IEnumerable<(string Name, Parameter Value)> UsedWeights()
    {
        var f = Config.Fusion;
        return NamedWeights().Where(p => p.Name.Split('.')[0] switch
        {
            "class_emb" => f.AnyText,
            "fake_latent" => f.AnyText || !f.TextInEncoder,
            "cross_attention" => f.PostCrossAttention,
            "fuse_proj" => f.RawText,
            _ => true,
        });
    }

    /// <summary>Copies weights given under the published names; compares names, shapes and types before anything is copied.</summary>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, Tensor> weights, string source) =>
        WeightMatch.Copy([.. NamedWeights().Select(p => (p.Name, (Tensor)p.Value))], weights, source);

    /// <summary>
    /// Copies from a checkpoint of ours or of the published code (JEPA-T, MAR, D-JEPA) what agrees in name and shape, and leaves the rest as
    /// it is. Floating types are converted. Call it before the model is moved to a device.
    /// </summary>
    /// <exception cref="UserException">Nothing agrees.</exception>
    public WeightReport LoadPartial(WeightFile file) =>
        WeightMatch.CopyPartial([.. NamedWeights().Select(p => (p.Name, (Tensor)p.Value))], file, PublishedNames.Own);

    /// <summary>Weights of a file under the published names, all of them. Floating types are converted. Call it before the model is moved to a device.</summary>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type.</exception>
    public void Load(WeightFile file) => WeightMatch.Copy([.. NamedWeights().Select(p => (p.Name, (Tensor)p.Value))], file, PublishedNames.Own);

    /// <summary>Refuses a file that <see cref="Load"/>, or where <paramref name="partial"/> <see cref="LoadPartial"/>, would refuse; reads no numbers. An <see cref="Outline"/> can do it.</summary>
    /// <exception cref="UserException">It does not fit.</exception>
    public void RequireFit(WeightFile file, bool partial) => WeightMatch.RequireFit([.. NamedWeights().Select(p => (p.Name, (Tensor)p.Value))], file, partial, PublishedNames.Own);

    private Tensor BufferText(Tensor c, long rows) => Config.Fusion.TextInEncoder ? c : Unconditional(rows);

    private static string PublishedName(string name) =>
        Groups.FirstOrDefault(g => name.StartsWith(g, StringComparison.Ordinal)) is { } group ? name[group.Length..]
        : name.StartsWith("diffloss.", StringComparison.Ordinal) ? name.Insert("diffloss.".Length, "net.")
        : name;
}

/// <summary>All randomness of a training step but dropout. N copies of m masked tokens of B images are noised.</summary>
/// <param name="Orders">(B, L) int64, a permutation each; the first <paramref name="MaskedCount"/> places are masked.</param>
/// <param name="MaskedCount">m, one number for the batch.</param>
/// <param name="Drop">(B) bool: these images train without text.</param>
/// <param name="Time">(copies, B·m) float in [0, 1): flow time of each row; of the Gaussian head's 1,000 steps it takes step ⌊1,000 t⌋.</param>
/// <param name="Noise">(copies, B·m, D): noise of each row.</param>
public sealed record LossDraws(Tensor Orders, long MaskedCount, Tensor Drop, Tensor Time, Tensor Noise);

/// <summary>The two losses, scalars with gradient.</summary>
/// <param name="Flow">Loss of the denoising head, mean over masked rows.</param>
/// <param name="Jepa">JEPA loss, mean over masked tokens.</param>
public sealed record Losses(Tensor Flow, Tensor Jepa);
