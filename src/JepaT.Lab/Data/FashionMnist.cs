namespace JepaT.Lab;

/// <summary>
/// Fashion-MNIST as a data set to train on, in two forms. <c>fashion-mnist</c>: one grey channel, captions such as
/// "a sneaker". <c>fashion-mnist-tinted</c>: each picture in one of eight colours, captions such as "a red sneaker".
/// </summary>
public sealed class FashionMnist
{
    /// <summary>Name of the grey form.</summary>
    public const string Plain = "fashion-mnist";

    /// <summary>Name of the coloured form.</summary>
    public const string Tinted = "fashion-mnist-tinted";

    private readonly IdxFile[] files;

    private FashionMnist(string folder, DataOrigin origin, IdxFile[] files) => (Folder, Origin, this.files) = (folder, origin, files);

    /// <summary>Where the files lie.</summary>
    public string Folder { get; }

    /// <summary>How they were found.</summary>
    public DataOrigin Origin { get; }

    /// <summary>Whether all four files are the published ones; a folder given may hold a smaller set of the user's own.</summary>
    public bool IsOfficial => files.Zip(FashionMnistFiles.All).All(f => f.First.Sha256 == f.Second.Content);

    /// <summary>Name, number of entries and SHA-256 of the uncompressed content of each file.</summary>
    public IReadOnlyList<(string Name, int Count, string Sha256)> Files => [.. files.Select(f => (Path.GetFileName(f.Path), f.Count, f.Sha256))];

    /// <summary>Finds, reads and checks the four files.</summary>
    /// <param name="folder">The user's folder; null or empty for the usual places (see <see cref="FashionMnistFiles"/>).</param>
    /// <param name="places">Stands in for the usual places, for tests.</param>
    /// <exception cref="UserException">A file is missing, cut off, swapped, foreign or cannot be fetched.</exception>
    public static FashionMnist Open(string? folder = null, FashionMnistFiles? places = null)
    {
        using var http = new HttpClient();
        var (place, origin) = (places ?? new FashionMnistFiles(http)).Locate(folder);
        var files = new IdxFile[FashionMnistFiles.All.Count];
        for (var i = 0; i < files.Length; i++)
        {
            var official = FashionMnistFiles.All[i];
            var mend = FashionMnistFiles.Mend(origin, official.Name);
            var path = Path.Combine(place, official.Name);
            files[i] = official.What == "pictures" ? IdxFile.ReadImages(path, mend) : IdxFile.ReadLabels(path, mend);
            Check(files[i], official, origin, mend);
        }
        for (var i = 0; i < files.Length; i += 2)
            if (files[i].Count != files[i + 1].Count)
                throw new UserException(
                    $"{files[i].Path}: {files[i].Count} pictures, but {files[i + 1].Path} has {files[i + 1].Count} labels; both must come from one set");
        if (files[0].Sha256 == files[2].Sha256)
            throw new UserException($"{files[2].Path}: the same pictures as {files[0].Path}; the test pictures must be others");
        return new(place, origin, files);
    }

    /// <summary>One split as a data set; its tensors live on the device until it is disposed.</summary>
    /// <param name="name"><see cref="Plain"/> or <see cref="Tinted"/>.</param>
    /// <param name="split"><c>train</c> or <c>test</c>.</param>
    /// <param name="device">Where the pictures are kept and rendered.</param>
    /// <param name="tintSeed">Chooses the colour of each picture (see <see cref="Tint"/>); without effect on the plain form.</param>
    /// <exception cref="UserException">An unknown name or split.</exception>
    public ImageDataset Dataset(string name, string split, Device? device = null, ulong tintSeed = 0)
    {
        if (name is not (Plain or Tinted)) throw new UserException($"data set '{name}' is unknown; known are {Plain} and {Tinted}");
        var first = split switch
        {
            "train" => 0,
            "test" => 2,
            _ => throw new UserException($"split '{split}' is unknown; known are train and test"),
        };
        var (images, labels) = (files[first], files[first + 1]);
        var colours = name == Tinted ? Tint.Assign(labels.Bytes, split, tintSeed) : null;
        return new(name, split, images.Bytes, labels.Bytes, colours, device ?? CPU);
    }

    /// <summary>Opens the files and makes one split; see <see cref="Open"/> and <see cref="Dataset"/>.</summary>
    public static ImageDataset Load(string name, string split, Device? device = null, string? folder = null, ulong tintSeed = 0) =>
        Open(folder).Dataset(name, split, device, tintSeed);

    // A full-size file must be the published one: MNIST and its kin have the same names, counts and shapes. Any other count is
    // a set of the user's own, which only a folder given may hold.
    private static void Check(IdxFile file, FashionMnistFiles.Official official, DataOrigin origin, string mend)
    {
        if (file.Sha256 == official.Content) return;
        var other = FashionMnistFiles.All.FirstOrDefault(f => f.Content == file.Sha256);
        if (other is not null) throw new UserException($"{file.Path}: swapped, it holds the {other.Split} {other.What}; {mend}");
        if (origin != DataOrigin.Given || file.Count == official.Count)
            throw new UserException(
                $"{file.Path}: not Fashion-MNIST (SHA-256 of the content {file.Sha256[..8]}…, wanted {official.Content[..8]}…); {mend}");
    }
}
