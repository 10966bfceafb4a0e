using System.Buffers.Binary;
using System.IO.Compression;

namespace JepaT.Tests;

/// <summary>PNG files of any depth, written by hand: what no encoder at hand writes.</summary>
internal static class RawPng
{
    /// <param name="path">The file.</param>
    /// <param name="width">Pixels of a row.</param>
    /// <param name="height">Rows.</param>
    /// <param name="depth">Bits of a sample.</param>
    /// <param name="colour">0 grey, 2 colour.</param>
    /// <param name="row">The bytes of a row.</param>
    public static void Write(string path, int width, int height, byte depth, byte colour, Func<int, byte[]> row)
    {
        using var file = File.Create(path);
        file.Write([0x89, .. "PNG\r\n"u8, 0x1A, (byte)'\n']);
        var head = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(head, width);
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(4), height);
        (head[8], head[9]) = (depth, colour);
        Chunk(file, "IHDR", head);
        using var data = new MemoryStream();
        using (var packed = new ZLibStream(data, CompressionLevel.Fastest))
            for (var y = 0; y < height; y++) packed.Write([0, .. row(y)]);
        Chunk(file, "IDAT", data.ToArray());
        Chunk(file, "IEND", []);
    }

    /// <summary>Checksum of a chunk's name and data.</summary>
    public static uint Crc(ReadOnlySpan<byte> bytes)
    {
        var crc = ~0u;
        foreach (var b in bytes)
        {
            crc ^= b;
            for (var k = 0; k < 8; k++) crc = (crc >> 1) ^ (0xEDB88320 & (0 - (crc & 1)));
        }
        return ~crc;
    }

    private static void Chunk(FileStream file, string name, byte[] data)
    {
        byte[] all = [.. System.Text.Encoding.ASCII.GetBytes(name), .. data];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(all);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc(all));
        file.Write(number);
    }
}
