using System.Net;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class FashionMnistFilesTests : IDisposable
{
    private const string Debian = "/usr/share/datasets/fashion-mnist";
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    private string Cache => Path.Combine(folder.FullName, "cache");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void The_folder_given_comes_first_then_Debians_then_the_cache_and_nothing_is_downloaded()
    {
        using TinyFashion given = new(), debian = new(), cache = new();
        using var site = new Site(_ => throw new InvalidOperationException("a download was tried"));
        var places = new FashionMnistFiles(new HttpClient(site), debian.Folder, cache.Folder);

        Assert.Equal((given.Folder, DataOrigin.Given), places.Locate(given.Folder));
        Assert.Equal((debian.Folder, DataOrigin.Debian), places.Locate());
        Assert.Equal((cache.Folder, DataOrigin.Cache), new FashionMnistFiles(new HttpClient(site), "/nowhere", cache.Folder).Locate());
    }

    [Fact]
    public void A_foreign_file_in_the_cache_is_refused_with_the_mend()
    {
        using var cache = new TinyFashion();
        using var site = new Site(_ => throw new InvalidOperationException("a download was tried"));

        var error = Assert.Throws<UserException>(() => FashionMnist.Open(null, TinyFashion.NoPlaces(site, cache.Folder))).Message;

        Assert.Contains(cache[TinyFashion.TrainImages], error, StringComparison.Ordinal);
        Assert.Contains("delete it, then run ./lab data", error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_official_files_are_downloaded_once_checked_and_kept()
    {
        if (!Directory.Exists(Debian)) Assert.Skip($"{Debian} is not there: install dataset-fashion-mnist");
        using var site = new Site(name => Published(name));

        Assert.Equal((Cache, DataOrigin.Downloaded), TinyFashion.NoPlaces(site, Cache).Locate());
        Assert.Equal(4, site.Asked.Count);
        Assert.All(site.Asked, url => Assert.Equal("https", url.Scheme));
        Assert.Equal(4, Directory.GetFiles(Cache).Length);                      // nothing of the temporary files is left

        var again = FashionMnist.Open(null, TinyFashion.NoPlaces(site, Cache));
        Assert.Equal(DataOrigin.Cache, again.Origin);
        Assert.True(again.IsOfficial);
        Assert.Equal(4, site.Asked.Count);
    }

    [Theory]
    [InlineData(HttpStatusCode.OK, "not the official file")]
    [InlineData(HttpStatusCode.NotFound, "404")]
    public void A_wrong_download_is_refused_and_leaves_nothing_behind(HttpStatusCode status, string why)
    {
        using var site = new Site(_ => "<html></html>"u8.ToArray(), status);

        var error = Assert.Throws<UserException>(() => TinyFashion.NoPlaces(site, Cache).Locate()).Message;

        Assert.Contains(TinyFashion.TrainImages, error, StringComparison.Ordinal);
        Assert.Contains(why, error, StringComparison.Ordinal);
        Assert.Contains("dataset-fashion-mnist", error, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(Cache));
    }

    [Fact]
    public void Without_a_network_the_other_ways_are_named()
    {
        using var site = new Site(_ => throw new HttpRequestException("no such host"));

        var error = Assert.Throws<UserException>(() => TinyFashion.NoPlaces(site, Cache).Locate()).Message;

        Assert.Contains("no such host", error, StringComparison.Ordinal);
        Assert.Contains("folder", error, StringComparison.Ordinal);
    }

    // Debian's gzip headers lack the name and time of the published files; with them put back the bytes are the published ones.
    private static byte[] Published(string name)
    {
        var debian = File.ReadAllBytes(Path.Combine(Debian, name));
        var time = BitConverter.GetBytes(name.StartsWith("train", StringComparison.Ordinal) ? 1504176606 : 1504176627);
        return [.. debian[..3], 8, .. time, .. debian[8..10], .. System.Text.Encoding.ASCII.GetBytes(name[..^3]), 0, .. debian[10..]];
    }

    private sealed class Site(Func<string, byte[]> file, HttpStatusCode status = HttpStatusCode.OK) : HttpMessageHandler
    {
        public List<Uri> Asked { get; } = [];

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Asked.Add(request.RequestUri!);
            return Task.FromResult(new HttpResponseMessage(status) { Content = new ByteArrayContent(file(request.RequestUri!.Segments[^1])) });
        }
    }
}
