using System.Text.Json.Nodes;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>The client puts every recorded request and reads every recorded answer; a real server still answers so.</summary>
[Trait("Category", "Contract")]
public class ReplayTests
{
    [Fact]
    public async Task Every_recorded_request_is_made_and_every_answer_read_as_recorded()
    {
        var lines = Recording.Contract();
        using var server = new ReplayServer(lines);
        using var client = new ContractClient(new MlflowOptions { TrackingUri = server.Address });
        var wrong = await PlayAsync(lines, client);
        Assert.Equal([], server.Wrong.Concat(wrong));
        Assert.Equal((lines.Count, 106), (server.Served, lines.Count));
        // What the server refuses, or takes and cuts, is refused before it is sent.
        Assert.Equal(["log metric bad key double slash", "log metric bad key parent", "log metric bad key trailing", "log metric bad key character", "log metric key 251",
            "log parameter 6001 long", "log parameter 8000 long", "log parameter 8001 long", "set tag 8001 long", "log batch 1001 metrics", "log batch 101 params",
            "log batch duplicate params", "log batch one bad", "artifact put number sign refused", "artifact get number sign refused", "artifact escape"], client.RefusedHere);
    }

    [Fact]
    public async Task A_real_server_answers_the_recorded_requests_as_recorded()
    {
        var lines = Recording.Contract();
        using var folder = new TrackingFolder();
        using var server = MlflowServer.Start(folder.Path);
        using var client = new ContractClient(new MlflowOptions { TrackingUri = server.Address });
        Assert.Equal([], await PlayAsync(lines, client));
        using var recorded = new TrackingFolder();
        Recording.CopyStore(recorded.Path);
        Assert.Equal(ContractRows.Of(recorded), ContractRows.Of(folder));
    }

    [Fact]
    public async Task Every_recorded_login_is_sent_and_every_refusal_read_as_such()
    {
        var lines = Recording.Login();
        using var server = new ReplayServer(lines, line => line.Name.Contains("password", StringComparison.Ordinal) ? "Basic" : line.Name.Contains("token", StringComparison.Ordinal) ? "Bearer" : null);
        var none = new MlflowOptions { TrackingUri = server.Address };
        foreach (var line in lines)
        {
            using var client = new ContractClient(line.Name switch
            {
                "no login" => none,
                "wrong password" or "right password" => none with { Username = "admin", Password = line.Name },
                _ => none with { Token = "unknown" },
            });
            var wrong = await OneAsync(line, client, () => line);
            Assert.True(wrong is null, wrong);
        }
        Assert.Equal([], server.Wrong);
        Assert.Equal((16, 16), (server.Served, lines.Count));
        Assert.Equal(9, lines.Count(line => line.Status == 401));
    }

    [Fact]
    public async Task A_request_that_is_not_the_recorded_one_is_noticed()
    {
        var lines = Recording.Contract();
        using var server = new ReplayServer(lines[12..14]);
        using var client = new ContractClient(new MlflowOptions { TrackingUri = server.Address });
        await client.PutAsync(new Recorded(File.ReadLines(Path.Combine(Recording.Folder(), "contract.jsonl")).ElementAt(12).Replace("\"step\": 3", "\"step\": 4", StringComparison.Ordinal)));
        await client.PutAsync(lines[14]);
        Assert.Equal(2, server.Wrong.Count);
        Assert.Contains("step: 4, recorded 3", server.Wrong[0], StringComparison.Ordinal);
        Assert.Contains("log-batch, recorded POST /api/2.0/mlflow/runs/create", server.Wrong[1], StringComparison.Ordinal);
    }

    /// <summary>Puts all requests, with the ids that this server gives; tells what came back otherwise.</summary>
    private static async Task<List<string>> PlayAsync(List<Recorded> lines, ContractClient client)
    {
        var (ids, wrong) = (new Dictionary<string, string>(), new List<string>());
        for (var i = 0; i < lines.Count; i++)
        {
            if (lines[i].IsFurtherPage) continue;       // came with its first page
            var pages = 1 + lines.Skip(i + 1).TakeWhile(line => line.IsFurtherPage).Count();
            var first = lines[i];
            var difference = await OneAsync(first.With(ids), client, () => Merged(lines[i..(i + pages)]).With(ids), got =>
            {
                if (first.Path.EndsWith("runs/create", StringComparison.Ordinal)) ids[(string)first.Json!["run"]!["info"]!["run_id"]!] = (string)got!["run"]!["info"]!["run_id"]!;
            });
            if (difference is not null) wrong.Add(difference);
        }
        return wrong;
    }

    private static async Task<string?> OneAsync(Recorded line, ContractClient client, Func<Recorded> recorded, Action<JsonNode?>? then = null)
    {
        try
        {
            var got = await client.PutAsync(line);
            then?.Invoke(got);
            if (got is null) return line.Status == 404 ? null : $"{line.Name}: nothing";
            var wanted = recorded();
            if (wanted.Status != 200) return $"{line.Name}: no error, recorded {wanted.Status}";
            var answer = wanted.Json ?? (got["text"] is not null ? new JsonObject { ["text"] = System.Text.Encoding.UTF8.GetString(wanted.Answer) }
                : new JsonObject { ["base64"] = Convert.ToBase64String(wanted.Answer) });
            return ContractJson.Difference(answer, got, request: false) is { } difference ? $"{line.Name}: {difference}" : null;
        }
        catch (MlflowException e)
        {
            var code = (string?)line.Json?["error_code"];
            var words = (string?)line.Json?["message"] is { } message ? message.Split('\n')[0].Replace("  ", " ", StringComparison.Ordinal) : line.Status switch
            {
                401 => "asks for a login (401)",
                404 => "does not know this call",
                _ => line.Headers!.ContainsKey("Host") ? "--allowed-hosts" : "refuses the Origin header",
            };
            return (int?)e.StatusCode == line.Status && e.ErrorCode == code && e.Message.Contains(words[..Math.Min(words.Length, 60)], StringComparison.Ordinal)
                && !e.Message.Contains('\n', StringComparison.Ordinal) ? null : $"{line.Name}: {e.Message} ({e.StatusCode}, {e.ErrorCode}), recorded {line.Status} {code}";
        }
    }

    private static Recorded Merged(List<Recorded> pages)
    {
        if (pages.Count == 1) return pages[0];
        var list = pages[0].Json!.First(p => p.Value is JsonArray).Key;
        var all = new JsonArray([.. pages.SelectMany(page => page.Json![list]!.AsArray()).Select(item => item!.DeepClone())]);
        return new(new JsonObject { ["name"] = pages[0].Name, ["status"] = 200, ["answer"] = new JsonObject { ["json"] = new JsonObject { [list] = all } } }.ToJsonString());
    }
}
