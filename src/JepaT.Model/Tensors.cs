namespace JepaT.Model;

/// <summary>Makes parameters: initialised from a given generator, and detached from any dispose scope (they would die with it).</summary>
internal static class Init
{
    public static Parameter Parameter(Tensor value)
    {
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    public static Parameter Normal(Generator g, double std, params long[] shape) => Parameter(randn(shape, generator: g).mul_(std));

    public static Parameter Zeros(params long[] shape) => Parameter(zeros(shape));

    /// <summary>Xavier uniform weights, zero bias: the published initialisation of all linear layers but the JEPA head's.</summary>
    public static Linear Linear(Generator g, long inputs, long outputs) => Uniform(g, inputs, outputs, Math.Sqrt(6.0 / (inputs + outputs)), biasBound: 0);

    /// <summary>PyTorch's own initialisation, which the published JEPA head keeps (reference, oddity 13).</summary>
    public static Linear TorchLinear(Generator g, long inputs, long outputs) => Uniform(g, inputs, outputs, 1 / Math.Sqrt(inputs), 1 / Math.Sqrt(inputs));

    /// <summary>Weights N(0, std²), zero bias; std 0 makes the layer start as zero.</summary>
    public static Linear NormalLinear(Generator g, long inputs, long outputs, double std)
    {
        var linear = Uniform(g, inputs, outputs, 0, 0);
        if (std > 0) Fill(linear.weight, randn(outputs, inputs, generator: g).mul_(std));
        return linear;
    }

    public static LayerNorm LayerNorm(long width, double eps = 1e-6) => nn.LayerNorm([width], eps);

    private static Linear Uniform(Generator g, long inputs, long outputs, double bound, double biasBound)
    {
        var linear = nn.Linear(inputs, outputs);
        Fill(linear.weight, rand([outputs, inputs], generator: g).mul_(2 * bound).sub_(bound));
        Fill(linear.bias!, rand([outputs], generator: g).mul_(2 * biasBound).sub_(biasBound));
        return linear;
    }

    private static void Fill(Parameter p, Tensor value)
    {
        using (no_grad()) p.copy_(value);
        value.Dispose();
    }
}

/// <summary>Checks at the entry points: a wrong shape deep inside libtorch is hard to read.</summary>
internal static class Shape
{
    /// <summary>Throws unless the tensor has this shape; -1 stands for any size.</summary>
    public static void Require(Tensor x, string name, params ReadOnlySpan<long> shape)
    {
        var same = x.dim() == shape.Length;
        for (var i = 0; same && i < shape.Length; i++) same = shape[i] < 0 || x.shape[i] == shape[i];
        if (!same)
            throw new ArgumentException($"{name} has shape ({string.Join(", ", x.shape)}), wanted ({string.Join(", ", shape.ToArray())})");
    }
}
