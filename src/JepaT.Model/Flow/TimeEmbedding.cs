using static TorchSharp.torch.nn;

namespace JepaT.Model;

/// <summary>Sinusoids of a time, then a two-layer MLP.</summary>
internal sealed class TimeEmbedding : Module<Tensor, Tensor>
{
    private const double MaxPeriod = 10_000;
    private readonly float[] frequencies;
    private readonly SiluMlp mlp;

    /// <param name="sinusoids">How many numbers a time becomes before the MLP: half cosines, half sines.</param>
    /// <param name="width">Width of the MLP.</param>
    /// <param name="init">Makes the weights.</param>
    public TimeEmbedding(int sinusoids, long width, Init init) : base(nameof(TimeEmbedding))
    {
        frequencies = Frequencies(sinusoids);
        mlp = new SiluMlp(init.NormalLinear(sinusoids, width, 0.02), init.NormalLinear(width, width, 0.02));
        RegisterComponents();
    }

    /// <summary>Frequencies from 1 down to nearly 1 / 10,000, evenly spaced in their logarithm.</summary>
    public static float[] Frequencies(int sinusoids)
    {
        var half = sinusoids / 2;
        return [.. Enumerable.Range(0, half).Select(i => Exp(i * (float)-Math.Log(MaxPeriod) / half))];
    }

    /// <summary>t (…) → (…, 2 · frequencies): cosines, then sines.</summary>
    public static Tensor Sinusoids(Tensor t, float[] frequencies)
    {
        using var scope = NewDisposeScope();
        var angle = t.to(float32).unsqueeze(-1) * tensor(frequencies, device: t.device);
        return cat([angle.cos(), angle.sin()], -1).MoveToOuterDisposeScope();
    }

    public override Tensor forward(Tensor t)
    {
        using var scope = NewDisposeScope();
        return mlp.call(Sinusoids(t, frequencies).to(t.dtype)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// e^x in single precision as PyTorch's vectorised kernel computes it (the SLEEF library's method, within 1 ulp). The last bit
    /// matters: at t = 1,000 it moves an angle by 6e-5, and libtorch's versions and machines do not agree in it.
    /// </summary>
    private static float Exp(float x)
    {
        const float log2e = 1.44269504f, ln2High = 0.693145752f, ln2Low = 1.42860677e-6f;
        ReadOnlySpan<float> series = [1.98527618e-4f, 1.39304355e-3f, 8.33336078e-3f, 4.16664854e-2f, 0.166666672f, 0.5f];
        var power = MathF.Round(x * log2e);
        var rest = MathF.FusedMultiplyAdd(power, -ln2Low, MathF.FusedMultiplyAdd(power, -ln2High, x));
        var sum = series[0];
        foreach (var coefficient in series[1..]) sum = MathF.FusedMultiplyAdd(sum, rest, coefficient);
        return MathF.ScaleB(1 + MathF.FusedMultiplyAdd(rest * rest, sum, rest), (int)power);
    }
}
