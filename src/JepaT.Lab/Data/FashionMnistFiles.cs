using System.Security.Cryptography;

namespace JepaT.Lab;

/// <summary>Where a set of files was found.</summary>
public enum DataOrigin
{
    /// <summary>The folder that the user named.</summary>
    Given,

    /// <summary>Debian's package dataset-fashion-mnist.</summary>
    Debian,

    /// <summary>The project's cache, filled by an earlier download.</summary>
    Cache,

    /// <summary>Downloaded to the cache just now.</summary>
    Downloaded,
}

/// <summary>
/// Finds the four files of Fashion-MNIST (Xiao, Rasul, Vollgraf 2017): the folder given, else Debian's package, else the cache,
/// else a download to the cache.
/// </summary>
public sealed class FashionMnistFiles
{
    private const string Site = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/";
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(60);

    /// <summary>
    /// The official files. <c>Gzip</c> is the SHA-256 of the file as published; its MD5 is the one in the publishers' README.
    /// <c>Content</c> is the SHA-256 of the uncompressed bytes: Debian strips name and time from the gzip header, so its files
    /// differ from the published ones although their content is the same.
    /// </summary>
    internal static readonly IReadOnlyList<Official> All =
    [
        new("train-images-idx3-ubyte.gz", "train", "pictures", 60_000, 26_421_880,
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
        new("train-labels-idx1-ubyte.gz", "train", "labels", 60_000, 29_515,
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
        new("t10k-images-idx3-ubyte.gz", "test", "pictures", 10_000, 4_422_102,
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
        new("t10k-labels-idx1-ubyte.gz", "test", "labels", 10_000, 5_148,
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
    ];

    private readonly HttpClient http;
    private readonly string debian, cache;

    /// <param name="http">Used only where a download is needed.</param>
    /// <param name="debian">Stands in for the folder of Debian's package, for tests.</param>
    /// <param name="cache">Stands in for the cache folder, for tests.</param>
    public FashionMnistFiles(HttpClient http, string debian = "/usr/share/datasets/fashion-mnist", string? cache = null) =>
        (this.http, this.debian, this.cache) = (http, debian, cache ?? CacheFolder());

    /// <summary>
    /// <c>jepat/fashion-mnist</c> below <c>XDG_CACHE_HOME</c>, <c>~/.cache</c> or, on Windows, the local application data.
    /// </summary>
    public static string CacheFolder() => JepaT.Lab.CacheFolder.Of("fashion-mnist");

    /// <summary>The folder that holds the four files; downloads what is missing unless a folder is given or Debian's is there.</summary>
    /// <param name="given">The user's folder; null or empty for the usual places.</param>
    /// <exception cref="UserException">The folder given lacks a file, or a download failed.</exception>
    public (string Folder, DataOrigin Origin) Locate(string? given = null)
    {
        if (!string.IsNullOrEmpty(given))
        {
            if (!Directory.Exists(given)) throw new UserException($"{given}: no such folder; name the one with the files of Fashion-MNIST");
            var missing = Missing(given);
            return missing.Count == 0 ? (given, DataOrigin.Given) : throw new UserException(
                $"{Path.Combine(given, missing[0].Name)}: missing; the folder must hold {string.Join(", ", All.Select(f => f.Name))}");
        }
        if (Missing(debian).Count == 0) return (debian, DataOrigin.Debian);
        var wanted = Missing(cache);
        if (wanted.Count == 0) return (cache, DataOrigin.Cache);
        foreach (var file in wanted) DownloadAsync(file).GetAwaiter().GetResult();
        return (cache, DataOrigin.Downloaded);
    }

    /// <summary>What the user can do about a bad file from that place.</summary>
    internal static string Mend(DataOrigin origin, string file) => origin switch
    {
        DataOrigin.Given => $"replace it (the official file: {Site}{file})",
        DataOrigin.Debian => "run: apt-get install --reinstall dataset-fashion-mnist",
        _ => "delete it, then run ./lab data to fetch it again",
    };

    private static List<Official> Missing(string folder) => [.. All.Where(f => !File.Exists(Path.Combine(folder, f.Name)))];

    private async Task DownloadAsync(Official file)
    {
        var url = new Uri(Site + file.Name);
        var target = Path.Combine(cache, file.Name);
        var part = Path.Combine(cache, $".{file.Name}.{Guid.NewGuid():N}.part");    // two processes may download at once
        const string otherWays = "or install Debian's dataset-fashion-mnist, or name a folder that holds the four files";
        try
        {
            Directory.CreateDirectory(cache);
            using var stalled = new CancellationTokenSource(Stall);
            using var answer = await http.GetAsync(url, HttpCompletionOption.ResponseHeadersRead, stalled.Token).ConfigureAwait(false);
            answer.EnsureSuccessStatusCode();
            using (var from = await answer.Content.ReadAsStreamAsync(stalled.Token).ConfigureAwait(false))
            using (var to = File.Create(part))
            using (var progress = new Progress($"downloading {file.Name}", file.Size / 1024, "KiB"))
            {
                var buffer = new byte[1 << 16];
                for (int n; (n = await from.ReadAsync(buffer, stalled.Token).ConfigureAwait(false)) > 0 && to.Length <= file.Size;)
                {
                    to.Write(buffer, 0, n);
                    stalled.CancelAfter(Stall);
                    progress.Report(to.Length / 1024);
                }
            }
            string sha;
            using (var stream = File.OpenRead(part)) sha = Convert.ToHexStringLower(SHA256.HashData(stream));
            if (sha != file.Gzip)
                throw new UserException(
                    $"{url}: what came is not the official file (SHA-256 {sha[..8]}…, wanted {file.Gzip[..8]}…); try again, {otherWays}");
            File.Move(part, target, overwrite: true);
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            var why = e is OperationCanceledException ? $"no answer for {Stall.TotalSeconds} s" : e.Message;
            throw new UserException($"{url}: cannot be downloaded ({why}); try again, {otherWays}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserException(
                $"{target}: the download cannot be saved ({e.Message}); set XDG_CACHE_HOME to a folder with room, {otherWays}", e);
        }
        finally
        {
            if (File.Exists(part)) File.Delete(part);
        }
    }

    /// <summary>One of the four files as its publishers made it.</summary>
    internal sealed record Official(string Name, string Split, string What, int Count, long Size, string Gzip, string Content);
}
