namespace JepaT.Model;

/// <summary>Names of weights in checkpoints of the published code (JEPA-T; MAR and D-JEPA, on which it is built) as the network has them.</summary>
public static class PublishedNames
{
    // torch.compile and DistributedDataParallel put themselves before every name.
    private static readonly string[] Wrappers = ["_orig_mod.", "module."];

    /// <summary>
    /// The network's name: wrappers' prefixes are dropped. Null for the frozen CLIP, <c>clip_model.…</c>, which published checkpoints carry
    /// along and which is a network of its own here.
    /// </summary>
    public static string? Own(string name)
    {
        while (Wrappers.FirstOrDefault(w => name.StartsWith(w, StringComparison.Ordinal)) is { } wrapper) name = name[wrapper.Length..];
        return name.StartsWith("clip_model.", StringComparison.Ordinal) ? null : name;
    }
}
