namespace JepaT.Model;

/// <summary>
/// Makes the initial weights from a seed, detached from any dispose scope (they would die with it). An outline makes them on
/// libtorch's meta device, where tensors have shapes but no memory.
/// </summary>
internal sealed class Init
{
    private readonly Generator? generator;
    private readonly Device device;
    private readonly ScalarType precision;

    public Init(long seed, ScalarType precision = ScalarType.Float32) => (generator, device, this.precision) = (new Generator((ulong)seed), CPU, precision);

    private Init() => (device, precision) = (new Device(TorchSharp.DeviceType.META), float32);

    public static Init Outline { get; } = new();

    public Parameter Normal(double std, params long[] shape) => Parameter(Draw(shape, std));

    public Parameter Uniform(double bound, params long[] shape) => Parameter(DrawUniform(shape, bound));

    public Parameter Zeros(params long[] shape) => Parameter(zeros(shape, device: device));

    public Parameter Ones(params long[] shape) => Parameter(ones(shape, device: device));

    public LayerNorm LayerNorm(long width, double eps = 1e-6) => nn.LayerNorm([width], eps, device: device);

    /// <summary>Xavier uniform weights, zero bias: the published initialisation of all linear layers but the JEPA head's.</summary>
    public Linear Linear(long inputs, long outputs) => Linear(DrawUniform([outputs, inputs], Math.Sqrt(6.0 / (inputs + outputs))), zeros(outputs, device: device));

    /// <summary>PyTorch's own initialisation, which the published JEPA head keeps (reference, oddity 13).</summary>
    public Linear TorchLinear(long inputs, long outputs)
    {
        var bound = 1 / Math.Sqrt(inputs);
        return Linear(DrawUniform([outputs, inputs], bound), DrawUniform([outputs], bound));
    }

    /// <summary>Weights N(0, std²), zero bias; std 0 makes the layer start as zero.</summary>
    public Linear NormalLinear(long inputs, long outputs, double std) =>
        Linear(std > 0 ? Draw([outputs, inputs], std) : zeros(outputs, inputs, device: device), zeros(outputs, device: device));

    private Linear Linear(Tensor weight, Tensor bias) => new(Parameter(weight), Parameter(bias), precision);

    private static Parameter Parameter(Tensor value)
    {
        var parameter = new Parameter(value);
        parameter.DetachFromDisposeScope();
        return parameter;
    }

    private Tensor Draw(long[] shape, double std) => randn(shape, generator: generator, device: device).mul_(std);

    private Tensor DrawUniform(long[] shape, double bound) => rand(shape, generator: generator, device: device).mul_(2 * bound).sub_(bound);
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
