namespace JepaT.Model;

/// <summary>A tensor of a file to be written: its name, type and shape at once, its numbers when they are wanted.</summary>
public sealed class WeightToWrite
{
    private readonly Action<Stream> write;

    /// <summary>A tensor that is there already; it stays its owner's.</summary>
    public WeightToWrite(string name, Tensor value) : this(name, value.dtype, value.shape, value.detach) { }

    /// <param name="name">Its name.</param>
    /// <param name="type">The type to write; the numbers are converted.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="read">Makes the tensor, which is disposed after writing.</param>
    /// <exception cref="UserException">No file format here has the type.</exception>
    public WeightToWrite(string name, ScalarType type, IReadOnlyList<long> shape, Func<Tensor> read)
    {
        (Name, Shape) = (name, [.. shape]);
        ElementType = JepaT.Model.ElementType.All.FirstOrDefault(t => t.Torch == type) ?? throw new UserException($"tensor {name} is {type}, which cannot be written: convert it");
        Bytes = JepaT.Model.ElementType.Count([.. shape], name) * ElementType.Size;
        write = file => Write(file, read, type);
    }

    /// <summary>The same bytes under another name.</summary>
    internal WeightToWrite(string name, StoredTensor copied) => (Name, Shape, ElementType, Bytes, write) = (name, copied.Shape, copied.Type, copied.Bytes, copied.CopyTo);

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Its shape.</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>The file that it comes from, as messages begin.</summary>
    internal string Source { get; init; } = "";

    internal ElementType ElementType { get; }

    internal long Bytes { get; }

    internal void Write(Stream file) => write(file);

    private void Write(Stream file, Func<Tensor> read, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var value = read();
        if (!value.shape.SequenceEqual(Shape)) throw new ArgumentException($"tensor {Name} has shape ({string.Join(", ", value.shape)}), announced was ({string.Join(", ", Shape)})");
        foreach (var block in StoredTensor.Blocks(value.cpu().to(type).contiguous(), ElementType.Size)) file.Write(block.bytes);
    }
}
