using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The files that PyTorch wrote (make_files.py), and what is in them.</summary>
internal static class WeightSamples
{
    public static string File(string name) => Path.Combine(AppContext.BaseDirectory, "Weights", "Files", name);

    /// <summary>A safetensors file of this header and so many bytes 1, 2, ….</summary>
    public static void WriteRaw(string path, string header, int data)
    {
        var bytes = new byte[8 + header.Length + data];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(bytes, header.Length);
        System.Text.Encoding.ASCII.GetBytes(header, bytes.AsSpan(8));
        for (var i = 0; i < data; i++) bytes[8 + header.Length + i] = (byte)(i + 1);
        System.IO.File.WriteAllBytes(path, bytes);
    }

    /// <summary>k + 0.25 · index.</summary>
    public static Tensor Ramp(double k, params long[] shape) => arange(shape.Aggregate(1L, (a, b) => a * b), dtype: ScalarType.Float64).mul_(0.25).add_(k).reshape(shape);

    /// <summary>The tensors of types.pth and its variants.</summary>
    public static Dictionary<string, Tensor> Types()
    {
        var shared = Ramp(7, 12).to(ScalarType.Float32);
        return new()
        {
            ["float"] = Ramp(1, 2, 3).to(ScalarType.Float32),
            ["half"] = Ramp(2, 5).to(ScalarType.Float16),
            ["bfloat"] = Ramp(3, 5).to(ScalarType.BFloat16),
            ["double"] = Ramp(4, 3),
            ["long"] = tensor(new[] { -(1L << 40), 0, 7 }),
            ["bool"] = tensor(new[] { true, false, true }),
            ["bytes"] = tensor(new byte[] { 250, 251, 252, 253, 254, 255 }),
            ["scalar"] = tensor(2.5f),
            ["empty"] = zeros(0, 3),
            ["transposed"] = Ramp(5, 3, 4).to(ScalarType.Float32).t(),
            ["strided"] = Ramp(6, 4, 6).to(ScalarType.Float32)[TensorIndex.Slice(1), TensorIndex.Slice(step: 2)],
            ["shared.head"] = shared.narrow(0, 0, 8),
            ["shared.tail"] = shared.narrow(0, 4, 8).reshape(2, 4),
            ["parameter"] = Ramp(8, 2, 2).to(ScalarType.Float32),
        };
    }

    /// <summary>Same names, in any order, types, shapes and numbers.</summary>
    public static void AssertEqual(IReadOnlyDictionary<string, Tensor> wanted, WeightFile file)
    {
        Assert.Equal(wanted.Keys.Order(), file.Entries.Select(e => e.Name).Order());
        foreach (var entry in file.Entries)
        {
            using var value = file.Read(entry.Name);
            Assert.Equal(wanted[entry.Name].shape, entry.Shape);
            Assert.Equal(wanted[entry.Name].dtype, entry.ScalarType);
            Assert.Equal(wanted[entry.Name].numel() * wanted[entry.Name].element_size(), entry.Bytes);
            Assert.True(value.is_contiguous());
            Assert.True(wanted[entry.Name].Equals(value), entry.Name);
        }
    }
}
