using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab train-evaluator</c>: trains the feature network and writes it with its card.</summary>
[Description("Train the feature network that judges the pictures.")]
internal sealed class TrainEvaluatorCommand : Command<TrainEvaluatorCommand.Settings>
{
    /// <summary>Item accuracy on the test split below which nothing is written.</summary>
    private const double LowestAccuracy = 0.9;

    /// <summary>Options of the command.</summary>
    public sealed class Settings : CommandSettings
    {
        /// <summary>Where weights and card go.</summary>
        [CommandOption("--output <FOLDER>")]
        [Description("Folder for weights and card; by default results/evaluator.")]
        [DefaultValue("results/evaluator")]
        public string Output { get; init; } = "results/evaluator";

        /// <summary>Whether files there may be replaced.</summary>
        [CommandOption("--overwrite")]
        [Description("Replace weights and card that are there.")]
        public bool Overwrite { get; init; }

        /// <summary>The user's folder.</summary>
        [CommandOption("--folder <FOLDER>")]
        [Description("Folder of the data; by default as for ./lab data.")]
        public string? Folder { get; init; }

        /// <summary>Passes through the training split.</summary>
        [CommandOption("--epochs <N>")]
        [Description("Passes through the training pictures; by default 6.")]
        [DefaultValue(6)]
        public int Epochs { get; init; } = 6;

        /// <summary>Fixes everything random.</summary>
        [CommandOption("--seed <SEED>")]
        [Description("Seed of all that is random; by default 0.")]
        [DefaultValue(0L)]
        public long Seed { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate() =>
            Epochs is < 1 or > 1000 ? ValidationResult.Error($"--epochs {Epochs}: give 1 to 1000")
            : Seed < 0 ? ValidationResult.Error($"--seed {Seed}: give 0 or more")
            : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var path = Path.Combine(settings.Output, FeatureNetwork.FileName);
        if (File.Exists(path) && !settings.Overwrite) throw new UserException($"{path}: is there already; name another --output, or add --overwrite");
        AtomicFile.Require(path);

        var fashion = FashionMnist.Open(settings.Folder);
        using var train = fashion.Dataset(FashionMnist.Plain, "train");
        using var test = fashion.Dataset(FashionMnist.Plain, "test");
        var options = new EvaluatorTraining.Settings(settings.Epochs, Seed: settings.Seed);
        var clock = Stopwatch.StartNew();
        Dictionary<string, Tensor> weights;
        using (var progress = new Progress("training the evaluator", (long)train.Count * settings.Epochs, "images"))
            weights = EvaluatorTraining.Train(train, options, (done, loss) =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                progress.Report(done, $"loss {loss.ToString("0.000", CultureInfo.InvariantCulture)}");
            });
        var took = clock.Elapsed;

        Directory.CreateDirectory(settings.Output);
        var part = path + ".part";
        try
        {
            Safetensors.Save(part, weights, new Dictionary<string, string> { ["network"] = "JepaT evaluator, fashion" });
            using var network = FeatureNetwork.Load(CPU, part);
            clock.Restart();
            var accuracy = EvaluatorTraining.Measure(network, test);
            var speed = 2 * test.Count / clock.Elapsed.TotalSeconds;
            if (accuracy.GreyItem < LowestAccuracy || accuracy.TintedItem < LowestAccuracy)
                throw new UserException(string.Create(CultureInfo.InvariantCulture,
                    $"{path}: not written, item accuracy {accuracy.GreyItem:0.0 %} grey, {accuracy.TintedItem:0.0 %} tinted ")
                    + $"is below {LowestAccuracy:0 %}; raise --epochs");
            var card = EvaluatorCard.Text(network, accuracy, options, train, test, TimeProvider.System, took, speed);
            File.WriteAllText(Path.ChangeExtension(path, ".md"), card);
            File.Move(part, path, overwrite: true);
            AnsiConsole.Console.Profile.Out.Writer.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{path}: item {accuracy.GreyItem:0.00 %} grey, {accuracy.TintedItem:0.00 %} tinted; colour {accuracy.Colour:0.00 %}"));
        }
        finally
        {
            File.Delete(part);
            foreach (var w in weights.Values) w.Dispose();
        }
        return 0;
    }
}
