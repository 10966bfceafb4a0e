using System.Buffers.Binary;
using System.Numerics;

namespace JepaT.Lab;

/// <summary>The checksum CRC-32C (Castagnoli) by the processor's own instruction: gigabytes a second, so that it can be checked at each read.</summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var crc = ~0u;
        for (; bytes.Length >= 8; bytes = bytes[8..]) crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        foreach (var b in bytes) crc = BitOperations.Crc32C(crc, b);
        return ~crc;
    }
}
