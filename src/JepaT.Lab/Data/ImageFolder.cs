using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>
/// A folder of captioned pictures (JPEG, PNG, WebP): either one folder a class, as ImageNet has it (<c>n01440764/….JPEG</c>), captioned by
/// the classes' names, or in any layout with a file of captions. Only names and sizes are read here. Pictures are in ordinal order of
/// their paths, so they are numbered alike on every machine.
/// </summary>
public sealed class ImageFolder
{
    /// <summary>The prompt that CLIP was published with; <c>{name}</c> is the class's first name, <c>{number}</c> its number from 0.</summary>
    public const string DefaultTemplate = "a photo of a {name}";

    /// <summary>What the published code says in its place (reference, oddity 4).</summary>
    internal const string NumberedTemplate = "a photo of class {number}";

    private static readonly EnumerationOptions Visible = new() { IgnoreInaccessible = false };

    private ImageFolder(string root, string[] files, string digest, IReadOnlyList<string> captions, int[] captionIds, bool hasClasses) =>
        (Root, Files, Digest, Captions, CaptionIds, HasClasses) = (root, files, digest, captions, captionIds, hasClasses);

    /// <summary>The folder.</summary>
    public string Root { get; }

    /// <summary>Name of the folder.</summary>
    public string Name => Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(Root)));

    /// <summary>Paths of the pictures below the folder, with / between names.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Eight hex digits that change with path, size and caption of any picture; <see cref="FolderContents"/> looks inside, too.</summary>
    public string Digest { get; }

    /// <summary>One caption a class (two classes of one name have equal ones), or the distinct captions of the file.</summary>
    public IReadOnlyList<string> Captions { get; }

    /// <summary>Whether <see cref="Captions"/> are those of classes, not of a file.</summary>
    public bool HasClasses { get; }

    /// <summary>For each picture its place in <see cref="Captions"/>; with class folders this is the class's number.</summary>
    public IReadOnlyList<int> CaptionIds { get; }

    /// <summary>Path of a picture as the system wants it.</summary>
    public string PathOf(long index) => Path.Combine(Root, Files[(int)index]);

    /// <summary>Lists a folder and captions its pictures.</summary>
    /// <param name="root">The folder.</param>
    /// <param name="captions">CSV or JSONL file of captions (see <see cref="CaptionFile"/>); null to caption by class.</param>
    /// <param name="classes">Table of class names (see <see cref="ClassNames"/>); null looks for one in the folder and above it.</param>
    /// <param name="template">How a class's name becomes a caption.</param>
    /// <exception cref="UserException">No folder, no pictures, a picture without caption, a class without name, a bad file.</exception>
    public static ImageFolder Open(string root, string? captions = null, string? classes = null, string template = DefaultTemplate)
    {
        var found = List(root);
        var files = found.ConvertAll(f => f.Path).ToArray();
        var (texts, ids) = captions is not null ? ByFile(root, files, captions) : ByClass(root, files, classes, template);
        return new(root, files, DigestOf(found, texts, ids), texts, ids, captions is null);
    }

    /// <summary>Lists a folder whose captions do not matter, such as one of reference pictures: any layout, one empty caption.</summary>
    /// <exception cref="UserException">No folder, no pictures.</exception>
    public static ImageFolder Uncaptioned(string root)
    {
        var found = List(root);
        var ids = new int[found.Count];
        return new(root, [.. found.Select(f => f.Path)], DigestOf(found, [""], ids), [""], ids, hasClasses: false);
    }

    private static List<(string Path, long Size)> List(string root)
    {
        if (!Directory.Exists(root)) throw new UserException($"{root}: no such folder; name the one with the pictures");
        try
        {
            var found = Below(new DirectoryInfo(root), [])
                .Where(f => PictureFile.Endings.Contains(f.Extension, StringComparer.OrdinalIgnoreCase))
                .Select(f => (Path: Path.GetRelativePath(root, f.FullName).Replace('\\', '/'), f.Length)).ToList();
            found.Sort((a, b) => string.CompareOrdinal(a.Path, b.Path));
            return found.Count > 0 ? found : throw new UserException($"{root}: holds no pictures ({string.Join(", ", PictureFile.Endings)})");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException($"{root}: cannot be listed ({e.Message})", e);
        }
    }

    /// <summary>All files at any depth. Links are followed, unless they lead back to a folder that they are in.</summary>
    private static IEnumerable<FileInfo> Below(DirectoryInfo folder, string[] within)
    {
        var real = within.Length > 0 && folder.LinkTarget is null ? Path.Combine(within[^1], folder.Name) : SamePath.Real(folder.FullName);
        if (within.Contains(real)) yield break;
        foreach (var entry in folder.EnumerateFileSystemInfos("*", Visible))
            if (entry is FileInfo file) yield return file;
            else
                foreach (var below in Below((DirectoryInfo)entry, [.. within, real])) yield return below;
    }

    private static (string[] Captions, int[] Ids) ByFile(string root, string[] files, string path)
    {
        var captionOf = CaptionFile.Read(path);
        if (files.FirstOrDefault(f => !captionOf.ContainsKey(f)) is { } bare)
            throw new UserException($"{path}: {files.Count(f => !captionOf.ContainsKey(f))} of {files.Length} pictures have no caption, the first is {bare}: add a line for each, named by its path below {root}, or move them out of the folder");
        if (captionOf.Count > files.Length)
            throw new UserException($"{path}: {captionOf.Count - files.Length} of its pictures are not in the folder, the first is {captionOf.Keys.Except(files).First()}: put them below {root}, or delete their lines");
        var number = new Dictionary<string, int>();
        var ids = Array.ConvertAll(files, f => number.TryGetValue(captionOf[f], out var id) ? id : number[captionOf[f]] = number.Count);
        return ([.. number.Keys], ids);
    }

    private static (string[] Captions, int[] Ids) ByClass(string root, string[] files, string? table, string template)
    {
        if (Array.Find(files, f => !f.Contains('/')) is { } loose)
            throw new UserException($"{root}: {loose} lies in no class folder; sort the pictures into one folder a class, or give a CSV or JSONL file of captions");
        var folders = files.Select(f => f[..f.IndexOf('/')]).Distinct().ToList();            // in order, since the files are
        var names = template.Contains("{name}", StringComparison.Ordinal) ? ClassNames.Of(root, folders, table) : folders;
        var number = folders.Select((folder, i) => (folder, i)).ToDictionary(f => f.folder, f => f.i);
        var captions = names.Select((name, i) => template.Replace("{name}", name, StringComparison.Ordinal)
            .Replace("{number}", FormattableString.Invariant($"{i}"), StringComparison.Ordinal));
        return ([.. captions], Array.ConvertAll(files, f => number[f[..f.IndexOf('/')]]));
    }

    private static string DigestOf(List<(string Path, long Size)> files, string[] captions, int[] ids)
    {
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Span<byte> number = stackalloc byte[sizeof(long)];
        for (var i = 0; i < files.Count; i++)
        {
            Append(files[i].Path, number);
            BinaryPrimitives.WriteInt64LittleEndian(number, files[i].Size);
            sha.AppendData(number);
            Append(captions[ids[i]], number);
        }
        return Convert.ToHexStringLower(sha.GetHashAndReset())[..8];

        void Append(string text, Span<byte> length)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteInt64LittleEndian(length, bytes.Length);
            sha.AppendData(length);
            sha.AppendData(bytes);
        }
    }
}
