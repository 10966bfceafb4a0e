using System.IO.Compression;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>
/// NumPy's .npz: a zip of .npy arrays, stored or deflated, in which FID statistics and ADM's batches of pictures are published.
/// Nothing is extracted or executed, arrays of Python objects are refused, and no more memory is taken than the entry's bytes fill.
/// Our own, since rows must come one batch at a time (ADM's pictures have 10 GB) and every size is checked against the file.
/// </summary>
public sealed class NpzFile : IDisposable
{
    private const int Deflate = 1032;                   // most bytes that one byte of deflated data can stand for
    private readonly string path;
    private readonly ZipArchive zip;

    private NpzFile(string path, ZipArchive zip) => (this.path, this.zip) = (path, zip);

    /// <summary>Names of the arrays, without <c>.npy</c>.</summary>
    public IReadOnlyList<string> Names => [.. zip.Entries.Select(e => e.FullName).Where(n => n.EndsWith(".npy", StringComparison.Ordinal)).Select(n => n[..^4])];

    /// <summary>Opens a file; arrays are read when asked for.</summary>
    /// <exception cref="UserException">It is missing or no zip.</exception>
    public static NpzFile Open(string path) => Guard(path, "", () =>
    {
        var file = File.OpenRead(path);
        try
        {
            var npz = new NpzFile(path, new ZipArchive(file, ZipArchiveMode.Read));
            _ = npz.zip.Entries.Count;                  // reads the directory now
            return npz;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    });

    /// <summary>Writes arrays as <c>np.savez</c> does (stored). Not atomic: write to a temporary name and move.</summary>
    public static void Save(string path, IEnumerable<KeyValuePair<string, Tensor>> arrays)
    {
        using var zip = new ZipArchive(File.Create(path), ZipArchiveMode.Create);
        foreach (var (name, array) in arrays)
        {
            using var scope = NewDisposeScope();
            using var entry = zip.CreateEntry(name + ".npy", CompressionLevel.NoCompression).Open();
            var data = array.detach().cpu().contiguous();
            entry.Write(NpyHeader.Write(data));
            entry.Write(Bytes(data));
        }
    }

    /// <summary>The array as a tensor on the CPU, detached from any scope: the caller owns it.</summary>
    /// <exception cref="UserException">There is none of that name, or it is broken.</exception>
    public Tensor Read(string name) => Guard(path, name, () =>
    {
        using var stream = Start(name, out var header);
        if (header.DataBytes > int.MaxValue) throw new InvalidDataException($"has {header.DataBytes >> 20} MB, too many to be read at once");
        var tensor = empty(header.Fortran ? [.. header.Shape.Reverse()] : header.Shape, dtype: header.Type).DetachFromDisposeScope();
        try
        {
            stream.ReadExactly(Bytes(tensor));
            Finish(name, stream);
        }
        catch
        {
            tensor.Dispose();
            throw;
        }
        if (!header.Fortran || header.Shape.Length < 2) return tensor;
        using (tensor) return tensor.permute([.. Enumerable.Range(0, header.Shape.Length).Select(i => (long)i).Reverse()]).contiguous().DetachFromDisposeScope();
    });

    /// <summary>The array in batches of rows, (≤ batch, …) each, with memory for one; the caller disposes each.</summary>
    /// <exception cref="UserException">There is none of that name, it has no rows in C order, or it is broken.</exception>
    public IEnumerable<Tensor> Rows(string name, int batch)
    {
        NpyHeader? header = null;
        using var stream = Guard(path, name, () => Start(name, out header));
        if (header!.Shape.Length == 0 || header.Fortran) throw Broken(path, name, "has no rows in C order");
        for (long at = 0; at < header.Shape[0]; at += batch)
        {
            var rows = Guard(path, name, () =>
            {
                var tensor = empty([Math.Min(batch, header.Shape[0] - at), .. header.Shape[1..]], dtype: header.Type).DetachFromDisposeScope();
                try
                {
                    stream.ReadExactly(Bytes(tensor));
                    if (at + batch >= header.Shape[0]) Finish(name, stream);
                }
                catch
                {
                    tensor.Dispose();
                    throw;
                }
                return tensor;
            });
            yield return rows;
        }
    }

    /// <summary>Shape of an array.</summary>
    /// <exception cref="UserException">There is none of that name, or it is broken.</exception>
    public IReadOnlyList<long> Shape(string name) => Guard(path, name, () =>
    {
        using var stream = Start(name, out var header);
        return header.Shape;
    });

    public void Dispose() => zip.Dispose();

    /// <summary>Opens an entry, checks its head against the bytes that can be there, and leaves the stream at the data.</summary>
    private ChecksumStream Start(string name, out NpyHeader header)
    {
        var entry = zip.GetEntry(name + ".npy") ?? throw new InvalidDataException($"is not among its arrays ({string.Join(", ", Names.Take(8))})");
        var stream = new ChecksumStream(entry.Open());
        try
        {
            header = NpyHeader.Read(stream);
            if (stream.Count + (Int128)header.DataBytes != entry.Length || entry.Length > (Int128)Deflate * entry.CompressedLength + Deflate)
                throw new InvalidDataException($"its shape ({string.Join(", ", header.Shape)}) does not fit the {entry.Length} bytes that are there (is the file cut off?)");
            return stream;
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private void Finish(string name, ChecksumStream stream)
    {
        if (stream.Crc32 != zip.GetEntry(name + ".npy")!.Crc32) throw new InvalidDataException("has a wrong checksum: the file is damaged");
    }

    private static Span<byte> Bytes(Tensor contiguous) => contiguous.numel() == 0 ? [] : MemoryMarshal.AsBytes(contiguous.bytes);

    private static T Guard<T>(string path, string name, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or ArgumentException or OverflowException)
        {
            throw Broken(path, name, e is EndOfStreamException ? "ends too early (is the file cut off?)" : e.Message);
        }
    }

    private static UserException Broken(string path, string name, string why) =>
        new($"{path}: {(name.Length > 0 ? $"array {name} " : "no readable .npz: ")}{why}".ReplaceLineEndings(" "));
}
