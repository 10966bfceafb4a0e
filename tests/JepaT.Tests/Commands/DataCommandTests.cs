using JepaT.Lab;
using JepaT.Model;
using SkiaSharp;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Tests;

public sealed class DataCommandTests : IDisposable
{
    private readonly TinyFashion tiny = new(train: 400);

    public void Dispose() => tiny.Dispose();

    [Fact]
    public void Data_shows_files_sets_and_pairs_and_writes_the_preview()
    {
        var png = tiny["sheet.png"];

        var text = Run(new CommandApp<DataCommand>(), "--folder", tiny.Folder, "--preview", png);

        Assert.Contains(tiny.Folder, text, StringComparison.Ordinal);
        Assert.Contains("A set of your own", text, StringComparison.Ordinal);
        Assert.Contains(tiny.Open().Files[0].Sha256, text, StringComparison.Ordinal);
        Assert.Contains("a green sneaker", text, StringComparison.Ordinal);
        using var train = tiny.Open().Dataset(FashionMnist.Tinted, "train");
        Assert.Contains(train.Digest, text, StringComparison.Ordinal);

        using var sheet = SKBitmap.Decode(png);
        using var scope = TorchSharp.torch.NewDisposeScope();
        var redShirts = Enumerable.Range(0, 400).First(i => train.Items[i].item<long>() == 0 && train.Colours[i].item<long>() == 0);
        var red = train.Images(TorchSharp.torch.tensor(new[] { (long)redShirts }))[0, 0, 0, 0].item<float>();
        Assert.Equal((red + 1) * 127.5, sheet.GetPixel(27, 27).Red, 1.0);       // the first cell starts at (26, 26), enlarged three times
    }

    [Fact]
    public void A_preview_that_cannot_be_written_is_named()
    {
        File.WriteAllText(tiny["file"], "");
        var path = Path.Combine(tiny["file"], "folder", "a.png");

        var error = Assert.Throws<UserException>(() => Run(new CommandApp<DataCommand>(), "--folder", tiny.Folder, "--preview", path));

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Train_evaluator_replaces_nothing_unless_told_and_says_so_before_it_trains()
    {
        File.WriteAllText(tiny[FeatureNetwork.FileName], "mine");

        var error = Assert.Throws<UserException>(() => Run(new CommandApp<TrainEvaluatorCommand>(), "--folder", tiny.Folder, "--output", tiny.Folder));

        Assert.Contains("--overwrite", error.Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(tiny[FeatureNetwork.FileName]));
    }

    [Fact]
    public void Train_evaluator_writes_nothing_that_is_not_good_enough()
    {
        var output = Path.Combine(tiny.Folder, "out");

        var error = Assert.Throws<UserException>(() =>                          // noise cannot be learned
            Run(new CommandApp<TrainEvaluatorCommand>(), "--folder", tiny.Folder, "--output", output, "--epochs", "1"));

        Assert.Contains("below 90 %", error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(output));
    }

    private static string Run(ICommandApp app, params string[] args)
    {
        var (writer, console) = (new StringWriter(), AnsiConsole.Console);
        AnsiConsole.Console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        try
        {
            app.Configure(config => config.PropagateExceptions());
            Assert.Equal(0, app.Run(args));
        }
        finally
        {
            AnsiConsole.Console = console;
        }
        return writer.ToString();
    }
}
