using System.Runtime.CompilerServices;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>
/// MLflow's REST interface. One call a method (where MLflow has one), safe for use from several threads. Errors of the
/// server and the way to it are <see cref="MlflowException"/>; what can be seen to be wrong before sending is
/// <see cref="ArgumentException"/>. Ids are text, times are milliseconds since 1970.
/// </summary>
public sealed partial class MlflowClient
{
    private const string Api = "api/2.0/mlflow/";
    private readonly MlflowTransport transport;
    private readonly TimeProvider clock;

    /// <summary>Makes one.</summary>
    /// <param name="http">The way to the server, as <see cref="MlflowOptions.CreateHttpClient"/> makes it: no redirects of its own.</param>
    /// <param name="options">Address, login, patience.</param>
    /// <param name="clock">Times all waits.</param>
    public MlflowClient(HttpClient http, MlflowOptions options, TimeProvider clock)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(clock);
        transport = new MlflowTransport(http, options, clock);
        this.clock = clock;
        Options = options;
    }

    /// <summary>Address, login, patience.</summary>
    public MlflowOptions Options { get; }

    /// <summary>Whether the server is up (<c>/health</c> says OK; needs no login). One try; throws when nothing answers.</summary>
    public async Task<bool> IsHealthyAsync(CancellationToken cancel = default) =>
        (await transport.TextAsync("health", tries: false, cancel).ConfigureAwait(false)).Trim() == "OK";

    /// <summary>The server's version, e.g. 3.17.2. Needs the login.</summary>
    public async Task<string> GetVersionAsync(CancellationToken cancel = default)
    {
        var text = (await transport.TextAsync("version", tries: true, cancel).ConfigureAwait(false)).Trim();
        return text.Length is > 0 and < 64 && char.IsAsciiDigit(text[0]) ? text
            : throw new MlflowException($"{Options.Shown} answers /version with no version: is it an MLflow server? It says: {transport.Excerpt(text)}");
    }

    /// <summary>What the server can do; older servers have no such page and give the defaults.</summary>
    public async Task<MlflowServerInfo> GetServerInfoAsync(CancellationToken cancel = default)
    {
        try
        {
            return await transport.JsonAsync<MlflowServerInfo>(HttpMethod.Get, "api/3.0/mlflow/server-info", null, cancel).ConfigureAwait(false);
        }
        catch (MlflowException e) when (e.StatusCode == System.Net.HttpStatusCode.NotFound)
        {
            return new MlflowServerInfo();      // before 3.x
        }
    }

    private Task<T> PostAsync<T>(string path, object body, CancellationToken cancel) =>
        transport.JsonAsync<T>(HttpMethod.Post, Api + path, body, cancel);

    private Task<JsonElement> PostAsync(string path, object body, CancellationToken cancel) => PostAsync<JsonElement>(path, body, cancel);

    /// <summary>Deleting again what a first, unanswered try deleted is no error.</summary>
    private async Task DeleteTagAsync(string path, object body, CancellationToken cancel)
    {
        var sent = new MlflowAttempts();
        try
        {
            await transport.JsonAsync<JsonElement>(HttpMethod.Post, Api + path, body, cancel, sent).ConfigureAwait(false);
        }
        catch (MlflowException e) when (e.ErrorCode == "RESOURCE_DOES_NOT_EXIST" && sent.MayHaveArrived)
        {
            // the first try had arrived
        }
    }

    /// <summary>Deletes or restores; refused the second time is no error when a first, unanswered try has done it.</summary>
    private async Task DoneAsync(string path, object body, Func<Task<bool>> isDone, CancellationToken cancel)
    {
        var sent = new MlflowAttempts();
        try
        {
            await transport.JsonAsync<JsonElement>(HttpMethod.Post, Api + path, body, cancel, sent).ConfigureAwait(false);
        }
        catch (MlflowException e) when (sent.MayHaveArrived && e.ErrorCode is ("INVALID_PARAMETER_VALUE" or "RESOURCE_DOES_NOT_EXIST" or "INVALID_STATE"))
        {
            if (!await isDone().ConfigureAwait(false)) throw;
        }
    }

    private Task<T> GetAsync<T>(string path, string query, CancellationToken cancel) =>
        transport.JsonAsync<T>(HttpMethod.Get, Api + path + "?" + query, null, cancel);

    private static string Query(string key, string value) => key + "=" + Uri.EscapeDataString(value);

    private static async IAsyncEnumerable<TItem> PagesAsync<TItem>(Func<string?, Task<(IReadOnlyList<TItem> Items, string? Next)>> page,
        [EnumeratorCancellation] CancellationToken cancel = default)
    {
        string? token = null;
        do
        {
            cancel.ThrowIfCancellationRequested();
            var (items, next) = await page(token).ConfigureAwait(false);
            foreach (var item in items) yield return item;
            if (next is { Length: > 0 } && next == token) throw new MlflowException("the server gives the same page again and again");
            token = next;
        }
        while (token is { Length: > 0 });
    }

    private static void CheckPage(int pageSize)
    {
        if (pageSize is < 1 or > 50000) throw new ArgumentOutOfRangeException(nameof(pageSize), pageSize, "a page holds 1 to 50000");
    }
}
