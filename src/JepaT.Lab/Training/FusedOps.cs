namespace JepaT.Lab;

/// <summary>
/// ATen operators over whole lists of tensors, which TorchSharp does not bind: compiled from TorchScript once a process.
/// A step over 200 parameters then takes milliseconds less than a managed loop over them.
/// </summary>
internal static class FusedOps
{
    private const string Script =
        """
        def adamw(params: List[Tensor], grads: List[Tensor], exp_avgs: List[Tensor], exp_avg_sqs: List[Tensor], steps: List[Tensor],
                  lr: float, beta1: float, beta2: float, weight_decay: float, eps: float):
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(params, grads, exp_avgs, exp_avg_sqs, [], steps, lr=lr, beta1=beta1, beta2=beta2,
                                weight_decay=weight_decay, eps=eps, amsgrad=False, maximize=False)
            return steps[0]

        def clip(grads: List[Tensor], max_norm: float):
            norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(grads, 2)), 2)
            torch._foreach_mul_(grads, torch.clamp(max_norm / (norm + 1e-6), max=1.0))
            return norm

        def lerp(targets: List[Tensor], sources: List[Tensor], weight: float):
            torch._foreach_lerp_(targets, sources, weight)
            return targets[0]

        """;                                            // TorchScript wants the last line to end

    private static readonly Lazy<jit.CompilationUnit> Compiled = new(() => jit.compile(Script));

    /// <summary>One AdamW step in place (PyTorch's fused kernel: decoupled weight decay, bias correction).</summary>
    public static void AdamW(Tensor[] parameters, Tensor[] gradients, Tensor[] expAvg, Tensor[] expAvgSq, Tensor[] steps,
        double learningRate, double beta1, double beta2, double weightDecay, double eps) =>
        Run("adamw", parameters, gradients, expAvg, expAvgSq, steps, learningRate, beta1, beta2, weightDecay, eps).Dispose();

    /// <summary>Scales the gradients in place so that their common 2-norm is at most <paramref name="maxNorm"/>; returns the norm before (scalar).</summary>
    public static Tensor ClipGradNorm(Tensor[] gradients, double maxNorm) => Run("clip", gradients, maxNorm);

    /// <summary>targets += weight · (sources − targets), in place.</summary>
    public static void Lerp(Tensor[] targets, Tensor[] sources, double weight) => Run("lerp", targets, sources, weight).Dispose();

    private static Tensor Run(string name, params object[] arguments)
    {
        using var noGrad = no_grad();
        // invoke turns a double into a Scalar of its own and keeps only the native handle, which a garbage collection may free
        // before the call reads it: ours live until the call is over.
        var owned = Array.ConvertAll(arguments, a => a is double d ? (object)d.ToScalar() : a);
        var result = Compiled.Value.invoke<Tensor>(name, owned);
        foreach (var scalar in owned.OfType<Scalar>()) scalar.Dispose();
        return result;
    }
}
