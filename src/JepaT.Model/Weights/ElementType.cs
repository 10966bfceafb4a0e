namespace JepaT.Model;

/// <summary>A type of numbers in a weights file, under each name that it has.</summary>
/// <param name="Name">PyTorch's name, for people.</param>
/// <param name="Size">Bytes an element; 0 where that is not known.</param>
/// <param name="Torch">TorchSharp's type; null where it has none: such tensors are listed but not read.</param>
/// <param name="Safetensors">Name in safetensors files.</param>
/// <param name="Storage">Class of PyTorch's storage in pickles.</param>
internal sealed record ElementType(string Name, int Size, ScalarType? Torch, string? Safetensors, string? Storage = null)
{
    public static IReadOnlyList<ElementType> All { get; } =
    [
        new("float64", 8, ScalarType.Float64, "F64", "DoubleStorage"),
        new("float32", 4, ScalarType.Float32, "F32", "FloatStorage"),
        new("float16", 2, ScalarType.Float16, "F16", "HalfStorage"),
        new("bfloat16", 2, ScalarType.BFloat16, "BF16", "BFloat16Storage"),
        new("int64", 8, ScalarType.Int64, "I64", "LongStorage"),
        new("int32", 4, ScalarType.Int32, "I32", "IntStorage"),
        new("int16", 2, ScalarType.Int16, "I16", "ShortStorage"),
        new("int8", 1, ScalarType.Int8, "I8", "CharStorage"),
        new("uint8", 1, ScalarType.Byte, "U8", "ByteStorage"),
        new("bool", 1, ScalarType.Bool, "BOOL", "BoolStorage"),
        new("complex64", 8, ScalarType.ComplexFloat32, "C64", "ComplexFloatStorage"),
        new("complex128", 16, ScalarType.ComplexFloat64, null, "ComplexDoubleStorage"),
        new("uint16", 2, null, "U16"),
        new("uint32", 4, null, "U32"),
        new("uint64", 8, null, "U64"),
        new("float8_e4m3fn", 1, null, "F8_E4M3"),
        new("float8_e5m2", 1, null, "F8_E5M2"),
        new("float8_e8m0fnu", 1, null, "F8_E8M0"),
    ];

    /// <summary>A type of safetensors that is not known here, e.g. one newer than this program.</summary>
    public static ElementType Unknown(string safetensors) => new(Plain.Text(safetensors), 0, null, safetensors);

    /// <summary>Whether so many elements can be so many bytes; of an unknown type, an element has a bit at least.</summary>
    public bool Fits(long count, long bytes) => Size > 0 ? count * Size == bytes : count > 0 ? count / 8 <= bytes : bytes == 0;

    /// <exception cref="MalformedException">No file format here has it.</exception>
    public static ElementType Of(ScalarType type) => All.FirstOrDefault(t => t.Torch == type) ?? throw new MalformedException($"numbers of type {type} cannot be written");

    /// <summary>The number of elements of a shape read from a file.</summary>
    /// <exception cref="MalformedException">No tensor can have it: libtorch must not see such a shape.</exception>
    public static long Count(ReadOnlySpan<long> shape, string name)
    {
        if (shape.Length > 32) throw new MalformedException($"tensor {Plain.Text(name)} has {shape.Length} dimensions");
        Int128 count = 1, nonZero = 1;
        foreach (var n in shape)
        {
            if (n < 0 || (nonZero *= Math.Max(n, 1)) > long.MaxValue / 16) throw new MalformedException($"tensor {Plain.Text(name)} has an impossible shape");
            count *= n;
        }
        return (long)count;
    }
}

/// <summary>Text of a file in messages: one line, no control characters, not longer than one can read.</summary>
internal static class Plain
{
    public static string Text(string text) => string.Concat((text.Length > 120 ? text[..120] + "…" : text).Select(c => char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029' ? '?' : c));

    /// <summary>The first few, and how many more there are.</summary>
    public static string List(IReadOnlyCollection<string> items, int most = 3) =>
        string.Join(", ", items.Take(most).Select(Text)) + (items.Count > most ? $" and {items.Count - most} more" : "");
}

/// <summary>A weights file is not what its format demands. Turned into a <see cref="UserException"/> that names the file.</summary>
internal sealed class MalformedException(string why) : Exception(why);
