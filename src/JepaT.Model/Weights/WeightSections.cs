namespace JepaT.Model;

/// <summary>
/// The dictionaries of tensors within a file. A training checkpoint holds several: the weights, their moving average, the optimizer.
/// </summary>
internal static class WeightSections
{
    /// <summary>
    /// Names under which weights are saved, the one taken first where none is asked for. The moving average comes first, since published
    /// evaluations use it (MAR, D-JEPA, JEPA-T: <c>model_ema</c>).
    /// </summary>
    private static readonly string[] Preferred =
        ["model_ema", "ema", "ema_state_dict", "state_dict_ema", "ema_model", "params_ema", "model", "state_dict", "model_state_dict", "module", "params", "net"];

    private const int MaxDepth = 32, MaxNodes = 300_000;

    /// <summary>The section to take where none is asked for; null where nothing tells.</summary>
    public static string? Default(IReadOnlyCollection<string> sections) => Preferred.FirstOrDefault(sections.Contains)
        ?? (sections.Count == 1 || sections.Contains("") ? sections.First() : null);

    /// <summary>Sections of a flat file whose names all begin with such a word, as this program's checkpoints do (<c>ema.NAME</c>).</summary>
    public static Dictionary<string, List<StoredTensor>> OfNames(List<StoredTensor> tensors)
    {
        List<IGrouping<string, StoredTensor>> groups = tensors.All(t => Group(t) is var name && (name == "optimizer" || Preferred.Contains(name))) ? [.. tensors.GroupBy(Group)] : [];
        return groups.Count < 2 ? new() { [""] = tensors } : groups.ToDictionary(g => g.Key, g => g.Select(t => t with { Name = t.Name[(g.Key.Length + 1)..] }).ToList());

        static string Group(StoredTensor t) => t.Name[..Math.Max(t.Name.IndexOf('.', StringComparison.Ordinal), 0)];
    }

    /// <summary>Sections of what a pickle holds, names within one joined by dots, and the classes of objects that were passed over.</summary>
    /// <exception cref="MalformedException">There are no tensors, or it is nested too deeply, or a name is there twice.</exception>
    public static (Dictionary<string, List<StoredTensor>> Sections, IReadOnlyCollection<string> Unread) OfPickle(TorchFile torch, ByteSource file)
    {
        Dictionary<string, List<StoredTensor>> sections = [];
        HashSet<string> objects = [];
        var nodes = 0;
        if (torch.Root is TorchTensor single) sections[""] = [Stored("tensor", single)];
        else if (torch.Root is PickleDict) Split(torch.Root, "", 0);
        else Add("", Flatten(torch.Root));
        if (sections.Count == 0)
            throw new MalformedException(objects.Count > 0 ? $"holds no tensors, only objects ({Plain.List(objects)}), which are not read: in PyTorch, save their state_dict()" : "holds no tensors");
        return (sections, objects);

        // A section for each entry that holds tensors, one of its own for tensors that stand beside them.
        void Split(object? parent, string prefix, int depth)
        {
            if (depth > MaxDepth) throw TooDeep();
            List<StoredTensor> loose = [];
            foreach (var (key, value) in Children(parent))
            {
                if (value is TorchTensor tensor) loose.Add(Stored(key, tensor));
                else if (Children(value).Any(c => Preferred.Contains(c.Key) && Children(c.Value).Any())) Split(value, $"{prefix}{key}.", depth + 1);
                else Add(prefix + key, Flatten(value));
            }
            Add(prefix.TrimEnd('.'), loose);
        }

        void Add(string section, List<StoredTensor> tensors)
        {
            if (tensors.Count == 0) return;
            if (tensors.GroupBy(t => t.Name).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new MalformedException($"tensor {Plain.Text(twice.Key)} is there twice");
            if (!sections.TryAdd(section, tensors)) throw new MalformedException($"its section {Plain.Text(section)} is there twice");
        }

        List<StoredTensor> Flatten(object? root)
        {
            List<StoredTensor> found = [];
            Walk(root, "", 0);
            return found;

            void Walk(object? node, string prefix, int depth)
            {
                if (depth > MaxDepth) throw TooDeep();
                if (node is PickleObject { IsScriptModule: false } o && objects.Count < 100) objects.Add(o.Type);
                foreach (var (key, value) in Children(node))
                    if (value is TorchTensor tensor) found.Add(Stored(prefix + key, tensor));
                    else Walk(value, $"{prefix}{key}.", depth + 1);
            }
        }

        IEnumerable<(string Key, object? Value)> Children(object? node)
        {
            var items = node switch
            {
                PickleDict dict => dict.Items,
                PickleObject { IsScriptModule: true, Attributes: { } attributes } => attributes.Items,
                PickleList list => list.Items.Select((v, i) => ((object?)(long)i, v)),
                object?[] tuple => tuple.Select((v, i) => ((object?)(long)i, (object?)v)),
                _ => [],
            };
            foreach (var (key, value) in items)
            {
                // One object in many places multiplies: without a limit, a small file could hold 2^100 names.
                if (++nodes > MaxNodes) throw new MalformedException($"holds more than {MaxNodes} values");
                if (value is TorchTensor or PickleDict or PickleList or object?[] or PickleObject) yield return (Name(key), value);
            }
        }

        static string Name(object? key) => key switch
        {
            string { Length: <= 1000 } s => s,
            string => throw new MalformedException("holds a name of more than 1000 letters"),
            long n => n.ToString(System.Globalization.CultureInfo.InvariantCulture),
            _ => "?",
        };

        static MalformedException TooDeep() => new($"is nested deeper than {MaxDepth} levels");

        StoredTensor Stored(string name, TorchTensor t) =>
            name.Length <= 1000 ? new(name, t.Type, t.Shape, file, torch.Storages[t.Storage.Key] + t.First * t.Type.Size, t.Strides) : throw new MalformedException("holds a name of more than 1000 letters");
    }
}
