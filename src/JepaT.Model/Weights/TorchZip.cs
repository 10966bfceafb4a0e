using System.Buffers.Binary;
using System.Text;

namespace JepaT.Model;

/// <summary>
/// The directory of a zip archive as PyTorch writes them: weights stored as they are, so that a tensor is a range of the file. Names are
/// only looked up, nothing is unpacked: a name such as <c>../../x</c> is one that nobody asks for.
/// </summary>
internal sealed class TorchZip
{
    private const uint EndMark = 0x06054b50, End64Mark = 0x06064b50, LocatorMark = 0x07064b50, EntryMark = 0x02014b50, LocalMark = 0x04034b50;

    private const int MaxEntries = 1_000_000;

    private readonly Dictionary<string, (long Offset, long Length, bool Plain)> entries = [];
    private readonly ByteSource file;

    /// <exception cref="MalformedException">It is no zip archive, is cut off, or a record lies outside it or is there twice.</exception>
    public TorchZip(ByteSource file)
    {
        this.file = file;
        var (count, start, size) = Directory();
        var reader = new ByteReader(file, start, start + size);
        for (var i = 0L; i < count; i++) Entry(reader, start);
    }

    public IEnumerable<string> Names => entries.Keys;

    /// <summary>Where a record lies, or null.</summary>
    /// <exception cref="MalformedException">It is compressed or encrypted. PyTorch compresses the code of TorchScript alone, which nobody asks for.</exception>
    public (long Offset, long Length)? Find(string name) => !entries.TryGetValue(name, out var entry) ? null
        : entry.Plain ? (entry.Offset, entry.Length)
        : throw Bad($"{Plain.Text(name)} is compressed or encrypted, which PyTorch's weights never are: unpack it and pack it with zip -0");

    private void Entry(ByteReader reader, long directoryStart)
    {
        Span<byte> head = stackalloc byte[46];
        reader.Bytes(head);
        if (BinaryPrimitives.ReadUInt32LittleEndian(head) != EntryMark) throw Bad("its directory is damaged");
        var (flags, method) = (U16(head, 8), U16(head, 10));
        long packed = U32(head, 20), length = U32(head, 24), offset = U32(head, 42);
        var name = Encoding.UTF8.GetString(reader.Bytes(U16(head, 28)));
        Extra(reader.Bytes(U16(head, 30)), ref length, ref packed, ref offset);
        reader.Bytes(U16(head, 32));
        var plain = method == 0 && packed == length && (flags & 1) == 0;

        Span<byte> local = stackalloc byte[30];
        file.Read(offset, local);
        var data = offset + 30 + U16(local, 26) + U16(local, 28);
        if (U32(local, 0) != LocalMark || length < 0 || data > directoryStart || plain && length > directoryStart - data) throw Bad($"{Plain.Text(name)} lies outside the file");
        if (!entries.TryAdd(name, (data, length, plain))) throw Bad($"{Plain.Text(name)} is there twice");
    }

    // Sizes of 4 GB and more stand in the extra field 1, in this order, those only that the 32-bit fields cannot hold.
    private static void Extra(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long offset)
    {
        while (extra.Length >= 4)
        {
            var (id, size) = (U16(extra, 0), U16(extra, 2));
            if (size > extra.Length - 4) return;
            var field = extra.Slice(4, size);
            if (id == 1)
            {
                Take(ref length, ref field);
                Take(ref packed, ref field);
                Take(ref offset, ref field);
            }
            extra = extra[(4 + size)..];
        }

        static void Take(ref long value, ref ReadOnlySpan<byte> field)
        {
            if (value != uint.MaxValue || field.Length < 8) return;
            value = BinaryPrimitives.ReadInt64LittleEndian(field);
            field = field[8..];
        }
    }

    private (long Count, long Start, long Size) Directory()
    {
        var tail = new byte[Math.Min(file.Length, 22 + ushort.MaxValue)];
        var tailStart = file.Length - tail.Length;
        file.Read(tailStart, tail);
        var at = tail.Length - 22;
        while (at >= 0 && U32(tail, at) != EndMark) at--;
        if (at < 0) throw Bad("its directory is missing (is it cut off?)");
        long count = U16(tail, at + 10), size = U32(tail, at + 12), start = U32(tail, at + 16);
        var locator = tailStart + at - 20;
        Span<byte> large = stackalloc byte[56];
        if (locator >= 0)
        {
            file.Read(locator, large[..20]);
            if (U32(large, 0) == LocatorMark)
            {
                file.Read(BinaryPrimitives.ReadInt64LittleEndian(large[8..]), large);
                if (U32(large, 0) != End64Mark) throw Bad("its directory is damaged");
                (count, size, start) = (BinaryPrimitives.ReadInt64LittleEndian(large[32..]), BinaryPrimitives.ReadInt64LittleEndian(large[40..]), BinaryPrimitives.ReadInt64LittleEndian(large[48..]));
            }
        }
        if (start < 0 || size < 0 || start > file.Length || size > file.Length - start || count < 0 || count > Math.Min(size / 46, MaxEntries)) throw Bad("its directory is damaged");
        return (count, start, size);
    }

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static MalformedException Bad(string why) => new($"not a readable PyTorch file: in its zip archive, {why}");
}
