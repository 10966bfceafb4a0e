namespace JepaT.Model;

/// <summary>
/// Generates images: masked iterations (random order, cosine schedule) × ODE steps × guidance. Runs the model as it is: put it
/// in eval mode, and take the EMA weights. Fusion is applied as in training unless the errata say otherwise.
/// </summary>
public static class Sampler
{
    /// <summary>Everything random of one image, from its own seed: image i does not depend on the batch it is made in.</summary>
    /// <returns>Orders (B, L) int64 and noise (B, L, D), one row a seed.</returns>
    public static (Tensor Orders, Tensor Noise) Draw(ModelConfig config, IReadOnlyList<long> seeds, Device? device = null)
    {
        using var scope = NewDisposeScope();
        List<Tensor> orders = [], noise = [];
        foreach (var seed in seeds)
        {
            using var g = new Generator((ulong)seed);
            orders.Add(randperm(config.Tokens, generator: g));
            noise.Add(randn([config.Tokens, config.TokenDim], generator: g));
        }
        return (stack(orders).to(device ?? CPU).MoveToOuterDisposeScope(), stack(noise).to(device ?? CPU).MoveToOuterDisposeScope());
    }

    /// <summary>Images of these text features: (B, c, H, W).</summary>
    /// <param name="model">The model, in eval mode.</param>
    /// <param name="features">Text features (B, text), or null for images without text.</param>
    /// <param name="seeds">One an image.</param>
    /// <param name="config">How to generate.</param>
    public static Tensor Images(JepaModel model, Tensor? features, IReadOnlyList<long> seeds, SamplingConfig config)
    {
        using var scope = NewDisposeScope();
        var (orders, noise) = Draw(model.Config, seeds, model.Unconditional(1).device);
        Tensor? last = null;
        foreach (var step in Steps(model, features, orders, noise, config))
        {
            last?.Dispose();
            last = step.Tokens.alias();
            step.Dispose();
        }
        var images = ImageTokens.Unpatchify(last!, model.Config.PatchSize);
        last!.Dispose();
        return images.MoveToOuterDisposeScope();
    }

    /// <summary>One record an iteration, computed when it is asked for; the caller disposes each.</summary>
    /// <param name="model">The model, in eval mode.</param>
    /// <param name="features">Text features (B, text), or null for images without text.</param>
    /// <param name="orders">(B, L) int64, a permutation each; the first places stay masked longest.</param>
    /// <param name="noise">(B, L, D): every token is generated once, from its own noise.</param>
    /// <param name="config">How to generate.</param>
    /// <param name="keepOdeStates">Whether the records carry the states of the ODE.</param>
    /// <exception cref="UserException">A setting is out of range.</exception>
    public static IEnumerable<SampleStep> Steps(JepaModel model, Tensor? features, Tensor orders, Tensor noise, SamplingConfig config,
        bool keepOdeStates = false)
    {
        config.Validate(model.Config.Tokens);
        Shape.Require(orders, nameof(orders), -1, model.Config.Tokens);
        Shape.Require(noise, nameof(noise), orders.shape[0], model.Config.Tokens, model.Config.TokenDim);
        return Iterate(model, features, orders, noise, config, keepOdeStates);
    }

    // No scope and no no_grad may be open across a yield: each iteration opens and closes its own inside One.
    private static IEnumerable<SampleStep> Iterate(JepaModel model, Tensor? features, Tensor orders, Tensor noise, SamplingConfig config, bool keepOdeStates)
    {
        using var text = Text(model, features, orders.shape[0], config);
        var tokens = zeros_like(noise).DetachFromDisposeScope();
        try
        {
            var masked = model.Config.Tokens;
            for (var i = 0; i < config.Iterations; i++)
            {
                var left = Masking.LeftAfter(model.Config.Tokens, config.Iterations, i, masked);
                var step = One(model, text, tokens, orders, noise, config, keepOdeStates, i, masked, left);
                tokens.Dispose();
                tokens = step.Tokens.alias().DetachFromDisposeScope();
                masked = left;
                yield return step;
            }
        }
        finally
        {
            tokens.Dispose();
        }
    }

    /// <summary>Projected text (B, C); with guidance followed by as many unconditional rows (2B, C).</summary>
    private static Tensor Text(JepaModel model, Tensor? features, long batch, SamplingConfig config)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var c = features is null ? model.Unconditional(batch) : model.ProjectText(features);
        // Guidance between equal halves is none: without text anywhere the second half would be the same work again.
        var guided = config.Guidance != 1 && features is not null && model.Config.Fusion.AnyText;
        return (guided ? cat([c, model.Unconditional(batch)], 0) : c.clone()).DetachFromDisposeScope();
    }

    private static SampleStep One(JepaModel model, Tensor text, Tensor tokens, Tensor orders, Tensor noise, SamplingConfig config,
        bool keepOdeStates, int iteration, int masked, int left)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (batch, length) = (orders.shape[0], model.Config.Tokens);
        // The last iteration reports one token left (it matters for the linear guidance) but predicts all.
        var stay = iteration == config.Iterations - 1 ? 0 : left;
        var wanted = Masking.Sorted(orders, stay, masked - stay);                                   // (B, m)
        var visible = Masking.Rest(orders, masked);
        var guidance = config.GuidanceSchedule == GuidanceSchedule.Linear
            ? 1 + (config.Guidance - 1) * (length - left) / length : config.Guidance;

        var z = model.Predict(tokens, visible, wanted, text, fuse: !model.Config.Errata.FusionSkippedInSampling);
        var x0 = ImageTokens.Take(noise, wanted);                                                   // (B, m, D)
        List<Tensor>? states = keepOdeStates ? [] : null;
        var x1 = OdeSolver.Euler(model.FlowHead, x0.flatten(0, 1), z.flatten(0, 1), guidance, config.OdeSteps, config.TimeShift, states)
            .reshape(x0.shape);
        var places = wanted.unsqueeze(-1).expand_as(x0);
        var after = tokens.scatter(1, places, x1);
        var staying = orders.narrow(1, 0, stay);
        var mask = zeros(batch, length, dtype: ScalarType.Bool, device: orders.device).scatter_(1, staying, staying >= 0);
        return new SampleStep(iteration, after.DetachFromDisposeScope(), mask.DetachFromDisposeScope(), orders.clone().DetachFromDisposeScope(),
            wanted.DetachFromDisposeScope(), z.narrow(0, 0, batch).clone().DetachFromDisposeScope(), guidance,
            states?.Select(s => Shaped(s, x0)).ToArray() ?? []);
    }

    private static Tensor Shaped(Tensor rows, Tensor like)
    {
        var shaped = rows.reshape(like.shape).DetachFromDisposeScope();
        rows.Dispose();
        return shaped;
    }
}
