using System.Globalization;

namespace JepaT.Lab;

/// <summary>The page beside the evaluator's weights that says what they are, how good, and how to make them again.</summary>
internal static class EvaluatorCard
{
    /// <summary>The card in Markdown.</summary>
    public static string Text(FeatureNetwork network, EvaluatorTraining.Accuracy accuracy, EvaluatorTraining.Settings settings,
        ImageDataset train, ImageDataset test, TimeProvider clock, TimeSpan took, double imagesPerSecond)
    {
        var parameters = FeatureNetwork.Shapes().Sum(s => s.Shape.Aggregate(1L, (n, d) => n * d));
        var layers = string.Join(", ", FeatureNetwork.Convolutions.Select(c => $"{c.In} → {c.Out} ({c.Kernel} × {c.Kernel}, stride {c.Stride})"));
        return string.Create(CultureInfo.InvariantCulture, $"""
            # Evaluator `{network.Name}`

            Judges pictures of 28 × 28: the features give FID, KID, precision and recall, the item head gives IS, item and colour head give
            prompt alignment. Numbers of different evaluators do not compare: the first digits of the hash belong to every number.

            | | |
            |---|---|
            | sha256 | {network.Hash} |
            | item accuracy, grey test split | {accuracy.GreyItem:0.0000} |
            | item accuracy, tinted test split | {accuracy.TintedItem:0.0000} |
            | colour accuracy, tinted test split | {accuracy.Colour:0.0000} |
            | command | `./lab train-evaluator --epochs {settings.Epochs} --seed {settings.Seed}` |
            | data | {train.Name}: train {train.Count} pictures, digest {train.Digest}; test {test.Count}, digest {test.Digest} |
            | date | {clock.GetUtcNow():yyyy-MM-dd} |
            | architecture | convolutions {layers}, each with ReLU; mean over places: {network.Dim} features; linear heads for {Vocabulary.Items.Count} items and {Vocabulary.Colours.Count} colours |
            | parameters | {parameters} (float32; batch norms folded into the convolutions) |
            | training | {settings.Epochs} epochs, batch {settings.Batch}, AdamW {settings.Rate}, seed {settings.Seed}; {Progress.Duration(took)} on {get_num_threads()} threads, TorchSharp {TorchSharpVersion} |
            | speed | {imagesPerSecond:0} images/s on the CPU of that machine |

            Training tints each picture anew at every step with a colour out of all eight, so the evaluator has seen all 80 pairs of item and
            colour, also the 16 that are held out from the models which it judges: else it could not judge those. Its pictures are
            also mirrored, a little noisy and off in hue, and three in ten moved by up to 1.4 pixels and scaled by up to 6 %. The tinted accuracies above are
            over all 80 pairs with fixed colours. The same command on the same machine and thread count gives the same file.

            """);
    }

    private static string TorchSharpVersion => typeof(TorchSharp.torch).Assembly.GetName().Version?.ToString(3) ?? "?";
}
