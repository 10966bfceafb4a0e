using System.Text;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>
/// Weights from a name alone, so that two implementations of a large network can be compared without storing them. The formula is
/// that of the golden cases' JSON (<c>weights.formula</c>, <c>weights.hash</c>).
/// </summary>
internal static class FormulaWeights
{
    /// <summary>Every float tensor of <c>state_dict_shapes</c>; counters (<c>[]</c>) are 0. The caller owns them.</summary>
    public static Dictionary<string, Tensor> Of(Golden golden, double gain)
    {
        var prefix = golden.Json.GetProperty("weights").GetProperty("name_prefix").GetString()!;
        return golden.Json.GetProperty("state_dict_shapes").EnumerateObject().ToDictionary(p => p.Name, p =>
        {
            long[] shape = [.. p.Value.EnumerateArray().Select(n => n.GetInt64())];
            return p.Name.EndsWith("num_batches_tracked", StringComparison.Ordinal) ? zeros(shape, ScalarType.Int64) : Tensor(prefix + p.Name, shape, gain);
        });
    }

    /// <summary>float32(b + a (2u − 1)), row-major; a and b by shape and name.</summary>
    public static Tensor Tensor(string name, long[] shape, double gain)
    {
        var n = shape.Aggregate(1L, (a, b) => a * b);
        var (a, b) = shape.Length >= 2 ? (gain * Math.Sqrt(3.0 * shape[0] / n), 0.0)
            : name.EndsWith("running_var", StringComparison.Ordinal) ? (0.2, 1.0)
            : name.EndsWith("weight", StringComparison.Ordinal) ? (0.1, 1.0) : (0.1, 0.0);
        var values = new float[n];
        var start = Fnv1a(name);
        for (long i = 0; i < n; i++) values[i] = (float)(b + a * (2 * Uniform(start, i) - 1));
        return tensor(values).reshape(shape);
    }

    /// <summary>n doubles in [0, 1) with 24 bits each.</summary>
    public static double[] Uniforms(string name, int n)
    {
        var start = Fnv1a(name);
        return [.. Enumerable.Range(0, n).Select(i => Uniform(start, i))];
    }

    private static double Uniform(uint start, long i)
    {
        var h = unchecked(start + (uint)i * 0x9E3779B9);
        h ^= h >> 16;
        h = unchecked(h * 0x7FEB352D);
        h ^= h >> 15;
        h = unchecked(h * 0x846CA68B);
        h ^= h >> 16;
        return (h >> 8) / 16777216.0;
    }

    private static uint Fnv1a(string name) => Encoding.UTF8.GetBytes(name).Aggregate(0x811C9DC5u, (h, b) => unchecked((h ^ b) * 0x01000193));
}
