using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class StopFileTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-stop-");

    private string Path => System.IO.Path.Combine(folder.FullName, StopFile.Name);

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void A_file_stops_what_runs_and_once_it_is_gone_the_next_cell_runs()
    {
        using var stop = new StopFile(() => Path, () => null, TimeProvider.System);
        var token = stop.Token;
        Assert.False(token.IsCancellationRequested);

        File.WriteAllText(Path, "");
        Assert.True(token.WaitHandle.WaitOne(TimeSpan.FromSeconds(10)));
        Assert.True(stop.Token.IsCancellationRequested);
        File.Delete(Path);

        Assert.False(stop.Token.IsCancellationRequested);
        Assert.True(token.IsCancellationRequested);
    }

    [Fact]
    public void A_budget_ends_and_begins_anew_with_the_first_cell()
    {
        using var stop = new StopFile(() => Path, () => "0.2s", TimeProvider.System);
        stop.Restart();
        var token = stop.Token;

        Assert.True(token.WaitHandle.WaitOne(TimeSpan.FromSeconds(10)));
        Assert.True(stop.Token.IsCancellationRequested);
        stop.Restart();

        Assert.False(stop.Token.IsCancellationRequested);
    }

    [Theory]
    [InlineData(null, 0)]
    [InlineData("90", 90)]
    [InlineData("90s", 90)]
    [InlineData("1.5m", 90)]
    [InlineData("2h", 7200)]
    public void Budgets_are_read(string? text, double seconds) => Assert.Equal(seconds, StopFile.ParseBudget(text)?.TotalSeconds ?? 0);

    [Theory]
    [InlineData("soon")]
    [InlineData("-5")]
    [InlineData("0")]
    [InlineData("m")]
    [InlineData("1e99")]
    public void Others_are_refused(string text) =>
        Assert.Contains($"JEPAT_BUDGET is '{text}'", Assert.Throws<UserException>(() => StopFile.ParseBudget(text)).Message, StringComparison.Ordinal);
}
