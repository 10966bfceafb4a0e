namespace JepaT.Model;

/// <summary>A tensor of a file to be written: its name, type and shape at once, its numbers when they are wanted.</summary>
public sealed class WeightToWrite
{
    private readonly Func<Tensor> read;

    /// <summary>A tensor that is there already; it stays its owner's.</summary>
    public WeightToWrite(string name, Tensor value) : this(name, value.dtype, value.shape, value.detach) { }

    /// <param name="name">Its name.</param>
    /// <param name="type">The type to write; the numbers are converted.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="read">Makes the tensor, which is disposed after writing.</param>
    public WeightToWrite(string name, ScalarType type, IReadOnlyList<long> shape, Func<Tensor> read) => (Name, Type, Shape, this.read) = (name, type, [.. shape], read);

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>The type it is written as.</summary>
    public ScalarType Type { get; }

    /// <summary>Its shape.</summary>
    public IReadOnlyList<long> Shape { get; }

    internal ElementType ElementType => JepaT.Model.ElementType.All.FirstOrDefault(t => t.Torch == Type) ?? throw new UserException($"tensor {Name} is {Type}, which cannot be written: convert it");

    internal long Bytes => ElementType.Count([.. Shape], Name) * ElementType.Size;

    internal void Write(Stream file)
    {
        using var scope = NewDisposeScope();
        using var value = read();
        if (!value.shape.SequenceEqual(Shape)) throw new ArgumentException($"tensor {Name} has shape ({string.Join(", ", value.shape)}), announced was ({string.Join(", ", Shape)})");
        foreach (var block in StoredTensor.Blocks(value.cpu().to(Type).contiguous(), ElementType.Size)) file.Write(block.bytes);
    }
}
