namespace JepaT.Model;

/// <summary>Copies weights from a file into a network by name; nothing is copied unless all of it fits.</summary>
public static class WeightMatch
{
    /// <summary>
    /// Compares names, shapes and types, then copies. TorchSharp's own loading compares names only and fills by broadcasting.
    /// </summary>
    /// <param name="own">The network's tensors, which are overwritten.</param>
    /// <param name="weights">What the file holds.</param>
    /// <param name="source">The file's name, for messages.</param>
    /// <param name="hint">What may be the reason, in brackets after the message.</param>
    /// <exception cref="UserException">Lists what is missing, surplus or of another shape or type.</exception>
    public static void Copy(IReadOnlyList<(string Name, Tensor Value)> own, IReadOnlyDictionary<string, Tensor> weights, string source,
        string hint = "was it trained with another architecture?")
    {
        var wrong = own.Where(p => !weights.ContainsKey(p.Name)).Select(p => $"{p.Name} is missing")
            .Concat(weights.Keys.Except(own.Select(p => p.Name)).Select(name => $"{name} is unknown here"))
            .Concat(own.Where(p => weights.TryGetValue(p.Name, out var w) && !w.shape.SequenceEqual(p.Value.shape))
                .Select(p => $"{p.Name} is ({string.Join(", ", weights[p.Name].shape)}), wanted ({string.Join(", ", p.Value.shape)})"))
            .Concat(own.Where(p => weights.TryGetValue(p.Name, out var w) && w.dtype != p.Value.dtype)
                .Select(p => $"{p.Name} is {weights[p.Name].dtype}, wanted {p.Value.dtype}"))
            .ToList();
        if (wrong.Count > 0)
            throw new UserException($"{source}: does not fit this model, {string.Join("; ", wrong.Take(3))}"
                + (wrong.Count > 3 ? $" and {wrong.Count - 3} more" : "") + $" ({hint})");
        using var noGrad = no_grad();
        foreach (var (name, value) in own) value.copy_(weights[name]);
    }
}
