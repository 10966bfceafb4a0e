using System.Buffers.Binary;
using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>How a cache is written.</summary>
internal sealed record LatentCacheOptions
{
    /// <summary>Height and width of the pictures.</summary>
    public int ImageSize { get; init; } = 256;

    /// <summary>Pictures encoded at once; as many mirror images follow.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Threads that decode.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>What to do about corrupt pictures.</summary>
    public CorruptPictures Corrupt { get; init; } = CorruptPictures.Fail;

    /// <summary>
    /// float32, as the published cache, or float16, half as large: its relative error of 2^-11 is at most 5e-4 on a latent of size 1,
    /// small against the posterior's own noise.
    /// </summary>
    public string Dtype { get; init; } = "float32";

    /// <summary>Pictures in a file: what is lost when the program is killed.</summary>
    public int ShardSize { get; init; } = 1024;
}

/// <summary>
/// Writes a <see cref="LatentCache"/> shard by shard. A shard counts when the index names it, which is after its bytes are on the disk; so
/// the program may be killed at any time, and the same call goes on with the first shard that is missing or damaged.
/// </summary>
internal sealed class LatentCacheWriter
{
    private readonly ImageFolder source;
    private readonly IMomentsEncoder encoder;
    private readonly string folder;
    private readonly LatentCacheOptions options;
    private LatentIndex index;

    private LatentCacheWriter(ImageFolder source, IMomentsEncoder encoder, string folder, LatentCacheOptions options, LatentIndex index) =>
        (this.source, this.encoder, this.folder, this.options, this.index) = (source, encoder, folder, options, index);

    /// <summary>Begins a cache or goes on with one.</summary>
    /// <param name="source">The pictures.</param>
    /// <param name="encoder">The autoencoder's encoder.</param>
    /// <param name="folder">Where the cache is, or will be.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="progress">Told how many of the source's pictures are done.</param>
    /// <param name="stop">Ends it; what is finished stays.</param>
    /// <returns>The finished cache's index.</returns>
    /// <exception cref="UserException">The folder holds another cache, or a picture is corrupt and such are not to be skipped.</exception>
    public static LatentIndex Write(ImageFolder source, IMomentsEncoder encoder, string folder, LatentCacheOptions options,
        Action<long>? progress = null, CancellationToken stop = default)
    {
        using var inUse = new RunFolder(folder).Use();
        var wanted = Wanted(source, encoder, options);
        var writer = new LatentCacheWriter(source, encoder, folder, options, wanted);
        if (File.Exists(Path.Combine(folder, LatentIndex.FileName))) writer.GoOn(wanted, stop);
        else
        {
            AtomicFile.Write(Path.Combine(folder, LatentIndex.CaptionsName), LatentIndex.Captions(source.Captions));
            writer.index = wanted with { SourceContents = FolderContents.Hash(source, stop: stop) };
            writer.index.Write(folder);
        }
        foreach (var left in Directory.EnumerateFiles(folder, "shard-*.tmp")) File.Delete(left);        // of a program that was killed
        writer.WriteMissing(progress, stop);
        return writer.index;
    }

    private static LatentIndex Wanted(ImageFolder source, IMomentsEncoder encoder, LatentCacheOptions options)
    {
        using var scope = NewDisposeScope();
        using var inference = no_grad();
        var shape = encoder.Encode(zeros([1, 3, options.ImageSize, options.ImageSize])).shape;         // what it gives is asked, not assumed
        return new()
        {
            Source = source.Name,
            SourceDigest = source.Digest,
            SourceCount = source.Files.Count,
            Autoencoder = encoder.Hash,
            ImageSize = options.ImageSize,
            Shape = [.. shape.Skip(1).Select(n => (int)n)],
            Dtype = options.Dtype,
            ShardSize = options.ShardSize,
            CaptionsSha256 = LatentIndex.Sha256(LatentIndex.Captions(source.Captions)),
            HasClasses = source.HasClasses,
        };
    }

    private void GoOn(LatentIndex wanted, CancellationToken stop)
    {
        var there = LatentIndex.Read(folder);
        foreach (var (what, old, now) in new (string, object, object)[]
        {
            ("pictures or captions", there.SourceDigest, wanted.SourceDigest),
            ("autoencoder", there.Autoencoder, wanted.Autoencoder),
            ("size of pictures", there.ImageSize, wanted.ImageSize),
            ("shape of the moments", string.Join('×', there.Shape), string.Join('×', wanted.Shape)),
            ("dtype", there.Dtype, wanted.Dtype),
            ("shard size", there.ShardSize, wanted.ShardSize),
            ("list of captions", there.CaptionsSha256, wanted.CaptionsSha256),
        })
            if (!old.Equals(now)) throw new UserException($"{folder}: holds a cache with another {what} ({old}, now {now}); name another folder, or delete it");
        var contents = FolderContents.Hash(source, stop: stop);
        if (there.SourceContents is null) RequireOlderPictures(there);
        else if (there.SourceContents != contents && there.Shards.Count > 0)
            throw new UserException($"{folder}: the pictures have changed since it was made (SHA-256 of their paths and contents {there.SourceContents[..8]}…, now {contents[..8]}…); name another folder, or delete it");
        var bad = LatentCache.Verify(folder, stop: stop).Select(f => f.Shard).ToHashSet();
        index = there with { Shards = [.. there.Shards.Where(s => !bad.Contains(s.Number))], HasClasses = wanted.HasClasses, SourceContents = contents };
        if (there.HasClasses is null || there.SourceContents != contents) index.Write(folder);
    }

    /// <summary>Of a cache that was made when indices did not tell what was in the pictures, only the times speak.</summary>
    private void RequireOlderPictures(LatentIndex there)
    {
        foreach (var shard in there.Shards)
        {
            var name = LatentShard.NameOf(shard.Number);
            if (FolderContents.WrittenAt(Path.Combine(folder, name)) is not { } made) continue;         // it is made anew
            for (var i = shard.Number * there.ShardSize; i < Math.Min((shard.Number + 1) * there.ShardSize, source.Files.Count); i++)
                if (FolderContents.WrittenAt(source.PathOf(i)) > made)
                    throw new UserException($"{folder}: {source.Files[i]} is newer than its latents in {name}; name another folder, or delete it (if only its time is new: touch {Path.Combine(folder, "shard-*.bin")})");
        }
    }

    private void WriteMissing(Action<long>? progress, CancellationToken stop)
    {
        var missing = Enumerable.Range(0, index.ShardCount()).Except(index.Shards.Select(s => s.Number)).ToList();
        using var batches = new DecodedBatches(new(source, options.ImageSize, options.Corrupt, options.Threads, ahead: 2 * options.Batch), missing.SelectMany(BatchesOf));
        var done = (long)source.Files.Count - missing.Sum(m => BatchesOf(m).Sum(b => b.Length));
        progress?.Invoke(done);
        foreach (var number in missing)
        {
            var path = Path.Combine(folder, LatentShard.NameOf(number));
            var part = $"{path}.tmp";
            try
            {
                var shard = WriteShard(number, part, batches, n => progress?.Invoke(done += n), stop);
                File.Move(part, path, overwrite: true);
                index = index with { Shards = [.. index.Shards.Append(shard).OrderBy(s => s.Number)] };
                index.Write(folder);
            }
            finally
            {
                File.Delete(part);
            }
        }
    }

    private IEnumerable<long[]> BatchesOf(int shard)
    {
        var first = (long)shard * options.ShardSize;
        var end = Math.Min(first + options.ShardSize, source.Files.Count);
        for (var at = first; at < end; at += options.Batch)
            yield return [.. Enumerable.Range(0, (int)Math.Min(options.Batch, end - at)).Select(i => at + i)];
    }

    private LatentShard WriteShard(int number, string path, DecodedBatches batches, Action<int> done, CancellationToken stop)
    {
        using var file = File.Create(path);
        using var sha = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var checksums = new List<uint>();
        var (kept, skipped) = (new List<long>(), new SortedDictionary<string, string>(StringComparer.Ordinal));
        foreach (var asked in BatchesOf(number))
        {
            stop.ThrowIfCancellationRequested();
            using var pictures = batches.Next();
            var good = Moments(pictures, AppendMoments, stop);
            kept.AddRange(good);
            foreach (var bad in asked.Except(good)) skipped[source.Files[(int)bad]] = batches.WhyCorrupt(bad);
            done(asked.Length);
        }
        var ids = new byte[kept.Count * sizeof(int)];
        for (var i = 0; i < kept.Count; i++) BinaryPrimitives.WriteInt32LittleEndian(ids.AsSpan(i * sizeof(int)), source.CaptionIds[(int)kept[i]]);
        Append(ids);
        var sums = new byte[checksums.Count * sizeof(uint)];
        for (var i = 0; i < checksums.Count; i++) BinaryPrimitives.WriteUInt32LittleEndian(sums.AsSpan(i * sizeof(uint)), checksums[i]);
        if (index.HasChecksums()) Append(sums);                                 // a cache begun in the old format goes on in it
        file.Flush(flushToDisk: true);
        return new(number, kept.Count, Convert.ToHexStringLower(sha.GetHashAndReset()), skipped);

        void AppendMoments(Tensor moments)
        {
            var bytes = moments.bytes;
            for (var at = 0; at < bytes.Length; at += index.RecordBytes()) checksums.Add(Crc32C.Of(bytes.Slice(at, index.RecordBytes())));
            Append(bytes);
        }

        void Append(ReadOnlySpan<byte> bytes)
        {
            file.Write(bytes);
            sha.AppendData(bytes);
        }
    }

    /// <summary>Hands on the moments of a batch, (B, 2, C, H, W) on the CPU; returns the numbers of its pictures that could be decoded.</summary>
    private long[] Moments(DecodedPictures pictures, Action<Tensor> use, CancellationToken stop)
    {
        using var scope = NewDisposeScope();
        using var inference = no_grad();
        var images = pictures.Wait(stop);
        var good = Enumerable.Range(0, pictures.Index.Length).Where(i => pictures.Index[i] != DecodedPictures.Skipped).ToArray();
        if (good.Length == 0) return [];
        if (good.Length < pictures.Index.Length) images = images.index_select(0, tensor(Array.ConvertAll(good, i => (long)i)));
        var moments = stack([encoder.Encode(images), encoder.Encode(images.flip(3))], 1).cpu();
        moments = moments.to(options.Dtype == "float16" ? ScalarType.Float16 : ScalarType.Float32).contiguous();
        var numbers = Array.ConvertAll(good, i => pictures.Index[i]);
        if (!moments.isfinite().all().ToBoolean())
            throw new UserException($"the autoencoder gives NaN or infinity for {source.PathOf(numbers[0])} or one of the {numbers.Length - 1} after it; is its file the right one"
                + (options.Dtype == "float16" ? ", and do the numbers fit float16?" : "?"));
        use(moments);
        return numbers;
    }
}
