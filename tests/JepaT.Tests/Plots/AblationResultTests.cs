using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public class AblationResultTests
{
    [Fact]
    public void Saved_and_loaded_it_gives_the_same_report()
    {
        using var folder = new TemporaryFolder();
        var result = Fake.Ablation(pictures: 2) with
        {
            HeldOutPrompts = ["a blue bag"],
            Calls = [new("./lab ablate", new(2025, 3, 4, 4, 0, 0, TimeSpan.FromHours(1)), TimeSpan.FromSeconds(1.5), null)],
            Repeat = ["./lab ablate --seeds 3"],
        };
        var nan = result.Runs[0] with { Curves = new Dictionary<string, IReadOnlyList<CurvePoint>> { ["train/loss"] = [new(1, double.NaN), new(2, double.PositiveInfinity)] } };
        result = result with { Runs = [nan, .. result.Runs.Skip(1)] };

        result.Save(folder.File("ablation.json"));
        var loaded = AblationResult.Load(folder.File("ablation.json"));

        Assert.Equal(Report.Html(result), Report.Html(loaded));
        Assert.Equal(nan.Curves["train/loss"], loaded.Runs[0].Curves["train/loss"]);
        Assert.Equal(result.Runs[1].Pictures[0], loaded.Runs[1].Pictures[0]);
        Assert.Equal((result.Date, result.Duration, result.Commit), (loaded.Date, loaded.Duration, loaded.Commit));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("{\"experiment\":\"quick\",\"runs\":null}")]
    public void Another_file_is_refused_by_name(string content)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.File("ablation.json"), content);

        var error = Assert.Throws<UserException>(() => AblationResult.Load(folder.File("ablation.json")));

        Assert.Contains("ablation.json", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void A_missing_file_is_named() =>
        Assert.Contains("nowhere.json", Assert.Throws<UserException>(() => AblationResult.Load("nowhere.json")).Message, StringComparison.Ordinal);
}

/// <summary>A folder that is gone after the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("jepat-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
