namespace JepaT.Lab;

/// <summary>The experiment files of the repository, which a package carries too: <c>quick</c>, <c>fusion-ablation</c>.</summary>
internal static class ShippedExperiments
{
    private const string Prefix = "experiments/";

    /// <summary>A file by its path, or a shipped one by its name.</summary>
    /// <exception cref="UserException">There is none; the message lists the shipped ones.</exception>
    public static string PathOf(string name)
    {
        if (File.Exists(name)) return name;
        var file = name.EndsWith(".yaml", StringComparison.Ordinal) ? name : name + ".yaml";
        if (NotebookFolder.Clone(Notebook.Folder) is { } clone && File.Exists(Path.Combine(clone, Prefix, file))) return Path.Combine(clone, Prefix, file);
        var shipped = typeof(ShippedExperiments).Assembly.GetManifestResourceNames().Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).ToList();
        if (!shipped.Contains(Prefix + file))
            throw new UserException($"there is no experiment '{name}': name a file, or one of {string.Join(", ", shipped.Select(n => Path.GetFileNameWithoutExtension(n)))}");
        // All of them, since one may extend another.
        var folder = CacheFolder.Of("experiments-" + typeof(ShippedExperiments).Assembly.GetName().Version!.ToString(3));
        foreach (var resource in shipped)
        {
            using var content = typeof(ShippedExperiments).Assembly.GetManifestResourceStream(resource)!;
            AtomicFile.Write(Path.Combine(folder, resource[Prefix.Length..]), content.CopyTo);
        }
        return Path.Combine(folder, file);
    }
}
