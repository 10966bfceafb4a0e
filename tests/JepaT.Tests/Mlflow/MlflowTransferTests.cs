using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>Uploads and downloads over real sockets: size, cuts, stalls, cancellation.</summary>
public sealed class MlflowTransferTests : IDisposable
{
    private const string Uri = "mlflow-artifacts:/1/r/artifacts";
    private readonly string folder = Directory.CreateTempSubdirectory("mlflow-transfer").FullName;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Three_gigabytes_go_up_without_being_in_memory(bool seekable)
    {
        const long Size = 3L << 30;
        using var sink = new Sink();
        using var http = sink.Options.CreateHttpClient();
        using var content = new Made(Size, seekable);
        var before = GC.GetTotalMemory(forceFullCollection: false);
        await new MlflowClient(http, sink.Options with { MultipartFrom = long.MaxValue }, TimeProvider.System).UploadArtifactAsync(Uri, "big.bin", content, Cancel);
        Assert.Equal(Size, sink.Received);
        Assert.InRange(content.MostMemory - before, long.MinValue, 256L << 20);
    }

    [Fact]
    public async Task A_large_download_is_streamed_to_the_disk()
    {
        const int Size = 256 << 20;
        using var server = new Talker(async stream =>
        {
            await Talker.HeadAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {Size}\r\n\r\n");
            var block = new byte[1 << 20];
            for (var i = 0; i < Size >> 20; i++) await stream.WriteAsync(block);
        });
        using var http = server.Options.CreateHttpClient();
        var path = await new MlflowClient(http, server.Options, TimeProvider.System).DownloadArtifactAsync(Uri, "d/big.bin", folder, Cancel);
        Assert.Equal(Size, new FileInfo(path).Length);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
    }

    [Theory]
    [InlineData(9)]        // the promise is longer than the body
    [InlineData(5)]
    public async Task A_download_is_as_long_as_promised_and_one_that_is_cut_is_begun_anew(int promised)
    {
        var calls = 0;
        using var server = new Talker(async stream =>
            await Talker.HeadAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Length: {(calls++ == 0 ? promised : 7)}\r\nConnection: close\r\n\r\nabcdefg"));
        using var http = server.Options.CreateHttpClient();
        var client = new MlflowClient(http, server.Options, new SwiftClock());
        var text = await File.ReadAllTextAsync(await client.DownloadArtifactAsync(Uri, "a.txt", folder, Cancel), Cancel);
        Assert.Equal(promised == 9 ? "abcdefg" : "abcde", text);       // HTTP knows no more than it promised
        Assert.Equal(promised == 9 ? 2 : 1, calls);
        Assert.Equal(["a.txt"], Directory.GetFiles(folder).Select(Path.GetFileName));
    }

    [Fact]
    public async Task A_download_that_is_always_cut_fails_in_one_line_and_leaves_no_file()
    {
        using var server = new Talker(async stream => await Talker.HeadAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\nabc"));
        using var http = server.Options.CreateHttpClient();
        var client = new MlflowClient(http, server.Options, new SwiftClock());
        var error = await Assert.ThrowsAsync<MlflowException>(() => client.DownloadArtifactAsync(Uri, "a.txt", folder, Cancel));
        Assert.Contains("fewer bytes than it promised", error.Message, StringComparison.Ordinal);
        Assert.True(error.IsTransient);
        await using var open = await client.OpenArtifactAsync(Uri, "a.txt", Cancel);
        await Assert.ThrowsAsync<MlflowException>(() => new StreamReader(open).ReadToEndAsync(Cancel));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_upload_cut_in_the_middle_is_sent_again_only_if_its_content_can_go_back(bool seekable)
    {
        using var sink = new Sink(cutFirstAt: 1 << 20);
        using var http = sink.Options.CreateHttpClient();
        var client = new MlflowClient(http, sink.Options, new SwiftClock());
        using var content = new Made(64 << 20, seekable);
        var upload = client.UploadArtifactAsync(Uri, "a.bin", content, Cancel);
        if (seekable)
        {
            await upload;
            Assert.Equal(64 << 20, sink.Received);
            return;
        }
        var error = await Assert.ThrowsAsync<MlflowException>(() => upload);
        Assert.Contains("cannot be read again", error.Message, StringComparison.Ordinal);
        Assert.False(error.IsTransient);
        Assert.True(error.MayHaveArrived);
    }

    [Fact]
    public async Task Content_that_ends_early_or_cannot_be_read_is_named_and_not_sent_again()
    {
        using var sink = new Sink();
        using var http = sink.Options.CreateHttpClient();
        var client = new MlflowClient(http, sink.Options, new SwiftClock());
        using var brief = new Made(100, seekable: true) { Gives = 60 };
        var error = await Assert.ThrowsAsync<MlflowException>(() => client.UploadArtifactAsync(Uri, "a", brief, Cancel));
        Assert.Contains("ends 40 bytes before its length of 100", error.Message, StringComparison.Ordinal);
        using var broken = new Made(100, seekable: true) { Fails = true };
        error = await Assert.ThrowsAsync<MlflowException>(() => client.UploadArtifactAsync(Uri, "a", broken, Cancel));
        Assert.Contains("cannot be read: bad sector", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("download")]
    [InlineData("open")]
    [InlineData("upload")]
    [InlineData("answer")]
    public async Task A_stall_ends_after_the_timeout_and_names_its_variable(string what)
    {
        using var server = Stalled(what);
        var options = server.Options with { Timeout = TimeSpan.FromMilliseconds(300), MaxRetries = 0 };
        using var http = options.CreateHttpClient();
        var client = new MlflowClient(http, options, TimeProvider.System);
        var error = await Assert.ThrowsAsync<MlflowException>(() => DoAsync(client, what, Cancel));
        Assert.Contains("MLFLOW_HTTP_REQUEST_TIMEOUT", error.Message, StringComparison.Ordinal);
        Assert.Contains("0.3 s", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory]
    [InlineData("download")]
    [InlineData("open")]
    [InlineData("upload")]
    [InlineData("answer")]
    public async Task Cancelling_in_the_middle_is_prompt_and_leaves_no_file(string what)
    {
        using var server = Stalled(what);
        using var http = server.Options.CreateHttpClient();
        var client = new MlflowClient(http, server.Options, TimeProvider.System);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        var call = DoAsync(client, what, stop.Token);
        await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, Cancel);
        Assert.False(call.IsCompleted);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.WaitAsync(TimeSpan.FromSeconds(10), Cancel));
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_page_for_the_login_is_no_artifact(bool up)
    {
        var client = new FakeMlflow((_, _) => FakeMlflow.Page("<html>Sign in</html>")).Client();
        var error = await Assert.ThrowsAsync<MlflowException>(() => up
            ? client.UploadArtifactAsync(Uri, "a.html", new MemoryStream([1]), Cancel) : client.DownloadArtifactAsync(Uri, "a.html", folder, Cancel));
        Assert.Contains("HTML page", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(folder));
    }

    private async Task DoAsync(MlflowClient client, string what, CancellationToken cancel)
    {
        if (what == "download") await client.DownloadArtifactAsync(Uri, "sub", folder, cancel);
        else if (what == "answer") await client.GetRunAsync("r", cancel);
        else if (what == "upload") await client.UploadArtifactAsync(Uri, "a", new Made(1L << 30, seekable: true), cancel);
        else
        {
            await using var open = await client.OpenArtifactAsync(Uri, "a", cancel);
            await open.ReadExactlyAsync(new byte[9], cancel);
        }
    }

    private static Talker Stalled(string what) => new(async stream =>
    {
        if (what is "download" or "open") await Talker.HeadAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
        await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, Cancel);
    });

    /// <summary>Bytes that are nowhere: made as they are read.</summary>
    private sealed class Made(long length, bool seekable) : Stream
    {
        private long position;

        public long? Gives { get; init; }

        public bool Fails { get; init; }

        public long MostMemory { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => seekable;

        public override bool CanWrite => false;

        public override long Length => seekable ? length : throw new NotSupportedException();

        public override long Position { get => seekable ? position : throw new NotSupportedException(); set => position = seekable ? value : throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (Fails) throw new IOException("bad sector");
            if (position >> 26 != (position + count) >> 26) MostMemory = Math.Max(MostMemory, GC.GetTotalMemory(forceFullCollection: false));
            count = (int)Math.Min(count, (Gives ?? length) - position);
            position += count;
            return count;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => Task.FromResult(Read(buffer, offset, count));

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read([], 0, buffer.Length));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
