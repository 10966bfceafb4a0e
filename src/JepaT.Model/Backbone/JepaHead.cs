using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>Predicts the target encoder's features from z; smooth L1 with beta 2 (paper: the JEPA objective).</summary>
internal sealed class JepaHead : Module
{
    private const double Beta = 2;
    private readonly Mlp net;

    public JepaHead(long width, Init init) : base(nameof(JepaHead))
    {
        net = new Mlp(init.TorchLinear(width, 4 * width), init.TorchLinear(4 * width, width), norm: init.LayerNorm(4 * width));
        RegisterComponents();
    }

    /// <summary>z and target (B, m, C) → loss of each token (B, m).</summary>
    public Tensor TokenLosses(Tensor z, Tensor target)
    {
        using var scope = NewDisposeScope();
        return functional.smooth_l1_loss(net.call(z), target.detach(), Reduction.None, Beta).mean([-1]).MoveToOuterDisposeScope();
    }
}
