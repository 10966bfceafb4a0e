using System.Globalization;

namespace JepaT.Lab;

/// <summary>How one picture came about, iteration by iteration.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class Denoising : IDisposable
{
    internal Denoising(TrainedModel trained, ITextEncoder text, string prompt, int seed, SamplingConfig sampling, CancellationToken stop)
    {
        (Prompt, Model) = (prompt, trained.Model);
        var steps = new List<DenoisingStep>();
        using var scope = NewDisposeScope();
        var device = Model.Unconditional(1).device;
        var features = text.Encode([prompt], trained.Experiment.Text).Each(t => t.to(device));
        Text = Model.ProjectText(features).Each(t => t.detach().DetachFromDisposeScope());
        var draws = Sampler.Draw(Model, [Seeds.Of(0, SeedUse.Samples, seed)], sampling);
        var times = Model.StateTimes(sampling);
        foreach (var step in Sampler.Steps(Model, features, draws, sampling, keepOdeStates: true))
        {
            steps.Add(new DenoisingStep(this, step, steps.LastOrDefault(), times));
            stop.ThrowIfCancellationRequested();
        }
        Steps = steps;
    }

    /// <summary>What was to be drawn.</summary>
    public string Prompt { get; }

    /// <summary>The iterations, first to last.</summary>
    public IReadOnlyList<DenoisingStep> Steps { get; }

    /// <summary>The picture.</summary>
    public View Picture => View.Picture(Steps[^1].Image, Prompt, scale: 7);

    internal JepaModel Model { get; }

    internal TextCondition Text { get; }

    /// <summary>A slider over the iterations, which works in a saved page.</summary>
    public View Slider() => View.Slider(Steps.Select(s => (s.Title, (object)View.Row(s.Picture, s.Order))));

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => Slider().ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => string.Join('\n', Steps.Select(s => s.Title).Prepend(Prompt));

    /// <summary>Frees the tensors of all steps.</summary>
    public void Dispose()
    {
        foreach (var step in Steps) step.Dispose();
        Text.Dispose();
    }
}

/// <summary>One iteration: which tokens came, from what, and the picture after it.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class DenoisingStep : IDisposable
{
    private readonly Denoising whole;
    private readonly DenoisingStep? before;
    private readonly SampleStep step;
    private readonly float[] times;
    private readonly long[] places;
    private readonly int patch;

    internal DenoisingStep(Denoising whole, SampleStep step, DenoisingStep? before, float[] times)
    {
        (this.whole, this.step, this.before, this.times) = (whole, step, before, times);
        patch = whole.Model.Config.PatchSize;
        using var scope = NewDisposeScope();
        places = step.Predicted[0].cpu().data<long>().ToArray();
        Image = ImageTokens.Unpatchify(step.Tokens.cpu(), patch)[0].DetachFromDisposeScope();
    }

    /// <summary>1 for the first.</summary>
    public int Number => step.Iteration + 1;

    /// <summary>The tokens that came in this iteration, counted from 1 in reading order.</summary>
    public IReadOnlyList<int> NewTokens => [.. places.Select(p => (int)p + 1)];

    /// <summary>In a line: how many tokens came, how many are left, with which guidance.</summary>
    public string Title => View.Of(step).ToString().Split('\n')[0];

    /// <summary>The picture so far: what is still masked is hatched, what is new is framed.</summary>
    public View Picture => Tokens(null, "the picture so far");

    /// <summary>The same with each token's place in the order of generation.</summary>
    public View Order => Tokens(SampleStepView.Ranks(step.Order), "order of generation");

    /// <summary>(C, H, W) the picture after this iteration; masked tokens are 0. Owned by the step.</summary>
    public Tensor Image { get; }

    /// <summary>
    /// The predictor's output for the new tokens (vectors of the model's width): how long each is, at its place, and how alike they are.
    /// Alike vectors ask the head for alike tokens.
    /// </summary>
    public View PredictorOutput
    {
        get
        {
            using var scope = NewDisposeScope();
            var z = step.Z[0].cpu();                                            // (m, C)
            var lengths = full(whole.Model.Config.Tokens, double.NaN, dtype: ScalarType.Float64);
            lengths = lengths.index_copy(0, tensor(places), z.norm(1).to(ScalarType.Float64));
            var unit = nn.functional.normalize(z, 2, 1);
            var alike = einsum("id,jd->ij", unit, unit);
            return View.Row(
                View.TokenMap(lengths, "length of the predictor's output", lengths.isnan()),
                View.Titled("cosine similarity of the new tokens' vectors", alike));
        }
    }

    /// <summary>The flow ODE of one of the new tokens, from noise to pixels: the token at some of its times, and its way.</summary>
    /// <param name="token">Its number (see <see cref="NewTokens"/>); by default the first of them.</param>
    /// <exception cref="UserException">That token did not come in this iteration.</exception>
    public View OdePath(int? token = null)
    {
        var row = token is { } t ? Array.IndexOf(places, t - 1) : 0;
        if (row < 0) throw new UserException($"token {token} did not come in iteration {Number}: its new tokens are {string.Join(", ", NewTokens)}");
        using var scope = NewDisposeScope();
        var states = stack(step.OdeStates.Select(s => s[0, row].cpu()).ToList());                      // (T + 1, D)
        var shown = Enumerable.Range(0, Math.Min(9, times.Length)).Select(i => i * (times.Length - 1) / Math.Max(1, Math.Min(9, times.Length) - 1)).Distinct().ToList();
        var channels = whole.Model.Config.Channels;
        var patches = states[tensor(shown.Select(i => (long)i).ToArray())].reshape(-1, channels, patch, patch);
        var chart = new ChartView { XTitle = "time t", YTitle = "distance", FromZero = true };
        var (fromStart, toEnd) = ((states - states[0]).norm(1).data<float>().ToArray(), (states - states[-1]).norm(1).data<float>().ToArray());
        for (var i = 0; i < times.Length; i++)
        {
            chart.Point("from the noise", times[i], fromStart[i]);
            chart.Point("to the token", times[i], toEnd[i]);
        }
        return View.Column(
            View.Titled($"Token {places[row] + 1} in iteration {Number}", View.Images(patches, [.. shown.Select(i => string.Create(CultureInfo.InvariantCulture, $"t = {times[i]:0.00}"))], shown.Count, scale: Math.Max(1, 56 / patch))),
            chart);
    }

    /// <summary>
    /// Where the predictor's last block looks from one of the new tokens: the share of its attention on each token of the picture, mean
    /// over the heads. What is left goes to the buffer tokens, which carry the text.
    /// </summary>
    /// <param name="token">Its number (see <see cref="NewTokens"/>); by default the first of them.</param>
    public View Attention(int? token = null)
    {
        var row = token is { } t ? Array.IndexOf(places, t - 1) : 0;
        if (row < 0) throw new UserException($"token {token} did not come in iteration {Number}: its new tokens are {string.Join(", ", NewTokens)}");
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (config, wanted) = (whole.Model.Config, step.Predicted);
        var visible = before is null ? step.Predicted.narrow(1, 0, 0) : before.step.Mask[0].logical_not().nonzero().flatten().unsqueeze(0);
        var tokens = before?.step.Tokens ?? zeros_like(step.Tokens);
        var maps = AttentionMaps.Record(whole.Model, () => whole.Model.Predict(tokens, visible, wanted, whole.Text).Dispose());
        try
        {
            var weights = maps[^1].Weights[0].mean([0])[row].cpu();             // (K + L)
            var buffer = weights.narrow(0, 0, config.BufferTokens).sum().ToDouble();
            var marked = zeros(config.Tokens, dtype: ScalarType.Bool).index_fill(0, visible[0].cpu(), true);
            return View.Row(
                View.TokenMap(weights.narrow(0, config.BufferTokens, config.Tokens), string.Create(CultureInfo.InvariantCulture, $"attention from token {places[row] + 1}; {buffer:0%} of it is on the buffer tokens")),
                View.Tokens(before?.Image ?? zeros_like(Image), patch, marked.logical_not(), caption: "what the encoder saw"));
        }
        finally
        {
            foreach (var map in maps) map.Dispose();
        }
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Titled(Title, View.Row(Picture, Order)).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(step).ToString();

    /// <summary>Frees the step's tensors.</summary>
    public void Dispose()
    {
        step.Dispose();
        Image.Dispose();
    }

    private View Tokens(IReadOnlyList<string>? labels, string caption)
    {
        using var scope = NewDisposeScope();
        var fresh = zeros(whole.Model.Config.Tokens, dtype: ScalarType.Bool).index_fill(0, tensor(places), true);
        return View.Tokens(Image, patch, step.Mask[0].cpu(), fresh, labels, caption);
    }
}
