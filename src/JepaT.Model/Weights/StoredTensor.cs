namespace JepaT.Model;

/// <summary>Where a tensor's numbers lie in a file; all of it is checked against the file's size when this is made.</summary>
/// <param name="Name">Its name within its section.</param>
/// <param name="Type">Type of the numbers.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Source">The file.</param>
/// <param name="Offset">Place of its first number, bytes from the start.</param>
/// <param name="Strides">Elements from one number to the next in each dimension; null: row by row without gaps.</param>
internal sealed record StoredTensor(string Name, ElementType Type, long[] Shape, ByteSource Source, long Offset, long[]? Strides = null)
{
    // Spans end at 2 GB, tensors do not.
    private const int Block = 1 << 24;

    public long Count => ElementType.Count(Shape, Name);

    /// <summary>Size of its numbers once read, which a view that repeats numbers of its storage may make larger than the file.</summary>
    public long Bytes { get; init; } = ElementType.Count(Shape, Name) * Type.Size;

    /// <summary>Nothing larger than the file is ever made: a small file must not ask for any amount of memory.</summary>
    public bool IsExpanded => Bytes > Source.Length;

    /// <summary>Whether its bytes stand in the file as they would in another.</summary>
    public bool IsContiguous => Strides is null;

    /// <summary>Reads the numbers to CPU memory, contiguous, detached from any dispose scope.</summary>
    /// <exception cref="MalformedException">TorchSharp has no such type, the tensor repeats its numbers too often, or the file shrank meanwhile.</exception>
    public Tensor Read()
    {
        var type = Type.Torch ?? throw new MalformedException($"tensor {Plain.Text(Name)} is {Type.Name}, which TorchSharp does not have: convert the file elsewhere");
        if (IsExpanded)
            throw new MalformedException($"tensor {Plain.Text(Name)} of shape ({string.Join(", ", Shape)}) is an expanded view, whose {Bytes} bytes repeat a few of the file: in PyTorch, save it after .contiguous()");
        using var scope = NewDisposeScope();
        var tensor = empty(Shape, dtype: type, device: CPU);
        if (Strides is null)
        {
            Fill(tensor);
        }
        else if (Count > 0)
        {
            var extent = 1 + Shape.Zip(Strides, (n, stride) => (n - 1) * stride).Sum();
            var flat = empty([extent], dtype: type, device: CPU);
            Fill(flat);
            tensor.copy_(flat.as_strided(Shape, Strides));
        }
        return tensor.DetachFromDisposeScope();
    }

    /// <summary>Copies the bytes as they are; needs no such type of TorchSharp.</summary>
    /// <exception cref="MalformedException">The file shrank meanwhile.</exception>
    public void CopyTo(Stream output)
    {
        var block = new byte[(int)Math.Min(Block, Bytes)];
        for (var done = 0L; done < Bytes; done += block.Length)
        {
            var part = block.AsSpan(0, (int)Math.Min(block.Length, Bytes - done));
            Source.Read(Offset + done, part);
            output.Write(part);
        }
    }

    private void Fill(Tensor contiguous)
    {
        var done = 0L;
        foreach (var block in Blocks(contiguous, Type.Size))
        {
            Source.Read(Offset + done, block.bytes);
            done += block.numel() * Type.Size;
        }
    }

    /// <summary>A contiguous tensor in pieces whose bytes a span can hold.</summary>
    public static IEnumerable<Tensor> Blocks(Tensor contiguous, int size)
    {
        using var flat = contiguous.reshape(-1);
        var step = Block / size;
        for (var first = 0L; first < contiguous.numel(); first += step)
        {
            using var block = flat.narrow(0, first, Math.Min(step, contiguous.numel() - first));
            yield return block;
        }
    }
}
