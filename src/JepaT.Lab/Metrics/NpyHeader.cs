using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace JepaT.Lab;

/// <summary>
/// Head of an array in NumPy's .npy form: magic <c>\x93NUMPY</c>, version, header length, then a Python dictionary as text with the
/// element type, the order and the shape. Data follow without a gap.
/// </summary>
/// <param name="Type">Element type.</param>
/// <param name="ElementSize">Bytes an element.</param>
/// <param name="Fortran">Whether the first index runs fastest.</param>
/// <param name="Shape">Sizes; empty for a scalar.</param>
/// <param name="DataBytes">Bytes of all elements.</param>
internal sealed partial record NpyHeader(ScalarType Type, int ElementSize, bool Fortran, long[] Shape, long DataBytes)
{
    private const int MaxText = 1 << 16, MaxDimensions = 32;

    private static readonly Dictionary<string, (ScalarType Type, int Size)> Types = new()
    {
        ["f8"] = (ScalarType.Float64, 8),
        ["f4"] = (ScalarType.Float32, 4),
        ["f2"] = (ScalarType.Float16, 2),
        ["i8"] = (ScalarType.Int64, 8),
        ["i4"] = (ScalarType.Int32, 4),
        ["i2"] = (ScalarType.Int16, 2),
        ["i1"] = (ScalarType.Int8, 1),
        ["u1"] = (ScalarType.Byte, 1),
        ["b1"] = (ScalarType.Bool, 1),
    };

    /// <summary>Reads the head; the stream then stands at the data.</summary>
    /// <exception cref="InvalidDataException">It is none, or of a type that is not read.</exception>
    public static NpyHeader Read(Stream file)
    {
        Span<byte> start = stackalloc byte[12];
        file.ReadExactly(start[..10]);
        if (start[0] != 0x93 || !start[1..6].SequenceEqual("NUMPY"u8)) throw new InvalidDataException("no NumPy array");
        if (start[6] is < 1 or > 3) throw new InvalidDataException($"NumPy format version {start[6]} is unknown");
        long length = BinaryPrimitives.ReadUInt16LittleEndian(start[8..]);
        if (start[6] > 1)
        {
            file.ReadExactly(start[10..]);
            length = BinaryPrimitives.ReadUInt32LittleEndian(start[8..]);
        }
        if (length > MaxText) throw new InvalidDataException($"its header of {length} bytes is too long");
        var bytes = new byte[length];
        file.ReadExactly(bytes);
        return Parse(Encoding.Latin1.GetString(bytes));
    }

    /// <summary>The head of version 1 as NumPy writes it, padded so that the data start at a multiple of 64.</summary>
    public static byte[] Write(Tensor array)
    {
        var type = Types.FirstOrDefault(t => t.Value.Type == array.dtype).Key ?? throw new ArgumentException($"no NumPy type for {array.dtype}", nameof(array));
        var shape = array.dim() == 1 ? $"{array.shape[0]}," : string.Join(", ", array.shape);
        var text = $"{{'descr': '{(type.EndsWith('1') ? '|' : '<')}{type}', 'fortran_order': False, 'shape': ({shape}), }}";
        text = text.PadRight((10 + text.Length + 64) / 64 * 64 - 11) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)text.Length, (byte)(text.Length >> 8), .. Encoding.Latin1.GetBytes(text)];
    }

    private static NpyHeader Parse(string text)
    {
        var (descr, order, sizes) = (Descr().Match(text), Order().Match(text), Sizes().Match(text));
        if (!descr.Success || !order.Success || !sizes.Success) throw new InvalidDataException("its NumPy header names no simple type, order and shape");
        var type = descr.Groups[2].Value;
        if (!Types.TryGetValue(type, out var known)) throw new InvalidDataException($"element type {type} is not read (floats and integers are)");
        if (descr.Groups[1].Value == ">" && known.Size > 1) throw new InvalidDataException($"holds big-endian numbers ('>{type}'), which are not read here: in NumPy, save it again as array.astype('<{type}')");
        var parts = sizes.Groups[1].Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (parts.Length > MaxDimensions) throw new InvalidDataException($"{parts.Length} dimensions are too many");
        var shape = new long[parts.Length];
        Int128 size = known.Size;
        for (var i = 0; i < parts.Length; i++)
        {
            if (!long.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out shape[i]) || (size *= shape[i]) > long.MaxValue)
                throw new InvalidDataException($"its shape ({sizes.Groups[1].Value}) is impossible");
        }
        return new(known.Type, known.Size, order.Groups[1].Value == "True", shape, (long)size);
    }

    [GeneratedRegex("'descr': *'([<>|=]?)([a-zA-Z][0-9]*)'")]
    private static partial Regex Descr();

    [GeneratedRegex("'fortran_order': *(True|False)")]
    private static partial Regex Order();

    [GeneratedRegex(@"'shape': *\(([0-9, ]*)\)")]
    private static partial Regex Sizes();
}
