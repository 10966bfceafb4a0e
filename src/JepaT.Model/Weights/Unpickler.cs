using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace JepaT.Model;

/// <summary>
/// Reads a Python pickle (protocols 2 to 5) as data. Pickles are programs: they may name any function and have it called. This reader
/// has no way to do so: it knows the few calls that PyTorch's tensors are made of (<see cref="TorchCalls"/>), refuses every other call by
/// the function's full name, and keeps objects of unknown classes (such as a checkpoint's <c>argparse.Namespace</c>) as named
/// placeholders. General unpicklers, as in Razorvine.Pickle and hence TorchSharp.PyBridge, construct what a pickle names from a table,
/// know neither limits nor memory maps, and read a checkpoint as a whole.
/// </summary>
internal sealed class Unpickler(ByteReader input)
{
    // A checkpoint of 1,500 tensors with optimizer takes some 400,000 operations; each leaves at most a small object.
    private const int MaxOperations = 5_000_000;

    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<long, object?> memo = [];

    /// <summary>Every storage named, by key, for files that list them afterwards.</summary>
    public Dictionary<string, TorchStorage> Storages { get; } = [];

    /// <summary>Reads one pickle, up to its end mark.</summary>
    /// <exception cref="MalformedException">It is none, is cut off, or calls what is refused.</exception>
    public object? Read()
    {
        for (var i = 0; i < MaxOperations; i++)
        {
            var code = input.Byte();
            if (code == '.') return Pop();
            Step(code);
        }
        throw new MalformedException($"its pickle takes more than {MaxOperations} operations");
    }

    private void Step(byte code)
    {
        switch (code)
        {
            case 0x80: if (input.Byte() is > 5 or < 2) throw Bad("is of an unknown pickle protocol"); break;
            case 0x95: Number(8); break;                                            // FRAME: where blocks end, of no concern
            case (byte)'(': marks.Add(stack.Count); break;
            case (byte)'0': Pop(); break;
            case (byte)'1': PopMark(); break;
            case (byte)'2': var top = Pop(); stack.Add(top); stack.Add(top); break;
            case (byte)'N': stack.Add(null); break;
            case 0x88: stack.Add(true); break;
            case 0x89: stack.Add(false); break;
            case (byte)'J': stack.Add((long)(int)Number(4)); break;
            case (byte)'K': stack.Add((long)input.Byte()); break;
            case (byte)'M': stack.Add(Number(2)); break;
            case 0x8a: stack.Add(Integer(input.Bytes(input.Byte()))); break;
            case 0x8b: stack.Add(Integer(input.Bytes(Number(4) is <= 1024 and var n ? n : throw Bad("holds a number of more than 1024 bytes")))); break;
            case (byte)'G': stack.Add(Double()); break;
            case 0x8c: stack.Add(Text(input.Byte())); break;
            case (byte)'X': stack.Add(Text(Number(4))); break;
            case 0x8d: stack.Add(Text(Number(8))); break;
            case (byte)'U': stack.Add(Text(input.Byte())); break;
            case (byte)'T': stack.Add(Text(Number(4))); break;
            case (byte)'C': stack.Add(input.Bytes(input.Byte())); break;
            case (byte)'B': stack.Add(input.Bytes(Number(4))); break;
            case 0x8e or 0x96: stack.Add(input.Bytes(Number(8))); break;
            case (byte)')': stack.Add(Array.Empty<object?>()); break;
            case (byte)'t': stack.Add(PopMark()); break;
            case 0x85: stack.Add(new[] { Pop() }); break;
            case 0x86: var second = Pop(); stack.Add(new[] { Pop(), second }); break;
            case 0x87: var third = Pop(); second = Pop(); stack.Add(new[] { Pop(), second, third }); break;
            case (byte)']' or 0x8f: stack.Add(new PickleList()); break;
            case (byte)'l' or 0x91: var items = PopMark(); stack.Add(new PickleList()); Append(items); break;
            case (byte)'a': var item = Pop(); Append([item]); break;
            case (byte)'e' or 0x90: Append(PopMark()); break;
            case (byte)'}': stack.Add(new PickleDict()); break;
            case (byte)'d': items = PopMark(); stack.Add(new PickleDict()); SetItems(items); break;
            case (byte)'s': var value = Pop(); SetItems([Pop(), value]); break;
            case (byte)'u': SetItems(PopMark()); break;
            case (byte)'c': var module = Line(); stack.Add(new PickleGlobal($"{module}.{Line()}")); break;
            case 0x93: var name = PopName(); stack.Add(new PickleGlobal($"{PopName()}.{name}")); break;
            case (byte)'R': var arguments = Pop(); stack.Add(TorchCalls.Call(PopGlobal(), arguments as object?[] ?? throw Bad("calls without arguments"))); break;
            case 0x81: Pop(); stack.Add(TorchCalls.New(PopGlobal())); break;
            case 0x92: Pop(); Pop(); stack.Add(TorchCalls.New(PopGlobal())); break;
            case (byte)'b': Build(Pop()); break;
            case (byte)'Q': stack.Add(Persistent(Pop() as object?[])); break;
            case (byte)'q': memo[input.Byte()] = Peek(); break;
            case (byte)'r': memo[Number(4)] = Peek(); break;
            case 0x94: memo[memo.Count] = Peek(); break;
            case (byte)'h': stack.Add(Recall(input.Byte())); break;
            case (byte)'j': stack.Add(Recall(Number(4))); break;
            default: throw Bad($"holds the pickle operation 0x{code:x2}, which PyTorch does not write");
        }
    }

    private object? Recall(long key) => memo.TryGetValue(key, out var value) ? value : throw Bad("recalls what it did not store");

    private object? Persistent(object?[]? id)
    {
        // ('module', class, source file, source text) stands for the class in old files that hold whole modules.
        if (id is ["module", PickleGlobal type, ..]) return type;
        var storage = TorchCalls.Storage(id);
        if (Storages.TryGetValue(storage.Key, out var known) && (known.Type != storage.Type || known.Total != storage.Total)) throw Bad($"describes the storage {Plain.Text(storage.Key)} in two ways");
        Storages[storage.Key] = storage;
        return storage;
    }

    // Attributes that are set on dictionaries (a state dictionary's _metadata) or tensors do not matter here.
    private void Build(object? state)
    {
        if (Peek() is PickleObject o) o.Attributes = state as PickleDict;
    }

    private void Append(object?[] items)
    {
        if (Peek() is PickleList list) list.Items.AddRange(items);
        else if (Peek() is not PickleObject) throw Bad("appends to what is no list");
    }

    private void SetItems(object?[] items)
    {
        if (items.Length % 2 != 0) throw Bad("has a key without a value");
        if (Peek() is PickleDict dict)
            for (var i = 0; i < items.Length; i += 2) dict.Items.Add((items[i], items[i + 1]));
        else if (Peek() is not PickleObject) throw Bad("sets items of what is no dictionary");
    }

    private int Bottom => marks.Count > 0 ? marks[^1] : 0;

    private object? Peek() => stack.Count > Bottom ? stack[^1] : throw Bad("takes from an empty stack");

    private object? Pop()
    {
        var value = Peek();
        stack.RemoveAt(stack.Count - 1);
        return value;
    }

    private object?[] PopMark()
    {
        if (marks.Count == 0) throw Bad("lacks a mark");
        var items = stack.GetRange(Bottom, stack.Count - Bottom).ToArray();
        stack.RemoveRange(Bottom, items.Length);
        marks.RemoveAt(marks.Count - 1);
        return items;
    }

    private string PopName() => Pop() is string { Length: <= 1000 } name ? name : throw Bad("names no class by a text");

    private PickleGlobal PopGlobal() => Pop() as PickleGlobal ?? throw Bad("calls what is no class or function");

    private string Text(long length) => Encoding.UTF8.GetString(input.Bytes(length));

    private string Line()
    {
        List<byte> bytes = [];
        for (var b = input.Byte(); b != '\n'; b = input.Byte())
            if (bytes.Count < 1000) bytes.Add(b);
            else throw Bad("names a class of more than 1000 letters");
        return Encoding.UTF8.GetString([.. bytes]);
    }

    private long Number(int bytes)
    {
        Span<byte> number = stackalloc byte[8];
        number.Clear();
        input.Bytes(number[..bytes]);
        return BinaryPrimitives.ReadInt64LittleEndian(number) is >= 0 and var n ? n : throw Bad("holds a length that is no length");
    }

    private double Double()
    {
        Span<byte> number = stackalloc byte[8];
        input.Bytes(number);
        return BinaryPrimitives.ReadDoubleBigEndian(number);
    }

    // Little endian, two's complement, any length.
    private static object Integer(byte[] bytes)
    {
        if (bytes.Length > 8) return new BigInteger(bytes);
        long value = bytes.Length > 0 && bytes[^1] > 127 ? -1 : 0;
        for (var i = bytes.Length - 1; i >= 0; i--) value = (value << 8) | bytes[i];
        return value;
    }

    private static MalformedException Bad(string why) => new("its pickle " + why);
}
