using System.Globalization;
using System.Text.Json.Nodes;
using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

/// <summary>One script through a database and through a real server: the same answers, the same rows.</summary>
[Trait("Category", "Contract")]
public sealed class StoreContractTests : IDisposable
{
    private readonly TrackingFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_recorded_requests_through_a_store_give_the_recorded_answers_and_rows(bool overHttp)
    {
        var lines = Recording.Contract();
        using var server = overHttp ? MlflowServer.Start(folder.Path) : null;
        using var store = overHttp ? TrackingStores.Open(server!.Address.ToString()) : folder.Open();
        var script = new ContractStore(store, id =>
        {
            if (!overHttp) folder.Execute($"UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = {int.Parse(id, CultureInfo.InvariantCulture)}");
            else server!.Client.PostAsync("api/2.0/mlflow/experiments/delete", new StringContent($$"""{"experiment_id":"{{id}}"}""", null, "application/json")).GetAwaiter().GetResult();
        });
        var (ids, wrong, refused) = (new Dictionary<string, string>(), new List<string>(), new List<string>());
        for (var i = 0; i < lines.Count; i++)
        {
            if (!ContractStore.CanSay(lines[i]) || lines[i].IsFurtherPage) continue;
            var line = lines[i].With(ids);
            try
            {
                var got = script.Do(line);
                if (line.Name.StartsWith("run create", StringComparison.Ordinal)) ids[(string)line.Json!["run"]!["info"]!["run_id"]!] = (string)got!["run"]!["info"]!["run_id"]!;
                var pages = lines.Skip(i).TakeWhile((other, at) => at == 0 || other.IsFurtherPage).ToList();
                if (Wrong(line.Name, [.. pages.Select(page => page.With(ids))], got) is { } difference) wrong.Add(difference);
            }
            catch (UserException e)
            {
                Assert.DoesNotContain('\n', e.Message);
                if (line.Status != 200) continue;
                // The one thing that we do otherwise: such a run is resumed first, and gets its old end back.
                refused.Add(line.Name);
                var ended = store.GetRun((string)line.Body!["run_id"]!).Info;
                store.UpdateRun(ended.RunId, RunStatus.Running, ended.EndTime);
                script.Do(line);
                store.UpdateRun(ended.RunId, ended.Status, ended.EndTime);
            }
        }
        Assert.Equal([], wrong);
        Assert.Equal(["log metric on finished run"], refused);
        using var recorded = new TrackingFolder();
        Recording.CopyStore(recorded.Path);
        Assert.Equal(ContractRows.Of(recorded), ContractRows.Of(folder));
    }

    [Fact]
    public void The_recorded_database_and_its_files_are_read_as_the_server_gave_them()
    {
        var lines = Recording.Contract();
        Recording.CopyStore(folder.Path);
        using var store = folder.Open();
        var script = new ContractStore(store, _ => { });
        var names = new[] { "experiment get by name", "experiment get by name deleted", "run get after", "metric history page 0", "metric history unknown key", "artifacts list",
            "artifacts list folder", "artifacts list missing", "artifact get text", "artifact get image", "artifact get big", "artifact get spaces", "artifact get empty", "search filter" };
        foreach (var name in names)
        {
            var at = lines.FindIndex(line => line.Name == name);
            List<Recorded> pages = [lines[at], .. lines.Skip(at + 1).TakeWhile(line => line.IsFurtherPage)];
            var got = script.Do(lines[at])!;
            got["experiment"]?["tags"]?.AsArray().RemoveAll(tag => (string?)tag!["key"] == "mlflow.note.content");      // it came after the recorded answer
            Assert.Null(Wrong(name, pages, got));
        }
        Assert.Equal(3, store.SearchRuns(new() { ExperimentId = "1" }).Count);
    }

    [Fact]
    public void One_script_gives_the_same_rows_from_both_stores()
    {
        using var other = new TrackingFolder();
        using var server = MlflowServer.Start(other.Path);
        using var rest = TrackingStores.Open(server.Address.ToString());
        using var sqlite = folder.Open();
        var (ours, theirs) = (StoreScript.Run(sqlite), StoreScript.Run(rest));
        Assert.Equal(ours, theirs);
        Assert.True(ours.Count > 60, $"{ours.Count} rows");
        Assert.Equal(ContractRows.Of(folder), ContractRows.Of(other));
    }

    private static string? Wrong(string name, List<Recorded> pages, JsonNode? got)
    {
        var (first, again) = (pages[0], name == "experiment create again");      // asked for the second time, a store gives the one that is there
        if (got is null) return first.Status == 404 ? null : $"{name}: nothing";
        if (first.Status != 200) return again && (string?)got["experiment_id"] == "1" ? null : $"{name}: no error, recorded {first.Status}";
        var answer = first.Json?.DeepClone() ?? new JsonObject { ["base64"] = Convert.ToBase64String(first.Answer) };
        foreach (var page in pages.Skip(1))
            foreach (var (key, value) in page.Json!)
                if (value is JsonArray items) foreach (var item in items) answer[key]!.AsArray().Add(item!.DeepClone());
        return ContractJson.Difference(answer, got, request: false) is { } difference ? $"{name}: {difference}" : null;
    }
}
