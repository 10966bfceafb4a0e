using System.Globalization;

namespace JepaT.Lab;

/// <summary>Whose features are meant: a data set's split with its digest, and a network with the hash of its weights.</summary>
public sealed record ReferenceKey(string DataSet, string Split, string Digest, string Network, string NetworkHash)
{
    /// <summary>Name of the cache file: readable, and free of characters that a file system refuses.</summary>
    public string FileName => string.Concat($"{DataSet}-{Split}-{Digest}-{Network}-{NetworkHash[..Math.Min(12, NetworkHash.Length)]}"
        .Select(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_' ? c : '_')) + ".safetensors";

    internal Dictionary<string, string> Metadata => new()
    {
        ["data set"] = DataSet,
        ["split"] = Split,
        ["digest"] = Digest,
        ["network"] = Network,
        ["network hash"] = NetworkHash,
    };
}

/// <summary>
/// What metrics need to know of the real pictures: statistics over all of them, for FID, and the features of a random sample,
/// for KID and precision/recall. Computed once and kept on disk under data set, digest, network and hash.
/// </summary>
public sealed partial class ReferenceStatistics : IDisposable
{
    /// <summary>Largest number of real features that are kept.</summary>
    public const int SampleSize = 10_000;

    private const int Batch = 500;
    private const ulong SampleSeed = 0;                 // fixed: everyone compares with the same real pictures
    private const string Format = "1";

    private ReferenceStatistics(ReferenceKey key, FeatureStatistics statistics, Tensor sample) =>
        (Key, Statistics, Sample) = (key, statistics, sample.DetachFromDisposeScope());

    /// <summary>Data set and network.</summary>
    public ReferenceKey Key { get; }

    /// <summary>Mean and covariance over all pictures.</summary>
    public FeatureStatistics Statistics { get; }

    /// <summary>(M, D) float32: features of M = min(10,000, all) pictures in random order, so any first n are a random sample too.</summary>
    public Tensor Sample { get; }

    /// <summary>The cached reference, or a fresh one that is then cached.</summary>
    /// <param name="key">Names the cache file.</param>
    /// <param name="count">How many pictures there are.</param>
    /// <param name="features">Pictures' numbers (B) int64 on the CPU to their features (B, D).</param>
    /// <param name="cacheFolder">Where files are kept; by default <c>jepat/statistics</c> in the user's cache folder.</param>
    /// <param name="note">Takes one-line notes on cache files that cannot be used; standard error by default.</param>
    /// <exception cref="UserException">There are fewer than 2 pictures, or their features are not finite.</exception>
    public static ReferenceStatistics Get(
        ReferenceKey key, long count, Func<Tensor, Tensor> features, string? cacheFolder = null, Action<string>? note = null) =>
        Cached(key, count, () => Compute(key, count, features), cacheFolder, note);

    /// <summary>As the other, of pictures that come once and in order, such as those of a folder.</summary>
    /// <param name="key">Names the cache file; its network is <paramref name="network"/>.</param>
    /// <param name="network">The judge.</param>
    /// <param name="pictures">Makes batches (B, 3, H, W) uint8, of one size each; they are freed here. Not called when there is a cache file.</param>
    /// <param name="count">How many pictures will come, for the progress.</param>
    /// <param name="cacheFolder">Where files are kept; by default <c>jepat/statistics</c> in the user's cache folder.</param>
    /// <param name="note">Takes one-line notes on cache files that cannot be used; standard error by default.</param>
    /// <param name="all">Whether a cache file without some of them (they were skipped) is not to be used.</param>
    /// <exception cref="UserException">There are fewer than 2 pictures.</exception>
    public static ReferenceStatistics Get(ReferenceKey key, IFeatureNetwork network, Func<IEnumerable<Tensor>> pictures, long count,
        string? cacheFolder = null, Action<string>? note = null, bool all = false) =>
        Cached(key, all ? count : null, () => Stream(key, network, pictures(), count), cacheFolder, note);

    private static ReferenceStatistics Cached(ReferenceKey key, long? count, Func<ReferenceStatistics> compute, string? cacheFolder, Action<string>? note)
    {
        note ??= Console.Error.WriteLine;
        var path = Path.Combine(cacheFolder ?? DefaultCacheFolder(), key.FileName);
        if (File.Exists(path))
            try
            {
                return Load(path, key, count);
            }
            catch (UserException e)
            {
                note($"{e.Message}; it is computed again");
            }
        var reference = compute();
        try
        {
            reference.Save(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            note($"{path}: cannot be written ({e.Message}); the statistics will be computed again next time");
        }
        return reference;
    }

    /// <summary><c>jepat/statistics</c> below <c>XDG_CACHE_HOME</c>, <c>~/.cache</c> or, on Windows, the local application data.</summary>
    public static string DefaultCacheFolder() => CacheFolder.Of("statistics");

    /// <summary>Frees statistics and sample.</summary>
    public void Dispose()
    {
        Statistics.Dispose();
        Sample.Dispose();
    }

    private static ReferenceStatistics Compute(ReferenceKey key, long count, Func<Tensor, Tensor> features)
    {
        if (count < 2) throw new UserException($"{key.DataSet} ({key.Split}): at least 2 pictures are needed for reference statistics, there are {count}");
        using var scope = NewDisposeScope();
        using var accumulator = new FeatureStatistics.Accumulator();
        using var generator = new Generator(SampleSeed);
        using var progress = new Progress($"{key.Network} features of {key.DataSet} ({key.Split})", count, "pictures");
        // In random order, so that the sample is simply the first features.
        List<Tensor> sample = [];
        long done = 0;
        progress.Report(0);
        foreach (var index in randperm(count, ScalarType.Int64, generator: generator).split(Batch))
        {
            using var step = NewDisposeScope();
            var batch = features(index).detach().cpu().to(ScalarType.Float32);
            accumulator.Add(batch);
            if (done < SampleSize) sample.Add(batch[..(int)Math.Min(batch.shape[0], SampleSize - done)].clone().MoveToOuterDisposeScope());
            progress.Report(done += batch.shape[0]);
        }
        return new(key, accumulator.Result(), cat(sample));
    }

    /// <summary>Atomic: a reader, or a second process that computes the same, sees a whole file or none.</summary>
    private void Save(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var temporary = $"{path}.{Environment.ProcessId}.tmp";
        try
        {
            Safetensors.Save(temporary, [new("mean", Statistics.Mean), new("covariance", Statistics.Covariance), new("sample", Sample)],
                new Dictionary<string, string>(Key.Metadata)
                {
                    ["format"] = Format,
                    ["count"] = Statistics.Count.ToString(CultureInfo.InvariantCulture),
                });
            File.Move(temporary, path, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    private static ReferenceStatistics Load(string path, ReferenceKey key, long? count)
    {
        using var scope = NewDisposeScope();
        var tensors = Safetensors.Load(path);
        try
        {
            var metadata = Safetensors.Metadata(path);
            var statistics = FeatureStatistics.FromFile(path, tensors, metadata);
            if (count is not null && statistics.Count != count)
            {
                statistics.Dispose();
                throw new UserException($"{path}: holds statistics of {statistics.Count} pictures, not {count}");
            }
            if (metadata.GetValueOrDefault("format") != Format
                || key.Metadata.Any(m => metadata.GetValueOrDefault(m.Key) != m.Value)
                || !tensors.TryGetValue("sample", out var sample) || sample.dtype != ScalarType.Float32
                || !sample.shape.SequenceEqual([Math.Min(statistics.Count, SampleSize), statistics.Dim]))
            {
                statistics.Dispose();
                throw new UserException($"{path}: holds statistics of something else");
            }
            return new(key, statistics, sample.clone());
        }
        finally
        {
            foreach (var t in tensors.Values) t.Dispose();
        }
    }
}
