using System.Buffers.Binary;
using System.IO.Compression;
using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>
/// A gzipped file in the IDX format of MNIST: two zero bytes, the type (8 = unsigned byte), the number of dimensions, each
/// dimension as a big-endian 32-bit number, then the bytes. Here either pictures (N, 28, 28) or labels (N) from 0 to 9.
/// </summary>
/// <param name="Path">Where it was read from.</param>
/// <param name="Count">N, the number of pictures or labels.</param>
/// <param name="Bytes">The values, row by row.</param>
/// <param name="Sha256">SHA-256 of the uncompressed file in lower-case hex: the same however it was compressed.</param>
internal sealed record IdxFile(string Path, int Count, byte[] Bytes, string Sha256)
{
    /// <summary>Height and width of a picture.</summary>
    public const int Side = 28;

    private const int MaxCount = 2_000_000;                                     // 1.5 GB of pictures: nobody's Fashion-MNIST

    /// <summary>Reads pictures (N, 28, 28).</summary>
    /// <exception cref="UserException">The file cannot be opened, is cut off, damaged or holds something else.</exception>
    public static IdxFile ReadImages(string path, string mend) => Read(path, [Side, Side], mend);

    /// <summary>Reads labels (N).</summary>
    /// <exception cref="UserException">The file cannot be opened, is cut off, damaged or holds something else.</exception>
    public static IdxFile ReadLabels(string path, string mend)
    {
        var labels = Read(path, [], mend);
        var wrong = labels.Bytes.AsSpan().IndexOfAnyExceptInRange((byte)0, (byte)9);
        return wrong < 0 ? labels : throw new UserException($"{path}: label {labels.Bytes[wrong]} at place {wrong} is not one of 0 to 9; {mend}");
    }

    private static IdxFile Read(string path, int[] inner, string mend)
    {
        UserException Broken(string why, Exception? cause = null) =>
            cause is null ? new($"{path}: {why}; {mend}") : new($"{path}: {why}; {mend}", cause);

        try
        {
            using var file = File.OpenRead(path);
            using var gzip = new GZipStream(file, CompressionMode.Decompress);
            var header = new byte[8 + 4 * inner.Length];
            var got = gzip.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
            if (got < header.Length) throw Broken($"cut off after {got} bytes of its header");

            var magic = BinaryPrimitives.ReadInt32BigEndian(header);
            if (magic != 0x801 + inner.Length)
                throw Broken(magic switch
                {
                    0x801 => "holds labels where pictures belong",
                    0x803 => "holds pictures where labels belong",
                    _ => "is not an IDX file of bytes",
                });
            var count = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(4));
            if (count is < 1 or > MaxCount) throw Broken($"claims to hold {count} entries");
            for (var i = 0; i < inner.Length; i++)
            {
                var size = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(8 + 4 * i));
                if (size != inner[i]) throw Broken($"its pictures are not {Side} × {Side} (found {size})");
            }

            var bytes = new byte[inner.Aggregate(count, (n, size) => n * size)];
            got = gzip.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
            if (got < bytes.Length) throw Broken($"cut off: {got} of {bytes.Length} bytes are there");
            if (gzip.ReadByte() >= 0) throw Broken($"goes on after its {count} entries (damaged?)");

            // .NET checks the CRC only if it is there: the last four bytes of a gzip file must be the size of its content.
            file.Position = Math.Max(0, file.Length - 4);
            var ending = new byte[4];
            file.ReadExactly(ending);
            if (BinaryPrimitives.ReadUInt32LittleEndian(ending) != (uint)(header.Length + bytes.Length)) throw Broken("cut off in its last bytes");

            using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            sha.AppendData(header);
            sha.AppendData(bytes);
            return new(path, count, bytes, Convert.ToHexStringLower(sha.GetHashAndReset()));
        }
        catch (InvalidDataException e)
        {
            throw Broken("is damaged, cut off or no gzip file", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Broken($"cannot be read ({e.Message})", e);
        }
    }
}
