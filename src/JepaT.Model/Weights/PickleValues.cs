namespace JepaT.Model;

/// <summary>The name of a class or function, <c>module.name</c>. Only ever a name: nothing is looked up, imported or run.</summary>
internal sealed record PickleGlobal(string Name);

/// <summary>An object of a class that is not known here: its class's name, and what it holds. It is never constructed.</summary>
internal sealed class PickleObject(string type)
{
    public string Type { get; } = type;

    /// <summary>Its attributes where they are a dictionary, as those of a TorchScript module are.</summary>
    public PickleDict? Attributes { get; set; }

    /// <summary>TorchScript archives hold modules, whose attributes are weights and submodules.</summary>
    public bool IsScriptModule => Type.StartsWith("__torch__.", StringComparison.Ordinal);
}

/// <summary>A dictionary in file order; keys may be anything.</summary>
internal sealed class PickleDict
{
    public List<(object? Key, object? Value)> Items { get; } = [];
}

/// <summary>A list or set.</summary>
internal sealed class PickleList
{
    public List<object?> Items { get; } = [];
}

/// <summary>Numbers that tensors are views of.</summary>
/// <param name="Key">Its name in the file.</param>
/// <param name="Type">Type of the numbers; null: plain bytes, the tensor says the type.</param>
/// <param name="Total">Elements of the whole storage (bytes, for plain bytes).</param>
/// <param name="First">Where this view of it starts, elements.</param>
/// <param name="Elements">Elements of this view.</param>
internal sealed record TorchStorage(string Key, ElementType? Type, long Total, long First, long Elements);

/// <summary>A view of a storage, checked to lie within it.</summary>
/// <param name="Storage">The numbers.</param>
/// <param name="Type">Their type.</param>
/// <param name="First">First element in the whole storage.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Strides">Elements to the next in each dimension; null: row by row without gaps.</param>
internal sealed record TorchTensor(TorchStorage Storage, ElementType Type, long First, long[] Shape, long[]? Strides)
{
    /// <exception cref="MalformedException">It reaches beyond its storage.</exception>
    public static TorchTensor Of(TorchStorage storage, ElementType type, long first, long[] shape, long[] strides)
    {
        var elements = storage.Type is null ? storage.Elements / type.Size : storage.Elements;
        var count = ElementType.Count(shape, "");
        if (shape.Length != strides.Length || first < 0 || strides.Any(s => s < 0)) throw new MalformedException("holds a tensor with impossible strides");
        Int128 last = first - 1;
        if (count > 0)
        {
            last++;
            for (var i = 0; i < shape.Length; i++) last += (Int128)(shape[i] - 1) * strides[i];
        }
        if (last >= elements)
            throw new MalformedException(count > elements ? $"holds a tensor of shape ({string.Join(", ", shape)}) in a storage of {elements} numbers" : "holds a tensor that reaches beyond its storage");
        return new(storage, type, storage.First + first, shape, Contiguous(shape, strides) || count == 0 ? null : strides);
    }

    private static bool Contiguous(long[] shape, long[] strides)
    {
        var wanted = 1L;
        for (var i = shape.Length - 1; i >= 0; i--)
        {
            if (shape[i] != 1 && strides[i] != wanted) return false;
            wanted *= Math.Max(shape[i], 1);
        }
        return true;
    }
}
