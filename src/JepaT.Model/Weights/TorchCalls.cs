namespace JepaT.Model;

/// <summary>The calls in PyTorch's pickles that are understood, by their full names. Each only puts its arguments together.</summary>
internal static class TorchCalls
{
    // Data that checkpoints carry beside the weights. Nothing of it is needed, so nothing is made of it.
    private static readonly HashSet<string> Unneeded =
    [
        "torch.device", "torch.serialization._get_layout", "torch.jit._pickle.build_intlist", "torch.jit._pickle.build_doublelist",
        "torch.jit._pickle.build_boollist", "torch.jit._pickle.build_tensorlist", "torch.jit._pickle.restore_type_tag",
        "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct",
        "numpy.ndarray", "_codecs.encode", "builtins.bytearray", "__builtin__.bytearray", "builtins.complex", "__builtin__.complex", "builtins.slice", "__builtin__.slice",
        "builtins.range", "__builtin__.xrange", "datetime.datetime", "datetime.date", "datetime.timedelta", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath",
        "pathlib.PurePosixPath", "pathlib._local.PosixPath", "uuid.UUID", "fractions.Fraction", "decimal.Decimal",
    ];

    /// <summary>What a function makes of its arguments.</summary>
    /// <exception cref="MalformedException">The function is not known (its full name is told), or the arguments are not its own.</exception>
    public static object? Call(PickleGlobal function, object?[] arguments) => function.Name switch
    {
        "torch._utils._rebuild_tensor_v2" or "torch._utils._rebuild_tensor" => Tensor(arguments, typeAt: -1),
        "torch._utils._rebuild_tensor_v3" => Tensor(arguments, typeAt: 6),
        "torch._utils._rebuild_parameter" or "torch._utils._rebuild_parameter_with_state" => arguments is [TorchTensor tensor, ..] ? tensor : throw Wrong(function),
        // A defaultdict's argument is a function that makes defaults; the items follow by themselves.
        "collections.OrderedDict" or "collections.defaultdict" or "collections.Counter" => new PickleDict(),
        // The same items under another name, never a copy: a short pickle could ask for a million copies.
        "torch.Size" or "builtins.tuple" or "__builtin__.tuple" or "builtins.set" or "__builtin__.set" or "builtins.frozenset" or "__builtin__.frozenset"
            or "collections.deque" => arguments is [object?[] or PickleList, ..] ? arguments[0] : new PickleList(),
        "copyreg._reconstructor" or "copy_reg._reconstructor" when arguments is [PickleGlobal type, ..] => New(type),
        var name when Unneeded.Contains(name) => new PickleObject(name),
        var name => throw new MalformedException($"its pickle calls {Plain.Text(name)}, which is refused: a weights file may not run functions; if you trust the file, "
            + "load it in PyTorch and save the state dictionary alone"),
    };

    /// <summary>An object of a class, never constructed; dictionaries are known.</summary>
    public static object New(PickleGlobal type) => type.Name is "collections.OrderedDict" or "collections.defaultdict" or "builtins.dict" or "__builtin__.dict"
        ? new PickleDict() : new PickleObject(type.Name);

    /// <summary>A storage from its persistent id: ('storage', class, key, device, elements[, (view's key, first, elements)]).</summary>
    public static TorchStorage Storage(object?[]? id)
    {
        if (id is not ["storage", PickleGlobal type, string key, _, long total, ..] || total < 0) throw new MalformedException("its pickle refers to something other than a storage");
        var dot = type.Name.LastIndexOf('.');
        if (type.Name[..dot] is not ("torch" or "torch.cuda" or "torch.storage")) throw Unknown();
        var name = type.Name[(dot + 1)..];
        var element = name is "UntypedStorage" or "_UntypedStorage" ? null : ElementType.All.FirstOrDefault(t => t.Storage == name) ?? throw Unknown();
        return id is [.., object?[] view]
            ? view is [_, long first, long count] && first >= 0 && count >= 0 && first <= total && count <= total - first ? new(key, element, total, first, count)
                : throw new MalformedException("its pickle views a storage beyond its end")
            : new(key, element, total, 0, total);

        MalformedException Unknown() => new($"its pickle holds numbers in {Plain.Text(type.Name)}, which is not known here");
    }

    // (storage, first element, shape, strides, requires grad, hooks[, type][, metadata])
    private static TorchTensor Tensor(object?[] arguments, int typeAt)
    {
        if (arguments is not [TorchStorage storage, long first, var shape, var strides, ..]) throw new MalformedException("its pickle makes a tensor of what is no storage");
        var type = typeAt < 0 ? storage.Type
            : arguments.Length > typeAt && arguments[typeAt] is PickleGlobal global ? ElementType.All.FirstOrDefault(t => "torch." + t.Name == global.Name) : null;
        if (type is null || storage.Type is not null && storage.Type != type) throw new MalformedException("its pickle makes a tensor of a type that is not known here");
        // Views that PyTorch negates or conjugates only when they are used: their numbers in the file are not their values.
        if (arguments.Length > (typeAt < 0 ? 6 : 7) && arguments[^1] is PickleDict { Items: var marks } && marks.Any(m => m is { Key: "neg" or "conj", Value: not false }))
            throw new MalformedException("holds a tensor that PyTorch has marked as negated or conjugated without doing it: save it again after .resolve_neg() and .resolve_conj()");
        return TorchTensor.Of(storage, type, first, Numbers(shape), Numbers(strides));
    }

    private static long[] Numbers(object? value)
    {
        IReadOnlyList<object?>? items = value switch { object?[] tuple => tuple, PickleList list => list.Items, _ => null };
        return items is { Count: <= 64 } && items.All(i => i is long) ? [.. items.Select(i => (long)i!)]
            : throw new MalformedException("its pickle makes a tensor of a shape that is none");
    }

    private static MalformedException Wrong(PickleGlobal function) => new($"its pickle calls {function.Name} with other arguments than PyTorch does");
}
