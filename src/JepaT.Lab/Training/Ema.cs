namespace JepaT.Lab;

/// <summary>Exponential moving average of a model's weights: the target encoder, and the model that samples.</summary>
public static class Ema
{
    /// <summary>A copy in eval mode, without gradients, on the same device.</summary>
    public static JepaModel Create(JepaModel model)
    {
        var ema = new JepaModel(model.Config);
        ema.to(model.Unconditional(1).device);
        ema.LoadStateDict(model.StateDict(), "the online model");
        ema.eval();
        foreach (var (_, p) in ema.NamedWeights()) p.requires_grad = false;
        return ema;
    }

    /// <summary>ema = rate · ema + (1 − rate) · model.</summary>
    public static void Update(JepaModel ema, JepaModel model, double rate) =>
        FusedOps.Lerp([.. ema.NamedWeights().Select(p => p.Value)], [.. model.NamedWeights().Select(p => p.Value)], 1 - rate);
}
