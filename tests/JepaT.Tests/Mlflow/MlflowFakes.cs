using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>A clock on which waits below 500 s are over at once and are written down; longer ones never end.</summary>
internal sealed class SwiftClock : TimeProvider
{
    public ConcurrentQueue<TimeSpan> Waits { get; } = new();

    public override DateTimeOffset GetUtcNow() => new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var over = dueTime >= TimeSpan.Zero && dueTime < TimeSpan.FromSeconds(500);
        if (over) Waits.Enqueue(dueTime);
        return System.CreateTimer(callback, state, over ? TimeSpan.FromMilliseconds(1) : Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

}

/// <summary>A server in the process: a function from the request (and its body) to the answer.</summary>
internal sealed class FakeMlflow(Func<HttpRequestMessage, string, HttpResponseMessage> answer) : HttpMessageHandler
{
    public List<(HttpMethod Method, Uri Address, string Body, string? Login)> Requests { get; } = [];

    public SwiftClock Clock { get; } = new();

    public static HttpResponseMessage Json(string text, int status = 200) =>
        new((HttpStatusCode)status) { Content = new StringContent(text, Encoding.UTF8, "application/json") };

    public static HttpResponseMessage Page(string text, int status = 200, string type = "text/html") =>
        new((HttpStatusCode)status) { Content = new StringContent(text, Encoding.UTF8, type) };

    public MlflowClient Client(MlflowOptions? options = null) => new(new HttpClient(this),
        (options ?? new MlflowOptions { TrackingUri = new Uri("http://tracking.test:5000") }) with { Timeout = TimeSpan.FromSeconds(1000) }, Clock);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var body = request.Content is null ? "" : await request.Content.ReadAsStringAsync(cancellationToken);
        Requests.Add((request.Method, request.RequestUri!, body, request.Headers.TryGetValues("Authorization", out var login) ? login.Single() : null));
        return answer(request, body);
    }
}

/// <summary>A socket that answers connection after connection with given bytes and closes; null resets the connection.</summary>
internal sealed class RawServer : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private int served;

    public RawServer(params string?[] answers)
    {
        listener.Start();
        Running = Task.Run(async () =>
        {
            foreach (var answer in answers)
            {
                using var socket = await listener.AcceptSocketAsync();
                var read = 0;
                var buffer = new byte[65536];
                while (!Encoding.ASCII.GetString(buffer, 0, read).Contains("\r\n\r\n", StringComparison.Ordinal))
                    read += await socket.ReceiveAsync(buffer.AsMemory(read));
                served++;
                if (answer is null) socket.LingerState = new LingerOption(true, 0);
                else await socket.SendAsync(Encoding.ASCII.GetBytes(answer));
            }
        });
    }

    public Task Running { get; }

    public int Served => served;

    public MlflowOptions Options => new()
    {
        TrackingUri = new Uri($"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}"),
        Timeout = TimeSpan.FromSeconds(1000),
        MaxRetries = 1,
    };

    public void Dispose() => listener.Dispose();
}
