using System.Buffers.Binary;

namespace JepaT.Tests;

/// <summary>Damage to a file: flipped bits, cut ends, lengths and offsets, opcodes, pieces moved.</summary>
internal static class Mutation
{
    private static readonly byte[] Opcodes = "(.012NJKMGXUTCB)t]laeds}ucRbQqrhj\u0080\u0081\u0085\u0086\u0087\u0088\u0089\u008a\u008b\u008c\u008d\u008e\u008f\u0090\u0091\u0092\u0093\u0094\u0095\u0096PISVLFgpoi".Select(c => (byte)c).ToArray();

    private static readonly long[] Extremes = [0, 1, -1, 127, 255, 65535, int.MaxValue, uint.MaxValue, 1L << 40, 1L << 62, long.MaxValue, long.MinValue];

    public static byte[] Of(byte[] original, Random random)
    {
        var bytes = original.ToArray();
        for (var times = random.Next(1, 4); times > 0; times--) bytes = Once(bytes, random);
        return bytes;
    }

    private static byte[] Once(byte[] bytes, Random random)
    {
        if (bytes.Length < 32) return bytes;
        var at = Place(bytes, random);
        var value = Extremes[random.Next(Extremes.Length)];
        switch (random.Next(10))
        {
            case 0: bytes[at] ^= (byte)(1 << random.Next(8)); return bytes;
            case 1: bytes[at] = (byte)random.Next(256); return bytes;
            case 2: return bytes[..random.Next(bytes.Length)];
            case 3: BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(Math.Min(at, bytes.Length - 8)), value); return bytes;
            case 4: BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(Math.Min(at, bytes.Length - 4)), (int)value); return bytes;
            case 5 or 6: bytes[at] = Opcodes[random.Next(Opcodes.Length)]; return bytes;
            case 7: return [.. bytes[..at], Opcodes[random.Next(Opcodes.Length)], .. bytes[at..]];
            case 8:
                var (from, length) = (Place(bytes, random), random.Next(1, 32));
                bytes.AsSpan(from, Math.Min(length, bytes.Length - from)).ToArray().AsSpan(0, Math.Min(Math.Min(length, bytes.Length - from), bytes.Length - at)).CopyTo(bytes.AsSpan(at));
                return bytes;
            default:
                var digit = Array.FindIndex(bytes, at, b => b is >= (byte)'0' and <= (byte)'9');       // a number in text: shapes, offsets, keys
                if (digit >= 0) bytes[digit] = (byte)('0' + random.Next(10));
                return bytes;
        }
    }

    // Most of a small file is padding; what matters is where bytes differ from zero.
    private static int Place(byte[] bytes, Random random)
    {
        for (var tries = 0; tries < 50; tries++)
            if (random.Next(bytes.Length) is var at && bytes[at] != 0) return at;
        return random.Next(bytes.Length);
    }
}
