namespace JepaT.Model;

/// <summary>A tensor in a weights file, without its numbers.</summary>
/// <param name="Name">Its name within the section.</param>
/// <param name="Type">PyTorch's name of the type, e.g. <c>float32</c>; of a type that is not known here, the file's own name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="Bytes">Size of its numbers.</param>
public sealed record WeightEntry(string Name, string Type, IReadOnlyList<long> Shape, long Bytes)
{
    /// <summary>The type in TorchSharp; null where it has none: the tensor is listed but cannot be read.</summary>
    public ScalarType? ScalarType { get; internal init; }

    /// <summary>Number of its elements.</summary>
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);
}

/// <summary>
/// Weights in a file of any usual format, told apart by content: safetensors, an index of several files (<c>*.index.json</c>), PyTorch's
/// zip archives (also TorchScript) and its older pickles. The file is mapped: opening reads names and shapes, reading a tensor touches its
/// bytes only. Nothing in a file is ever run. Of a checkpoint with several dictionaries, one is open: a <see cref="Section"/>.
/// </summary>
public sealed class WeightFile : IDisposable
{
    // Tensors may share numbers (tied weights), but a small file must not ask for any amount of memory.
    private const int MostSharing = 8;

    private readonly List<ByteSource> sources = [];
    private readonly List<string> files = [];
    private readonly Dictionary<string, StoredTensor> tensors;

    private WeightFile(string path, string? section, bool isPart = false)
    {
        Path = path;
        try
        {
            var sections = Read(isPart);
            Sections = [.. sections.Keys];
            Section = section ?? WeightSections.Default(Sections) ?? throw new UserException($"{path}: holds several sections ({Named(Sections)}): name one of them");
            if (!sections.TryGetValue(Section, out var chosen))
                throw new UserException($"{path}: has no section '{Section}'; there {(Sections.Count == 1 && Section.Length > 0 && Sections[0].Length == 0 ? "are none" : $"are {Named(Sections)}")}");
            if (chosen.Where(t => !t.IsExpanded).Sum(t => (decimal)t.Bytes) > (decimal)Length * MostSharing) throw new MalformedException("its tensors are many times as large as the file");
            tensors = chosen.ToDictionary(t => t.Name);
            Entries = [.. chosen.Select(t => new WeightEntry(t.Name, t.Type.Name, t.Shape, t.Bytes) { ScalarType = t.Type.Torch })];
        }
        catch (MalformedException e)
        {
            Dispose();
            throw new UserException($"{path}: {e.Message}", e);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The file, as it was named.</summary>
    public string Path { get; }

    /// <summary>The format found, for people.</summary>
    public string Format { get; private set; } = "";

    /// <summary>The file, and those that an index names.</summary>
    public IReadOnlyList<string> Files => files;

    /// <summary>Bytes of the file, or of all files of an index.</summary>
    public long Length => sources.Sum(s => s.Length);

    /// <summary>All dictionaries of tensors in it, e.g. <c>model</c>, <c>model_ema</c>; the empty name is a file without such a level.</summary>
    public IReadOnlyList<string> Sections { get; }

    /// <summary>The open one.</summary>
    public string Section { get; }

    /// <summary>The tensors of the open section, in the order of the file.</summary>
    public IReadOnlyList<WeightEntry> Entries { get; }

    /// <summary>Text that a safetensors file carries.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; private set; } = new Dictionary<string, string>();

    /// <summary>Classes of objects in a pickle that were passed over, e.g. <c>argparse.Namespace</c>.</summary>
    public IReadOnlyCollection<string> Unread { get; private set; } = [];

    /// <summary>Opens a file; reads names, types and shapes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="section">
    /// The dictionary wanted; by default the moving average (<c>model_ema</c>, <c>ema</c> and the like) where there is one, else the weights
    /// (<c>model</c>, <c>state_dict</c> and the like), else the only one.
    /// </param>
    /// <exception cref="UserException">It is missing, of no such format, damaged, calls functions, or has no such section.</exception>
    public static WeightFile Open(string path, string? section = null) => new(path, section);

    /// <summary>Reads a tensor to CPU memory, contiguous and detached from any dispose scope: the caller owns it.</summary>
    /// <exception cref="UserException">There is none of this name, or TorchSharp does not have its type.</exception>
    public Tensor Read(string name)
    {
        try
        {
            return Find(name).Read();
        }
        catch (MalformedException e)
        {
            throw new UserException($"{Path}: {e.Message}", e);
        }
    }

    /// <summary>
    /// A tensor as it is to be written elsewhere, read only then. Its bytes are copied where nothing is to be changed, so a type that
    /// TorchSharp does not have can be copied too.
    /// </summary>
    /// <param name="name">The tensor.</param>
    /// <param name="newName">Its name there.</param>
    /// <param name="type">The type to convert its numbers to; null keeps them.</param>
    /// <exception cref="UserException">There is none of this name, or it cannot be converted.</exception>
    public WeightToWrite ToWrite(string name, string newName, ScalarType? type = null)
    {
        var tensor = Find(name);
        if (tensor.IsContiguous && (type is null || type == tensor.Type.Torch)) return new(newName, tensor) { Source = $"{Path}: " };
        var own = tensor.Type.Torch ?? throw new UserException($"{Path}: tensor {Plain.Text(name)} is {tensor.Type.Name}, which cannot be converted here");
        return new(newName, type ?? own, tensor.Shape, () => Read(name)) { Source = $"{Path}: " };
    }

    /// <summary>Reads all tensors of the section; the caller owns them.</summary>
    /// <exception cref="UserException">As <see cref="Read(string)"/>.</exception>
    public Dictionary<string, Tensor> ReadAll()
    {
        Dictionary<string, Tensor> all = [];
        try
        {
            foreach (var entry in Entries) all[entry.Name] = Read(entry.Name);
            return all;
        }
        catch
        {
            foreach (var tensor in all.Values) tensor.Dispose();
            throw;
        }
    }

    /// <summary>Closes the map; tensors that were read live on.</summary>
    public void Dispose()
    {
        foreach (var source in sources) source.Dispose();
    }

    private static string Named(IEnumerable<string> sections) => Plain.List([.. sections.Select(s => s.Length == 0 ? "(no name)" : s)], 12);

    private StoredTensor Find(string name) => tensors.TryGetValue(name, out var tensor) ? tensor : throw new UserException($"{Path}: has no tensor {Plain.Text(name)}");

    private Dictionary<string, List<StoredTensor>> Read(bool isPart)
    {
        var file = MappedFile.Open(Path);
        sources.Add(file);
        files.Add(Path);
        if (!Safetensors.Recognise(file))
        {
            if (!isPart && WeightIndex.Recognise(file)) return new() { [""] = ReadIndex(file) };
            if (TorchFile.Read(file) is { } torch)
            {
                Format = torch.Format;
                var (sections, unread) = WeightSections.OfPickle(torch, file);
                Unread = unread;
                return sections;
            }
            RequireWeights(file);
        }
        Format = "safetensors";
        (var all, Metadata) = Safetensors.Read(file);
        return WeightSections.OfNames(all);
    }

    /// <summary>The parts are opened, each by its own content, and give the tensors that the index says.</summary>
    private List<StoredTensor> ReadIndex(ByteSource file)
    {
        Dictionary<string, Dictionary<string, StoredTensor>> parts = [];
        List<StoredTensor> found = [];
        var folder = System.IO.Path.GetDirectoryName(Path) ?? "";
        foreach (var (name, part) in WeightIndex.Read(file))
        {
            if (!parts.TryGetValue(part, out var held))
            {
                var opened = new WeightFile(System.IO.Path.Combine(folder, part), null, isPart: true);
                sources.AddRange(opened.sources);
                files.AddRange(opened.files);
                (held, Format) = (opened.tensors, $"{opened.Format} in {parts.Count + 1} files");
                parts.Add(part, held);
            }
            found.Add(held.TryGetValue(name, out var tensor) ? tensor : throw new MalformedException($"tensor {Plain.Text(name)} is not in {part}, where it should be"));
        }
        return found;
    }

    // What people have in place of weights.
    private static void RequireWeights(ByteSource file)
    {
        var start = new byte[Math.Min(file.Length, 64)];
        file.Read(0, start);
        var text = System.Text.Encoding.Latin1.GetString(start).TrimStart();
        if (text.StartsWith("version https://git-lfs", StringComparison.Ordinal)) throw new MalformedException("is only a pointer of Git LFS: fetch the file itself with git lfs pull");
        if (text.StartsWith('<')) throw new MalformedException("is a web page, not weights: the download went wrong");
    }
}
