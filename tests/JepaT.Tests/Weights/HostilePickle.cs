using System.Buffers.Binary;
using System.Text;

namespace JepaT.Tests;

/// <summary>Legacy PyTorch files written by hand: one storage of four floats, and a pickle that is wrong in one way.</summary>
internal static class HostilePickle
{
    private const long Huge = 1L << 62;

    public static byte[] Legacy(string kind, byte protocol = 2)
    {
        var value = Value(kind);
        var (count, numel) = kind switch { "a huge storage" => (4, 1L << 60), "ten thousand names of one storage" => (4096, 4096), "plain bytes" => (4, 16), _ => (4, 4) };
        MemoryStream file = new();
        Pickle(0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, (byte)'.');
        Pickle((byte)'M', 0xe9, 0x03, (byte)'.');
        Pickle([.. Join("}", Text("little_endian")), 0x88, .. Join("s.")]);
        Pickle([.. value, (byte)'.']);
        var usesStorage = value.AsSpan().IndexOf("Storage\n"u8) >= 0;
        Pickle(Join("]", usesStorage ? Join(Text("0"), "a.") : Join(".")));
        var data = new byte[8 + 4 * count];
        BinaryPrimitives.WriteInt64LittleEndian(data, numel);
        for (var i = 0; i < count; i++) BinaryPrimitives.WriteSingleLittleEndian(data.AsSpan(8 + 4 * i), i + 1);
        file.Write(data);
        return file.ToArray();

        // From protocol 4 on, Python puts a pickle into frames.
        void Pickle(params byte[] body) => file.Write(protocol < 4 ? [0x80, protocol, .. body] : [0x80, protocol, 0x95, .. BitConverter.GetBytes((long)body.Length), .. body]);
    }

    private static byte[] Value(string kind) => kind switch
    {
        "nothing wrong" => Dict(Tensor()),
        // As PyTorch 2 writes types that have no storage class of their own.
        "plain bytes" => Dict(Join("ctorch._utils\n_rebuild_tensor_v3\n((", Text("storage"), "ctorch.storage\nUntypedStorage\n", Text("0"), Text("cpu"), Number(16), "tQ",
            Number(0), Tuple([2, 2]), Tuple([2, 1]), "\u0089ccollections\nOrderedDict\n)Rctorch\nfloat32\ntR")),
        "nested lists" => Join("}", Text("a"), new string(']', 1000), new string('a', 999), "s"),
        "nested dictionaries" => Join("}", Text("a"), Repeat(1000, Join("}", Text("b"))), "N", new string('s', 1000), "s"),
        "a dictionary in itself" => Join("}q\0", Text("a"), "h\0s"),
        "one dictionary in 2^30 places" => Doubling(30),
        "a shape of 2^124" => Dict(Tensor(shape: [Huge, Huge])),
        "a shape of 2^62 and 0" => Dict(Tensor(shape: [Huge, Huge, 0], strides: [0, 0, 1])),
        "a negative shape" => Dict(Tensor(shape: [-1, 4])),
        "more numbers than the storage has" => Dict(Tensor(shape: [5], strides: [1])),
        "one number a million million times" => Dict(Tensor(shape: [1_000_000, 1_000_000], strides: [0, 0])),
        "expanded views" => Dict(Tensor(), Text("small"), Tensor(shape: [4, 2], strides: [0, 1]), Text("large"), Tensor(shape: [1_000_000, 1_000_000], strides: [0, 0])),
        "strides beyond the storage" => Dict(Tensor(strides: [3, 1])),
        "strides that overflow" => Dict(Tensor(strides: [long.MaxValue, long.MaxValue])),
        "a negative stride" => Dict(Tensor(strides: [-2, 1])),
        "an offset beyond the storage" => Dict(Tensor(first: long.MaxValue)),
        "a huge storage" => Dict(Tensor(numel: 1L << 60)),
        "a view beyond its storage" => Dict(Tensor(view: Join("(", Text("v"), Number(long.MaxValue), Number(2), "t"))),
        "ten thousand names of one storage" => Join("}", Text("a"), Tensor([4096], [1], numel: 4096), "q\u0001s", Repeat(10_000, i => Join(Text("n" + i), "h\u0001s"))),
        "a text of 2^62 letters" => Join("}", Raw(0x8d, 0, 0, 0, 0, 0, 0, 0, 0x40), "Ns"),
        "a number of 2^31 bytes" => Join("}", Text("a"), Raw(0x8b, 0, 0, 0, 0x80), "s"),
        "a call of eval" => Dict(Tensor(), Text("b"), Join("cbuiltins\neval\n(", Text("1+1"), "tR")),
        "a call by attribute" => Dict(Tensor(), Text("b"), Join("cbuiltins\ngetattr\n(cos\nenviron\n", Text("clear"), "tR)R")),
        "a call of what a call made" => Dict(Tensor(), Text("b"), Join("ccollections\nOrderedDict\n)R)R")),
        "six million operations" => [.. Encoding.Latin1.GetBytes(new string('}', 1)), .. Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat("N0", 3_000_000)))],
        "a long class name, often" => Join(Raw((byte)'X', 0xd0, 7, 0, 0), new string('x', 2000), "q\0", Repeat(100, i => Join("h\0h\0", Raw(0x93)))),
        "nothing on the stack" => Join("}", Text("a"), "ss"),
        "a recall of nothing" => Join("}", Text("a"), "h\u0009s"),
        "a storage that is none" => Join("}", Text("a"), Text("storage"), Raw(0x85), "Qs"),
        // The seventh argument, as torch.save writes it for x.conj().imag.
        "a negation not yet done" => Dict(Tensor(metadata: Join("}", Text("neg"), "\u0088s"))),
        "marks that say nothing" => Dict(Tensor(metadata: Join("}", Text("neg"), "\u0089s"))),
        "a key twice" => Dict(Tensor(), Text("a"), Tensor()),
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, null),
    };

    private static byte[] Dict(byte[] tensor, params byte[][] more) => Join("}(", Text("a"), tensor, Join([.. more.Cast<object>()]), "u");

    private static byte[] Tensor(long[]? shape = null, long[]? strides = null, long first = 0, long numel = 4, byte[]? view = null, byte[]? metadata = null) => Join(
        "ctorch._utils\n_rebuild_tensor_v2\n((", Text("storage"), "ctorch\nFloatStorage\n", Text("0"), Text("cpu"), Number(numel), view ?? Join("N"), "tQ",
        Number(first), Tuple(shape ?? [2, 2]), Tuple(strides ?? (shape is { Length: 2 } or null ? [2, 1] : [4, 2, 1])), "\u0089ccollections\nOrderedDict\n)R", metadata ?? [], "tR");

    // Each dictionary holds the one before twice.
    private static byte[] Doubling(int times) => Join("}", Text("x"), "]sq\0", Repeat(times, i => Join("}(", Text("a"), "h", Raw((byte)i), Text("b"), "h", Raw((byte)i), "uq", Raw((byte)(i + 1)))));

    private static byte[] Tuple(long[] numbers) => Join("(", Join([.. numbers.Select(n => (object)Number(n))]), "t");

    private static byte[] Number(long value)
    {
        var bytes = new byte[10];
        (bytes[0], bytes[1]) = (0x8a, 8);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(2), value);
        return bytes;
    }

    private static byte[] Text(string text) => [(byte)'X', (byte)text.Length, 0, 0, 0, .. Encoding.ASCII.GetBytes(text)];

    private static byte[] Raw(params byte[] bytes) => bytes;

    private static byte[] Repeat(int times, byte[] part) => Repeat(times, _ => part);

    private static byte[] Repeat(int times, Func<int, byte[]> part) => [.. Enumerable.Range(0, times).SelectMany(part)];

    private static byte[] Join(params object[] parts) => [.. parts.SelectMany(p => p as byte[] ?? Encoding.Latin1.GetBytes((string)p))];
}
