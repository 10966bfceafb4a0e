namespace JepaT.Model;

/// <summary>
/// Generates images: masked iterations (random order, cosine schedule) × steps of the head × guidance. Runs the model as it is: put it
/// in eval mode, and take the EMA weights. Fusion is applied as in training unless the errata say otherwise.
/// </summary>
public static class Sampler
{
    /// <summary>Everything random of one image, from its own seed: image i does not depend on the batch it is made in.</summary>
    /// <returns>One row a seed, on the model's device.</returns>
    public static SampleDraws Draw(JepaModel model, IReadOnlyList<long> seeds, SamplingConfig sampling)
    {
        using var scope = NewDisposeScope();
        var (config, device, steps) = (model.Config, model.Unconditional(1).device, model.StepNoises(sampling));
        List<Tensor> orders = [], noise = [], stepNoise = [];
        foreach (var seed in seeds)
        {
            using var g = new Generator((ulong)seed);
            orders.Add(randperm(config.Tokens, generator: g));
            noise.Add(randn([config.Tokens, config.TokenDim], generator: g));
            stepNoise.Add(randn([steps, config.Tokens, config.TokenDim], generator: g));
        }
        return new(Own(stack(orders)), Own(stack(noise)), Own(stack(stepNoise, 1)));

        Tensor Own(Tensor t) => t.to(device).MoveToOuterDisposeScope();
    }

    /// <summary>Images of these text features: (B, c, H, W).</summary>
    /// <param name="model">The model, in eval mode.</param>
    /// <param name="features">Text features of B captions, or null for images without text.</param>
    /// <param name="seeds">One an image.</param>
    /// <param name="config">How to generate.</param>
    public static Tensor Images(JepaModel model, TextFeatures? features, IReadOnlyList<long> seeds, SamplingConfig config)
    {
        using var scope = NewDisposeScope();
        config.Validate(model.Config.Tokens);
        var draws = Draw(model, seeds, config);
        Tensor? last = null;
        foreach (var step in Steps(model, features, draws, config))
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
    /// <param name="features">Text features of B captions, or null for images without text.</param>
    /// <param name="draws">What is random.</param>
    /// <param name="config">How to generate.</param>
    /// <param name="keepOdeStates">Whether the records carry the states between noise and token.</param>
    /// <exception cref="UserException">A setting is out of range.</exception>
    public static IEnumerable<SampleStep> Steps(JepaModel model, TextFeatures? features, SampleDraws draws, SamplingConfig config, bool keepOdeStates = false)
    {
        config.Validate(model.Config.Tokens);
        var (batch, length, d) = (draws.Orders.shape[0], (long)model.Config.Tokens, (long)model.Config.TokenDim);
        Shape.Require(draws.Orders, nameof(draws.Orders), -1, length);
        Shape.Require(draws.Noise, nameof(draws.Noise), batch, length, d);
        Shape.Require(draws.StepNoise, nameof(draws.StepNoise), Math.Max(draws.StepNoise.shape[0], model.StepNoises(config)), batch, length, d);
        return Iterate(model, features, draws, config, keepOdeStates);
    }

    // No scope and no no_grad may be open across a yield: each iteration opens and closes its own inside One.
    private static IEnumerable<SampleStep> Iterate(JepaModel model, TextFeatures? features, SampleDraws draws, SamplingConfig config, bool keepOdeStates)
    {
        var text = Text(model, features, draws.Orders.shape[0], config);
        var tokens = zeros_like(draws.Noise).DetachFromDisposeScope();
        try
        {
            var masked = model.Config.Tokens;
            for (var i = 0; i < config.Iterations; i++)
            {
                var left = Masking.LeftAfter(model.Config.Tokens, config.Iterations, i, masked);
                var step = One(model, text, tokens, draws, config, keepOdeStates, i, masked, left);
                tokens.Dispose();
                tokens = step.Tokens.alias().DetachFromDisposeScope();
                masked = left;
                yield return step;
            }
        }
        finally
        {
            tokens.Dispose();
            text.Dispose();
        }
    }

    /// <summary>Projected text of B rows; with guidance followed by as many unconditional rows. The caller owns it.</summary>
    private static TextCondition Text(JepaModel model, TextFeatures? features, long batch, SamplingConfig config)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        TextCondition c = features is null ? model.Unconditional(batch) : model.ProjectText(features);
        // Guidance between equal halves is none: without text anywhere the second half would be the same work again.
        var guided = config.Guidance != 1 && features is not null && model.Config.Fusion.AnyText;
        return (guided ? c.Then(model.Unconditional(batch)) : c.Each(t => t.clone())).Each(t => t.DetachFromDisposeScope());
    }

    private static SampleStep One(JepaModel model, TextCondition text, Tensor tokens, SampleDraws draws, SamplingConfig config,
        bool keepOdeStates, int iteration, int masked, int left)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        var (orders, batch, length) = (draws.Orders, draws.Orders.shape[0], model.Config.Tokens);
        // The last iteration reports one token left (it matters for the linear guidance) but predicts all.
        var stay = iteration == config.Iterations - 1 ? 0 : left;
        var wanted = Masking.Sorted(orders, stay, masked - stay);                                   // (B, m)
        var visible = Masking.Rest(orders, masked);
        var guidance = config.GuidanceSchedule == GuidanceSchedule.Linear
            ? 1 + (config.Guidance - 1) * (length - left) / length : config.Guidance;

        var z = model.Predict(tokens, visible, wanted, text, fuse: !model.Config.Errata.FusionSkippedInSampling);
        var x0 = ImageTokens.Take(draws.Noise, wanted);                                             // (B, m, D)
        var places = wanted.unsqueeze(-1).expand_as(x0);
        var stepNoise = draws.StepNoise.gather(2, places.unsqueeze(0).expand(draws.StepNoise.shape[0], -1, -1, -1));
        List<Tensor>? states = keepOdeStates ? [] : null;
        var x1 = model.Head.Sample(x0.flatten(0, 1), z.flatten(0, 1), stepNoise.flatten(1, 2), guidance, config, states).reshape(x0.shape);
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
