namespace JepaT.Model;

/// <summary>What became of a network's weights when a file was compared with it.</summary>
/// <param name="Source">The file's name.</param>
/// <param name="Copied">Names on both sides whose shapes agree.</param>
/// <param name="Missing">The network's names that the file lacks.</param>
/// <param name="Surplus">The file's names that the network lacks.</param>
/// <param name="Misshapen">Names on both sides with other shapes, or types that are not both floating: what it is and what was wanted.</param>
/// <param name="Converted">Those of <paramref name="Copied"/> whose floating type was converted: from and to.</param>
public sealed record WeightReport(
    string Source,
    IReadOnlyList<string> Copied,
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Surplus,
    IReadOnlyList<string> Misshapen,
    IReadOnlyList<string> Converted)
{
    /// <summary>Whether both sides have the same names and shapes.</summary>
    public bool Complete => Missing.Count + Surplus.Count + Misshapen.Count == 0;

    /// <summary>In lines for people: counts, then names, those of a network's blocks in one.</summary>
    public IEnumerable<string> Lines()
    {
        yield return $"{Source}: {Copied.Count} tensors copied" + (Converted.Count > 0 ? $", {Converted.Count} of them converted (such as {Converted[0]})" : "");
        foreach (var (what, names) in Problems()) yield return $"  {what} ({names.Count}): {Plain.List(names, 12)}";
    }

    /// <summary>What does not agree, in a line.</summary>
    internal string Summary(int most) => string.Join("; ", Problems().Select(p => $"{p.What}: {Plain.List(p.Names, most)}"));

    private IEnumerable<(string What, IReadOnlyList<string> Names)> Problems() =>
        new[] { ("missing", Missing), ("surplus", Surplus), ("misshapen", Misshapen) }.Where(p => p.Item2.Count > 0);
}

/// <summary>Copies weights from a file into a network by name. TorchSharp's own loading compares names only and fills by broadcasting.</summary>
public static class WeightMatch
{
    /// <summary>Copies all or, unless names, shapes and types agree, nothing.</summary>
    /// <param name="own">The network's tensors, which are overwritten.</param>
    /// <param name="weights">What the file holds.</param>
    /// <param name="source">The file's name, for messages.</param>
    /// <param name="hint">What may be the reason, in brackets after the message.</param>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type, or names what is not finite.</exception>
    public static void Copy(IReadOnlyList<(string Name, Tensor Value)> own, IReadOnlyDictionary<string, Tensor> weights, string source,
        string hint = OtherArchitecture)
    {
        var report = Compare(own, weights.ToDictionary(w => w.Key, w => ((IReadOnlyList<long>)w.Value.shape, (ScalarType?)w.Value.dtype)), source, exactType: true);
        Require(report, hint);
        Fill(own, report, source, name => name, name => weights[name].alias());
    }

    /// <summary>
    /// As the other <c>Copy</c>, from an open file: nothing is read unless all agrees, then one tensor after the other. Floating types are converted.
    /// </summary>
    /// <param name="own">The network's tensors, which are overwritten.</param>
    /// <param name="file">The file, at the section wanted.</param>
    /// <param name="rename">The network's name of a name in the file; null: the tensor is passed over.</param>
    /// <param name="hint">What may be the reason, in brackets after the message.</param>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type, or names what is not finite.</exception>
    public static WeightReport Copy(IReadOnlyList<(string Name, Tensor Value)> own, WeightFile file, Func<string, string?>? rename = null, string hint = OtherArchitecture)
    {
        var (report, names) = Compare(own, file, rename);
        Require(report, hint);
        Fill(own, report, file.Path, name => names[name], file.Read);
        return report;
    }

    /// <summary>Copies what agrees and tells the rest. Floating types are converted.</summary>
    /// <param name="own">The network's tensors, of which those found are overwritten.</param>
    /// <param name="file">The file, at the section wanted.</param>
    /// <param name="rename">The network's name of a name in the file; null: the tensor is passed over.</param>
    /// <exception cref="UserException">Nothing agrees, or a number is not finite.</exception>
    public static WeightReport CopyPartial(IReadOnlyList<(string Name, Tensor Value)> own, WeightFile file, Func<string, string?>? rename = null)
    {
        var (report, names) = Compare(own, file, rename);
        RequireAny(report);
        Fill(own, report, file.Path, name => names[name], file.Read);
        return report;
    }

    /// <summary>Refuses a file that <c>Copy</c> or <c>CopyPartial</c> would refuse, from its names, shapes and types alone.</summary>
    /// <param name="own">The network's tensors, which need no memory.</param>
    /// <param name="file">The file, at the section wanted.</param>
    /// <param name="partial">Whether part of the weights will do.</param>
    /// <param name="rename">The network's name of a name in the file; null: the tensor is passed over.</param>
    /// <exception cref="UserException">It does not fit.</exception>
    public static void RequireFit(IReadOnlyList<(string Name, Tensor Value)> own, WeightFile file, bool partial, Func<string, string?>? rename = null)
    {
        var (report, _) = Compare(own, file, rename);
        if (partial) RequireAny(report);
        else Require(report, OtherArchitecture);
    }

    private const string OtherArchitecture = "was it trained with another architecture?";

    private static (WeightReport Report, Dictionary<string, string> Names) Compare(IReadOnlyList<(string Name, Tensor Value)> own, WeightFile file, Func<string, string?>? rename)
    {
        Dictionary<string, string> names = [];
        Dictionary<string, (IReadOnlyList<long>, ScalarType?)> held = [];
        foreach (var entry in file.Entries)
        {
            if ((rename is null ? entry.Name : rename(entry.Name)) is not { } name) continue;
            if (!names.TryAdd(name, entry.Name)) throw new UserException($"{file.Path}: {names[name]} and {entry.Name} are the same weight, {name}");
            held[name] = (entry.Shape, entry.ScalarType);
        }
        return (Compare(own, held, file.Section.Length > 0 ? $"{file.Path} ({file.Section})" : file.Path, exactType: false), names);
    }

    private static WeightReport Compare(IReadOnlyList<(string Name, Tensor Value)> own, Dictionary<string, (IReadOnlyList<long> Shape, ScalarType? Type)> held, string source, bool exactType)
    {
        List<string> copied = [], misshapen = [], converted = [];
        foreach (var (name, value) in own.Where(p => held.ContainsKey(p.Name)))
        {
            var (shape, type) = held[name];
            if (!shape.SequenceEqual(value.shape)) misshapen.Add($"{name} is ({string.Join(", ", shape)}), wanted ({string.Join(", ", value.shape)})");
            else if (type != value.dtype && (exactType || !IsFloating(type) || !IsFloating(value.dtype))) misshapen.Add($"{name} is {type?.ToString() ?? "of a type unknown here"}, wanted {value.dtype}");
            else
            {
                copied.Add(name);
                if (type != value.dtype) converted.Add($"{name} from {type} to {value.dtype}");
            }
        }
        var known = own.Select(p => p.Name).ToHashSet();
        return new(source, copied, [.. own.Select(p => p.Name).Where(n => !held.ContainsKey(n))], [.. held.Keys.Where(n => !known.Contains(n))], misshapen, converted);
    }

    private static bool IsFloating(ScalarType? type) => type is ScalarType.Float32 or ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float64;

    private static void Require(WeightReport report, string hint)
    {
        if (!report.Complete) throw new UserException($"{report.Source}: does not fit this model, {report.Summary(3)} ({hint})");
    }

    private static void RequireAny(WeightReport report)
    {
        if (report.Copied.Count == 0) throw new UserException($"{report.Source}: nothing in it fits this model, {report.Summary(3)} (is it of another model, or another section?)");
    }

    /// <summary>Refuses numbers that would make all that is computed with them NaN.</summary>
    /// <param name="weight">The numbers.</param>
    /// <param name="name">Their name in the file.</param>
    /// <param name="source">The file's name.</param>
    /// <exception cref="UserException">One of them is NaN or infinite.</exception>
    public static void RequireFinite(Tensor weight, string name, string source)
    {
        using var finite = weight.isfinite();
        using var all = finite.all();
        if (!all.item<bool>()) throw new UserException($"{source}: tensor {Plain.Text(name)} holds NaN or infinity: the training that made it diverged, or the file is damaged; take another");
    }

    // Checked after the copy, since a conversion to a smaller type may overflow.
    private static void Fill(IReadOnlyList<(string Name, Tensor Value)> own, WeightReport report, string source, Func<string, string> nameOf, Func<string, Tensor> read)
    {
        using var noGrad = no_grad();
        var wanted = report.Copied.ToHashSet();
        foreach (var (name, value) in own.Where(p => wanted.Contains(p.Name)))
        {
            using var weight = read(nameOf(name));
            value.copy_(weight);
            RequireFinite(value, nameOf(name), source);
        }
    }
}
