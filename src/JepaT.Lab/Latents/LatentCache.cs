using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>
/// Moments of an autoencoder for N pictures and their mirror images, read from disk as they are asked for: the shards are mapped into
/// memory, so opening copies nothing and the system keeps what it has room for. Written by <see cref="LatentCacheWriter"/>.
/// </summary>
public sealed class LatentCache : IDisposable
{
    private readonly LatentIndex index;
    private readonly List<MappedShard> shards = [];
    private readonly List<int> starts = [];             // number of each shard's first picture
    private readonly int[] captionIds;

    private LatentCache(string folder, LatentIndex index)
    {
        (Folder, this.index, Captions) = (folder, index, index.ReadCaptions(folder));
        try
        {
            foreach (var shard in index.Shards.Where(s => s.Count > 0).OrderBy(s => s.Number))
            {
                starts.Add(Count);
                shards.Add(new(Path.Combine(folder, LatentShard.NameOf(shard.Number))));
                Count += shard.Count;
            }
            captionIds = new int[Count];
            for (var s = 0; s < shards.Count; s++) ReadCaptionIds(s);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Where it lies.</summary>
    public string Folder { get; }

    /// <summary>Name of the image folder it was made of.</summary>
    public string Source => index.Source;

    /// <summary>Digest of the image folder (see <see cref="ImageFolder.Digest"/>).</summary>
    public string SourceDigest => index.SourceDigest;

    /// <summary>Hash of the autoencoder's weights.</summary>
    public string Autoencoder => index.Autoencoder;

    /// <summary>Height and width of the pictures.</summary>
    public int PictureSize => index.ImageSize;

    /// <summary>Eight hex digits that change with any latent and caption.</summary>
    public string Digest => LatentIndex.Sha256(string.Join('\n', index.Shards.OrderBy(s => s.Number).Select(s => s.Sha256).Append(index.CaptionsSha256)))[..8];

    /// <summary>N.</summary>
    public int Count { get; }

    /// <summary>C, H, W of the moments: half of the channels are means, half log-variances.</summary>
    public IReadOnlyList<int> Shape => index.Shape;

    /// <summary>Whether damage is noticed when a picture is read; in caches of the old format only <see cref="Verify"/> sees it.</summary>
    public bool HasChecksums => index.HasChecksums();

    /// <summary>As <see cref="ImageFolder.Captions"/>.</summary>
    public IReadOnlyList<string> Captions { get; }

    /// <summary>As <see cref="ImageFolder.HasClasses"/>; null where an old index does not say it and the captions do not show it.</summary>
    public bool? HasClasses => index.HasClasses ?? Shown(Captions, captionIds);

    /// <summary>For each picture its place in <see cref="Captions"/>.</summary>
    public IReadOnlyList<int> CaptionIds => captionIds;

    /// <summary>Opens a finished cache; checks format and sizes. Each picture's checksum is checked when it is read, the files' own by <see cref="Verify"/>.</summary>
    /// <exception cref="UserException">There is none, it is unfinished, or a file is missing or has another size.</exception>
    public static LatentCache Open(string folder)
    {
        var index = LatentIndex.Read(folder);
        if (index.Shards.Count < index.ShardCount())
            throw new UserException($"{folder}: holds {index.Shards.Count} of {index.ShardCount()} shards; the same ./lab cache-latents command goes on with it");
        foreach (var shard in index.Shards)
            if (SizeFault(folder, index, shard) is { } fault) throw new UserException($"{fault}; the same ./lab cache-latents command makes it anew");
        if (index.Shards.All(s => s.Count == 0)) throw new UserException($"{folder}: holds no latents, all pictures were corrupt");
        return new(folder, index);
    }

    /// <summary>What is wrong with the shards, compared with the index by size and SHA-256: an empty list is a sound cache.</summary>
    /// <param name="folder">The cache, finished or not.</param>
    /// <param name="progress">Told the number of shards done.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="UserException">There is no index, or not one of this format.</exception>
    public static IReadOnlyList<(int Shard, string Fault)> Verify(string folder, Action<long>? progress = null, CancellationToken stop = default)
    {
        var index = LatentIndex.Read(folder);
        index.ReadCaptions(folder);
        var faults = new List<(int, string)>();
        var done = 0;
        foreach (var shard in index.Shards)
        {
            stop.ThrowIfCancellationRequested();
            if ((SizeFault(folder, index, shard) ?? SumFault(folder, shard)) is { } fault) faults.Add((shard.Number, fault));
            progress?.Invoke(++done);
        }
        return faults;
    }

    /// <summary>
    /// Moments of pictures: index (B) int64 and mirrored (B) bool, both on the CPU -> (B, C, H, W) float32 on the CPU. Reads only these.
    /// </summary>
    /// <exception cref="UserException">The checksum of one does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such picture.</exception>
    public unsafe Tensor Moments(Tensor index, Tensor mirrored)
    {
        using var scope = NewDisposeScope();
        var (numbers, mirror, size) = (index.data<long>().ToArray(), mirrored.data<bool>().ToArray(), this.index.RecordBytes());
        var half = this.index.Dtype == "float16";
        var moments = empty([numbers.Length, .. Shape.Select(n => (long)n)], half ? ScalarType.Float16 : ScalarType.Float32);
        for (var b = 0; b < numbers.Length; b++)
        {
            var (shard, at) = Locate(numbers[b]);
            using var place = moments[b];
            var record = 2L * at + (mirror[b] ? 1 : 0);
            var bytes = new ReadOnlySpan<byte>(shards[shard].Start + record * size, size);
            RequireSound(shard, record, bytes);
            bytes.CopyTo(place.bytes);
        }
        return moments.to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        foreach (var shard in shards) shard.Dispose();
    }

    /// <summary>
    /// What the captions of a cache show of their origin. Of a file they are distinct, and mostly change from picture to picture; pictures of
    /// classes come class by class.
    /// </summary>
    private static bool? Shown(IReadOnlyList<string> captions, int[] ids)
    {
        if (captions.Distinct().Count() < captions.Count) return true;
        for (var i = 1; i < ids.Length; i++)
            if (ids[i] < ids[i - 1]) return false;
        var single = ids.GroupBy(id => id).Count(g => g.Count() == 1);
        return single == 0 ? true : null;
    }

    private (int Shard, int At) Locate(long number)
    {
        if (number < 0 || number >= Count) throw new ArgumentOutOfRangeException(nameof(number), number, $"the cache has pictures 0 to {Count - 1}");
        var found = starts.BinarySearch((int)number);
        var shard = found >= 0 ? found : ~found - 1;
        return (shard, (int)number - starts[shard]);
    }

    private int CountOf(int shard) => (shard + 1 < starts.Count ? starts[shard + 1] : Count) - starts[shard];

    // Caches of the old format have none: there only --verify sees damage.
    private unsafe void RequireSound(int shard, long record, ReadOnlySpan<byte> moments)
    {
        if (!index.HasChecksums()) return;
        var sums = shards[shard].Start + CountOf(shard) * (2L * index.RecordBytes() + sizeof(int));
        if (BinaryPrimitives.ReadUInt32LittleEndian(new(sums + record * sizeof(uint), sizeof(uint))) != Crc32C.Of(moments))
            throw new UserException($"{shards[shard].Path}: is damaged (the checksum of a picture does not fit); the same ./lab cache-latents command makes the file anew, --verify names all such files");
    }

    private unsafe void ReadCaptionIds(int shard)
    {
        var count = CountOf(shard);
        var ids = new ReadOnlySpan<byte>(shards[shard].Start + 2L * count * index.RecordBytes(), count * sizeof(int));
        for (var i = 0; i < count; i++)
        {
            var id = BinaryPrimitives.ReadInt32LittleEndian(ids[(i * sizeof(int))..]);
            if (id < 0 || id >= Captions.Count) throw new UserException($"{shards[shard].Path}: is damaged (caption {id} of {Captions.Count}); ./lab cache-latents --verify finds all such files");
            captionIds[starts[shard] + i] = id;
        }
    }

    internal static string? SizeFault(string folder, LatentIndex index, LatentShard shard)
    {
        var file = new FileInfo(Path.Combine(folder, LatentShard.NameOf(shard.Number)));
        return !file.Exists ? $"{file.FullName}: missing"
            : file.Length != index.BytesOf(shard) ? $"{file.FullName}: has {file.Length} bytes, not {index.BytesOf(shard)}" : null;
    }

    private static string? SumFault(string folder, LatentShard shard)
    {
        var path = Path.GetFullPath(Path.Combine(folder, LatentShard.NameOf(shard.Number)));
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file)) == shard.Sha256 ? null : $"{path}: its SHA-256 is not the one in {LatentIndex.FileName}";
    }

    /// <summary>A file in memory, read-only.</summary>
    private sealed unsafe class MappedShard : IDisposable
    {
        private readonly MemoryMappedFile file;
        private readonly MemoryMappedViewAccessor view;

        public MappedShard(string path)
        {
            Path = path;
            file = MemoryMappedFile.CreateFromFile(File.OpenHandle(path), mapName: null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: false);
            view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            Start = start;
        }

        public string Path { get; }

        public byte* Start { get; }

        public void Dispose()
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            file.Dispose();
        }
    }
}
