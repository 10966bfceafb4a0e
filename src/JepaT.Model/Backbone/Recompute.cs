using static TorchSharp.torch.autograd;

namespace JepaT.Model;

/// <summary>
/// Gradient checkpointing, which TorchSharp lacks: a block keeps its input only and runs again in the backward pass, with the same
/// dropout. Memory for activations falls to about one block's; a step takes about a third longer.
/// </summary>
internal sealed class Recompute : SingleTensorFunction<Recompute>
{
    public override string Name => nameof(Recompute);

    /// <summary>block(x, wanted); x must require a gradient, else nothing inside gets one.</summary>
    public static Tensor Run(Block block, Tensor x, Tensor? wanted) => wanted is null ? apply(block, x) : apply(block, x, wanted);

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        var (block, x, wanted) = ((Block)vars[0], (Tensor)vars[1], vars.Length > 2 ? (Tensor)vars[2] : null);
        using var scope = NewDisposeScope();
        // A GPU has a generator of its own, whose state TorchSharp does not tell: it is seeded from the CPU's.
        var random = OnCpu(x) ? get_rng_state() : randint(int.MaxValue, [1], dtype: int64);
        if (!OnCpu(x)) manual_seed(random.item<long>());
        ctx.save_data(nameof(Block), block);
        random.MoveToOuterDisposeScope();                           // saved only after this returns
        ctx.save_for_backward(wanted is null ? [x, random] : [x, random, wanted]);
        return block.call(x, wanted).MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        using var gradients = enable_grad();
        var (block, saved) = ((Block)ctx.get_data(nameof(Block)), ctx.get_saved_variables());
        var x = saved[0].detach().requires_grad_(true);
        var before = get_rng_state();
        if (OnCpu(x)) set_rng_state(saved[1]);
        else manual_seed(saved[1].item<long>());
        TorchSharp.torch.autograd.backward([block.call(x, saved.Count > 2 ? saved[2] : null)], [gradient]);       // weights' gradients add up where they belong
        set_rng_state(before);
        var result = new List<Tensor> { null!, x.grad!.MoveToOuterDisposeScope() };
        if (saved.Count > 2) result.Add(null!);
        return result;
    }

    private static bool OnCpu(Tensor x) => x.device_type == TorchSharp.DeviceType.CPU;
}
