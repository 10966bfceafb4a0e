using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace JepaT.Model;

/// <summary>PyTorch's two file formats: what the pickle holds, and where in the file each storage's numbers lie.</summary>
/// <param name="Format">Which of them, for people.</param>
/// <param name="Root">What was saved.</param>
/// <param name="Storages">First byte of each storage.</param>
internal sealed record TorchFile(string Format, object? Root, IReadOnlyDictionary<string, long> Storages)
{
    private static readonly BigInteger Magic = BigInteger.Parse("1950a86a20f9469cfc6c", System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture);

    // LONG1, 10 bytes: the magic number, little endian, as pickled; PROTO stands before it.
    private static ReadOnlySpan<byte> LegacyStart => [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

    /// <summary>Reads a file of either format; null where it begins as neither.</summary>
    /// <exception cref="MalformedException">It is damaged, of another byte order, or its pickle is refused.</exception>
    public static TorchFile? Read(ByteSource file)
    {
        Span<byte> start = stackalloc byte[(int)Math.Min(file.Length, 262)];
        file.Read(0, start);
        if (start.StartsWith("PK\x03\x04"u8)) return ReadZip(file);
        if (start.Length > 0 && start[0] == 0x80) return ReadLegacy(file, start);
        if (start.StartsWith("L119547037146038801333356L\n"u8))                           // the magic number as protocols 0 and 1 write it
            throw new MalformedException("was pickled with protocol 0 or 1, which is not read: load it in PyTorch and save it with the usual pickle_protocol");
        if (start.Length == 262 && start[257..].SequenceEqual("ustar"u8))
            throw new MalformedException("is a tar archive, the format of PyTorch before 0.2: load it in PyTorch and save it again");
        return null;
    }

    private static TorchFile ReadZip(ByteSource file)
    {
        var zip = new TorchZip(file);
        const string pickle = "data.pkl";
        var root = zip.Names.Where(n => n == pickle || n.EndsWith("/" + pickle, StringComparison.Ordinal)).MinBy(n => n.Length)
            ?? throw new MalformedException("not a PyTorch file: a zip archive without a data.pkl");
        var folder = root[..^pickle.Length];
        if (zip.Find(folder + "byteorder") is { Length: < 16 } order)
        {
            var bytes = new byte[order.Length];
            file.Read(order.Offset, bytes);
            if (Encoding.UTF8.GetString(bytes).Trim() != "little") throw BigEndian();
        }
        var (offset, length) = zip.Find(root)!.Value;
        var unpickler = new Unpickler(new ByteReader(file, offset, offset + length));
        var value = unpickler.Read();
        Dictionary<string, long> places = [];
        foreach (var (key, storage) in unpickler.Storages)
        {
            var record = zip.Find($"{folder}data/{key}") ?? throw new MalformedException($"the numbers of its storage {Plain.Text(key)} are missing");
            if (storage.Total > record.Length / (storage.Type?.Size ?? 1)) throw new MalformedException($"its storage {Plain.Text(key)} is shorter than the {storage.Total} numbers announced (is it cut off?)");
            places[key] = record.Offset;
        }
        return new(value is PickleObject { IsScriptModule: true } ? "TorchScript" : "PyTorch", value, places);
    }

    /// <summary>Magic number, protocol and system as pickles, the value, the list of its storages' keys; then each one's length and numbers.</summary>
    private static TorchFile ReadLegacy(ByteSource file, ReadOnlySpan<byte> start)
    {
        var frame = start is [_, >= 4, 0x95, ..] ? 9 : 0;                                  // FRAME and its length, from protocol 4 on
        if (start.Length < 2 + frame + LegacyStart.Length) throw new MalformedException("ends too early (is it cut off?)");
        if (!start[(2 + frame)..].StartsWith(LegacyStart)) throw new MalformedException("is a pickle, but not one of PyTorch's weights files: save a state dictionary with torch.save");
        var reader = new ByteReader(file, 0, file.Length);
        if (Unpickle() is not BigInteger magic || magic != Magic || Unpickle() is not 1001L) throw new MalformedException("is a PyTorch file of an unknown version");
        if (Unpickle() is PickleDict system && system.Items.Any(i => i is ("little_endian", false))) throw BigEndian();
        var unpickler = new Unpickler(reader);
        var value = unpickler.Read();
        if (Unpickle() is not PickleList keys) throw new MalformedException("lacks the list of its storages");
        var position = reader.Position;
        Dictionary<string, long> places = [];
        Span<byte> number = stackalloc byte[8];
        foreach (var item in keys.Items)
        {
            if (item is not string key || !unpickler.Storages.TryGetValue(key, out var storage)) throw new MalformedException("lists a storage that no tensor uses");
            file.Read(position, number);
            position += 8;
            var size = storage.Type?.Size ?? 1;
            if (BinaryPrimitives.ReadInt64LittleEndian(number) != storage.Total || storage.Total > (file.Length - position) / size)
                throw new MalformedException($"its storage {Plain.Text(key)} does not hold the {storage.Total} numbers announced (is it cut off?)");
            places[key] = position;
            position += storage.Total * size;
        }
        if (unpickler.Storages.Keys.FirstOrDefault(k => !places.ContainsKey(k)) is { } missing) throw new MalformedException($"the numbers of its storage {Plain.Text(missing)} are missing");
        return new("PyTorch, legacy", value, places);

        object? Unpickle() => new Unpickler(reader).Read();
    }

    private static MalformedException BigEndian() => new("was written on a big-endian machine: load it in PyTorch and save it on a usual one");
}
