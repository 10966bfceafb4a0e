using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>
/// x Wᵀ + b, with the products in the model's precision. Weights stay float32: in bfloat16 they would lose the small updates of
/// AdamW. TorchSharp has no autocast, so the casts that PyTorch's would make are here: matrix products and attention in bfloat16;
/// norms, residual sums, losses and the optimizer in float32.
/// </summary>
internal sealed class Linear : Module<Tensor, Tensor>
{
    private readonly ScalarType precision;

    public Linear(Parameter weight, Parameter bias, ScalarType precision) : base(nameof(Linear))
    {
        (this.weight, this.bias, this.precision) = (weight, bias, precision);
        RegisterComponents();
    }

    /// <summary>(outputs, inputs).</summary>
    public readonly Parameter weight;

    /// <summary>(outputs).</summary>
    public readonly Parameter bias;

    /// <summary>(…, inputs) → (…, outputs), of the model's precision.</summary>
    public override Tensor forward(Tensor x) => Apply(x, weight, bias, precision);

    /// <summary>The same in the type of the weights: where the result enters a residual sum or leaves the network.</summary>
    public Tensor Wide(Tensor x)
    {
        using var scope = NewDisposeScope();
        return call(x).to(weight.dtype).MoveToOuterDisposeScope();
    }

    /// <summary>Only some outputs: rows <paramref name="first"/> to <paramref name="first"/> + <paramref name="count"/>.</summary>
    public Tensor Rows(Tensor x, long first, long count)
    {
        using var scope = NewDisposeScope();
        return Apply(x, weight.narrow(0, first, count), bias.narrow(0, first, count), precision).MoveToOuterDisposeScope();
    }

    /// <summary>x wᵀ + b with the products in <paramref name="precision"/>, for weights that are no layer of their own.</summary>
    public static Tensor Apply(Tensor x, Tensor w, Tensor b, ScalarType precision)
    {
        if (precision == float32) return functional.linear(x, w, b);
        using var scope = NewDisposeScope();
        return functional.linear(x.to(precision), w.to(precision), b.to(precision)).MoveToOuterDisposeScope();
    }
}
