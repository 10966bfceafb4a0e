using System.Security.Cryptography;

namespace JepaT.Lab;

public sealed partial class ReferenceStatistics
{
    private const int RowBatch = 64;                    // pictures of an .npz at a time

    /// <summary>
    /// The published statistics in an .npz: <c>mu</c> and <c>sigma</c> of the same network. Pictures beside them (ADM's form:
    /// <c>arr_0</c>, (N, H, W, 3) uint8) give the sample for precision and recall, computed once and cached; without pictures the sample
    /// is empty. A file of pictures only is measured itself. The key's digest is the file's SHA-256.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="network">The judge.</param>
    /// <param name="cacheFolder">Where features are kept; by default <c>jepat/statistics</c> in the user's cache folder.</param>
    /// <param name="note">Takes one-line notes on cache files that cannot be used; standard error by default.</param>
    /// <exception cref="UserException">The file is missing, broken, or holds neither; or the statistics are another network's.</exception>
    public static ReferenceStatistics FromNpz(string path, IFeatureNetwork network, string? cacheFolder = null, Action<string>? note = null)
    {
        if (!File.Exists(path))
            throw new UserException($"{path}: missing; generated pictures are compared with it (evaluation.reference). For ImageNet at 256 pixels it is ADM's reference batch, "
                + "VIRTUAL_imagenet256_labeled.npz of https://github.com/openai/guided-diffusion (evaluations/), or a file of mu and sigma such as adm_in256_stats.npz of "
                + "https://github.com/LTH14/mar (fid_stats/); or name a folder of the real pictures in its place, whose statistics are computed here once and kept");
        using var npz = NpzFile.Open(path);
        var key = new ReferenceKey(Path.GetFileNameWithoutExtension(path), "npz", HashOf(path), network.Name, network.Hash);
        var known = npz.Names.Contains("mu") || npz.Names.Contains("sigma");
        if (!npz.Names.Contains("arr_0"))
        {
            if (!known) throw new UserException($"{path}: holds neither statistics (mu, sigma) nor pictures (arr_0), but {string.Join(", ", npz.Names.Take(8))}");
            return new(key, StatisticsOf(npz, path, network.Dim), zeros(0, network.Dim));
        }
        var shape = npz.Shape("arr_0");
        if (shape.Count != 4 || shape[3] != 3) throw new UserException($"{path}: array arr_0 is ({string.Join(", ", shape)}), pictures are (N, H, W, 3)");
        var statistics = known ? StatisticsOf(npz, path, network.Dim) : null;   // before the long work
        try
        {
            var measured = Get(key with { Split = "arr_0" }, network, () => Pictures(npz, path), shape[0], cacheFolder, note);
            if (statistics is null) return measured;
            measured.Statistics.Dispose();
            return new(key, statistics, measured.Sample);
        }
        catch
        {
            statistics?.Dispose();
            throw;
        }
    }

    /// <summary>Of all pictures in a folder, in any layout, brought to one size. The key's digest is a SHA-256 of their paths and contents.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="network">The judge.</param>
    /// <param name="side">Height and width to bring them to.</param>
    /// <param name="corrupt">What to do about corrupt pictures.</param>
    /// <param name="threads">Threads that decode; 0 takes one a core.</param>
    /// <param name="cacheFolder">Where statistics are kept; by default <c>jepat/statistics</c> in the user's cache folder.</param>
    /// <param name="note">Takes one-line notes on cache files that cannot be used; standard error by default.</param>
    /// <exception cref="UserException">There are fewer than 2 pictures, or one is corrupt and such are not to be skipped.</exception>
    public static ReferenceStatistics FromFolder(string path, IFeatureNetwork network, int side, CorruptPictures corrupt, int threads = 0,
        string? cacheFolder = null, Action<string>? note = null)
    {
        var folder = ImageFolder.Uncaptioned(path);
        var key = new ReferenceKey(folder.Name, $"folder-{side}", FolderContents.Hash(folder), network.Name, network.Hash);
        return Get(key, network, () => PictureBytes.Of(folder, side, corrupt, threads), folder.Files.Count, cacheFolder, note, all: corrupt == CorruptPictures.Fail);
    }

    /// <summary>Writes mean, covariance and count so that pytorch-fid, torch-fidelity and <see cref="FromNpz"/> read them.</summary>
    public void SaveNpz(string path)
    {
        using var scope = NewDisposeScope();
        NpzFile.Save(path, [new("mu", Statistics.Mean), new("sigma", Statistics.Covariance), new("count", tensor(Statistics.Count))]);
    }

    private static FeatureStatistics StatisticsOf(NpzFile npz, string path, int width)
    {
        Require("mu", [width]);                         // shapes first: nothing large is read that does not fit
        Require("sigma", [width, width]);
        using var scope = NewDisposeScope();
        var (mean, covariance) = (Doubles("mu"), Doubles("sigma"));
        if (!isfinite(mean).all().item<bool>() || !isfinite(covariance).all().item<bool>()) throw new UserException($"{path}: mu or sigma hold NaN or infinity");
        if (!IsCovariance(covariance)) throw new UserException($"{path}: sigma is no covariance (it is not symmetric, or has a negative eigenvalue); compute the statistics anew");
        long count = 0;
        if (npz.Names.Contains("count") && npz.Shape("count").Aggregate(1L, (a, b) => a * b) == 1) count = (long)Doubles("count").item<double>();
        return FeatureStatistics.From(mean, covariance, count);

        void Require(string name, long[] shape)
        {
            var found = npz.Shape(name);
            if (!found.SequenceEqual(shape))
                throw new UserException($"{path}: {name} is ({string.Join(", ", found)}), wanted ({string.Join(", ", shape)}): the statistics are another network's");
        }

        Tensor Doubles(string name)
        {
            using var read = npz.Read(name);
            return read.to(ScalarType.Float64).clone();
        }
    }

    /// <summary>Symmetric and positive semidefinite, but for the rounding of a matrix that was computed or kept in single precision.</summary>
    private static bool IsCovariance(Tensor matrix)
    {
        const double Tolerance = 1e-4;
        var skew = (matrix - matrix.t()).abs().max().item<double>();
        if (skew > Tolerance * matrix.abs().max().item<double>() || matrix.diagonal().min().item<double>() < 0) return false;
        var eigenvalues = linalg.eigvalsh((matrix + matrix.t()) / 2);           // in rising order
        return eigenvalues[0].item<double>() >= -Tolerance * eigenvalues[-1].item<double>();
    }

    private static IEnumerable<Tensor> Pictures(NpzFile npz, string path)
    {
        foreach (var rows in npz.Rows("arr_0", RowBatch))
        {
            using (rows)
            {
                if (rows.dtype != ScalarType.Byte) throw new UserException($"{path}: array arr_0 is {rows.dtype}, pictures are uint8");
                using var planes = rows.permute(0, 3, 1, 2);
                yield return planes.contiguous().DetachFromDisposeScope();
            }
        }
    }

    private static string HashOf(string path)
    {
        using var file = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>One pass over pictures in order; the sample is a reservoir (each picture has the same chance), shuffled at the end.</summary>
    private static ReferenceStatistics Stream(ReferenceKey key, IFeatureNetwork network, IEnumerable<Tensor> pictures, long count)
    {
        using var accumulator = new FeatureStatistics.Accumulator();
        using var progress = new Progress($"{key.Network} features of {key.DataSet} ({key.Split})", count, "pictures");
        var random = new Random((int)SampleSeed);
        List<Tensor> sample = [];
        long seen = 0;
        try
        {
            foreach (var batch in pictures)
            {
                using var owned = batch;
                using var scope = NewDisposeScope();
                using var judged = network.Extract(batch);
                var features = judged.Features.cpu();
                accumulator.Add(features);
                for (long i = 0; i < features.shape[0]; i++, seen++)
                {
                    var place = seen < SampleSize ? seen : random.NextInt64(seen + 1);
                    if (place >= SampleSize) continue;
                    var row = features[i].to(ScalarType.Float32).clone().DetachFromDisposeScope();
                    if (place == sample.Count)
                    {
                        sample.Add(row);
                        continue;
                    }
                    sample[(int)place].Dispose();
                    sample[(int)place] = row;
                }
                progress.Report(seen);
            }
            using var end = NewDisposeScope();
            if (seen < 2) throw new UserException($"{key.DataSet} ({key.Split}): at least 2 pictures are needed for reference statistics, there are {seen}");
            using var generator = new Generator(SampleSeed);
            return new(key, accumulator.Result(), stack(sample.ToArray()).index_select(0, randperm(sample.Count, ScalarType.Int64, generator: generator)));
        }
        finally
        {
            foreach (var row in sample) row.Dispose();
        }
    }
}
