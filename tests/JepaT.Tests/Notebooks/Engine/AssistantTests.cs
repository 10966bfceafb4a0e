namespace JepaT.Tests;

public sealed class AssistantTests : IAsyncDisposable
{
    private readonly TestSession cells = new();

    public ValueTask DisposeAsync() => cells.DisposeAsync();

    [Fact]
    public async Task Completions_know_the_session()
    {
        await cells.ValueAsync("using System.Net;\nvar counter = new List<int>();\nint Twice(int number) => 2 * number;\nclass Point { public int Across; }");
        await cells.ValueAsync("var place = new Point();");
        Assert.Contains("counter", await At("cou|"));
        Assert.Contains("Across", await At("place.|"));
        Assert.Contains("AddRange", await At("var x = 1;\ncounter.Ad|"));
        Assert.Contains("Twice", await At("1 + Tw|"));
        Assert.Contains("IPAddress", await At("IPAd|"));
        Assert.Contains("Notebook", await At("JepaT.Lab.Note|"));
        Assert.Contains("display", await At("disp|"));
        Assert.Equal(["#!set", "#!share"], await At("#!s|"));
        Assert.Contains("counter", await At("#!time\ncount|"));

        Assert.Equal(["nuget: "], await At("#r \"nug|"));
        Assert.Empty(await At("#r \"lib/Sys|"));
        Assert.Empty(await At("#!markdown\nLis|"));
        var all = await At("|");
        Assert.Contains("counter", all);
        Assert.DoesNotContain("XmlReader", all);                    // a type whose namespace no using names
        Assert.True(all.Count < 3000, $"{all.Count}");

        var replaced = await cells.Session.CompleteAsync("counter.Ad + 1", 10);
        Assert.Equal((8, 10), (replaced.Start, replaced.End));
        Assert.Equal(("Add", "method"), (replaced.Items[0].Text, replaced.Items[0].Kind));
    }

    [Fact]
    public async Task Hover_and_signatures_are_told()
    {
        await cells.ValueAsync("/// <summary>Doubles it.</summary>\nint Twice(int number) => 2 * number;\nint Twice(string text) => 2;");
        var hover = await InspectAsync("Twi|ce(1)");
        Assert.Contains("int Twice(int number)", hover, StringComparison.Ordinal);
        Assert.Contains("Doubles it.", hover, StringComparison.Ordinal);
        Assert.Contains("Starts a run", await InspectAsync("JepaT.Lab.RunLogger.Sta|rt"), StringComparison.Ordinal);
        var signatures = await InspectAsync("Twice( |");
        Assert.Contains("number", signatures, StringComparison.Ordinal);
        Assert.Contains("text", signatures, StringComparison.Ordinal);
        Assert.Contains("List<int>.List(int capacity)", await InspectAsync("new List<int>(|"), StringComparison.Ordinal);
        Assert.Null(await InspectAsync("   |"));
    }

    [Fact]
    public async Task Help_comes_while_a_cell_runs()
    {
        var run = cells.RunAsync("var known = 1; Console.WriteLine(\"it runs\"); while (true) { }");
        await cells.WaitForAsync("it runs");
        Assert.Contains("known", await At("kno|"));
        Assert.False(run.IsCompleted);
        cells.Session.Interrupt();
        await run;
    }

    private async Task<List<string>> At(string code)
    {
        var position = code.IndexOf('|', StringComparison.Ordinal);
        return [.. (await cells.Session.CompleteAsync(code.Remove(position, 1), position)).Items.Select(i => i.Text)];
    }

    private async Task<string?> InspectAsync(string code)
    {
        var position = code.IndexOf('|', StringComparison.Ordinal);
        return await cells.Session.InspectAsync(code.Remove(position, 1), position);
    }
}
