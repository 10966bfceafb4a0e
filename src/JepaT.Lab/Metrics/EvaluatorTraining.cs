using TorchSharp.Modules;

namespace JepaT.Lab;

/// <summary>
/// Trains the feature network. Each step tints its pictures anew with colours out of all eight, held-out pairs included: the
/// judge must know a green sneaker when it sees one, although no model that it judges was ever shown one.
/// </summary>
internal static class EvaluatorTraining
{
    /// <summary>How to train.</summary>
    /// <param name="Epochs">Passes through the training split.</param>
    /// <param name="Batch">Pictures a step.</param>
    /// <param name="Rate">Highest learning rate: reached after a fifth of the steps, then falling as a cosine to 0.</param>
    /// <param name="Seed">Fixes weights, order, colours and augmentation.</param>
    public sealed record Settings(int Epochs = 6, int Batch = 128, double Rate = 3e-3, long Seed = 0);

    /// <summary>Shares of right answers on a test split, from 0 to 1.</summary>
    /// <param name="GreyItem">Items of grey pictures.</param>
    /// <param name="TintedItem">Items of tinted pictures, all 80 pairs.</param>
    /// <param name="Colour">Colours of tinted pictures, all 80 pairs.</param>
    public sealed record Accuracy(double GreyItem, double TintedItem, double Colour);

    /// <summary>Trains on a plain data set; returns the weights with batch norms folded in, by the names in the file. The caller owns them.</summary>
    /// <param name="report">Called after each step with pictures done and loss.</param>
    public static Dictionary<string, Tensor> Train(ImageDataset plain, Settings settings, Action<long, double>? report = null)
    {
        manual_seed(settings.Seed);                                             // the layers' own initialisation
        var device = plain.Items.device;
        using var random = new Generator((ulong)settings.Seed, device);
        using var net = new Net();
        net.to(device);
        net.train();
        using var optimizer = optim.AdamW(net.parameters(), settings.Rate, weight_decay: 1e-2);
        var batch = Math.Min(settings.Batch, plain.Count);
        var perEpoch = plain.Count / batch;
        var (step, steps) = (0, settings.Epochs * perEpoch);
        for (var epoch = 0; epoch < settings.Epochs; epoch++)
        {
            using var order = randperm(plain.Count, device: device, generator: random);
            for (var i = 0; i < perEpoch; i++, step++)
            {
                using var scope = NewDisposeScope();
                foreach (var group in optimizer.ParamGroups) group.LearningRate = settings.Rate * Share(step, steps);
                var index = order.narrow(0, i * batch, batch);
                var colour = randint(0, Vocabulary.Colours.Count, [batch], dtype: ScalarType.Int64, device: device, generator: random);
                var (item, tint) = net.Logits(Augment(plain.Images(index), colour, random));
                var loss = nn.functional.cross_entropy(item, plain.Items.index_select(0, index)) + nn.functional.cross_entropy(tint, colour);
                optimizer.zero_grad();
                loss.backward();
                optimizer.step();
                report?.Invoke((step + 1L) * batch, loss.item<float>());
            }
        }
        return net.Fold();
    }

    /// <summary>Measures on a plain data set: grey as it is, then tinted with colours drawn evenly from all eight by a fixed seed.</summary>
    public static Accuracy Measure(FeatureNetwork network, ImageDataset plain)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(0);
        var grey = plain.Images(arange(plain.Count, device: plain.Items.device)).cpu();
        var items = plain.Items.cpu();
        var colour = randint(0, Vocabulary.Colours.Count, [plain.Count], dtype: ScalarType.Int64, generator: random);
        var asGrey = network.Extract(grey);
        var tinted = network.Extract(Tinted(grey, ImageDataset.Palette().index_select(0, colour)));
        return new(Right(asGrey.ItemLogits, items), Right(tinted.ItemLogits, items), Right(tinted.ColourLogits, colour));

        static double Right(Tensor logits, Tensor wanted) => logits.argmax(1).eq(wanted).to(ScalarType.Float64).mean().item<double>();
    }

    private static double Share(int step, int steps)
    {
        var warm = steps / 5.0;
        return step < warm ? (step + 1) / warm : 0.5 * (1 + Math.Cos(Math.PI * (step - warm) / (steps - warm)));
    }

    // Grey (B, 1, H, W) in [-1, 1] × colour (B, 3, 1, 1) in [0, 1] -> (B, 3, H, W) in [-1, 1].
    private static Tensor Tinted(Tensor grey, Tensor rgb) => (grey + 1) * rgb - 1;

    // Mild: generated pictures are a little off in place, size, hue and smoothness, and none of that should change a verdict.
    private static Tensor Augment(Tensor grey, Tensor colour, Generator random)
    {
        var n = grey.shape[0];
        Tensor Uniform(double low, double high, params long[] shape) =>
            rand(shape, device: grey.device, generator: random) * (high - low) + low;

        // Not less mild: with 70 % moved by up to 2 pixels and noise up to 0.1, five epochs reached only 88 % (the shirts' texture goes).
        var moved = Uniform(0, 1, n).lt(0.3).to(ScalarType.Float32);                                        // the others stay sharp
        var mirror = Uniform(0, 1, n).lt(0.5).to(ScalarType.Float32) * 2 - 1;
        var size = 1 + moved * Uniform(-0.06, 0.06, n);
        var (right, down) = (moved * Uniform(-0.1, 0.1, n), moved * Uniform(-0.1, 0.1, n));             // 0.1 = 1.4 pixels
        var zero = zeros(n, device: grey.device);
        var theta = stack([mirror * size, zero, right, zero, size, down], 1).view(n, 2, 3);
        var grid = nn.functional.affine_grid(theta, grey.shape, align_corners: false);
        var placed = nn.functional.grid_sample(grey + 1, grid, GridSampleMode.Bilinear, GridSamplePaddingMode.Zeros, align_corners: false) - 1;

        var palette = ImageDataset.Palette().to(grey.device).index_select(0, colour);                       // (B, 3, 1, 1)
        var rgb = (palette + 0.05 * randn(palette.shape, device: grey.device, generator: random)).clamp(0, 1);
        var noise = Uniform(0, 0.03, n, 1, 1, 1) * randn([n, 3, grey.shape[2], grey.shape[3]], device: grey.device, generator: random);
        return (Tinted(placed, rgb) + noise).clamp(-1, 1);
    }

    /// <summary>The network as it is trained: a batch norm after each convolution.</summary>
    internal sealed class Net : nn.Module
    {
        private readonly ModuleList<Conv2d> conv = new([.. FeatureNetwork.Convolutions.Select(c =>
            nn.Conv2d(c.In, c.Out, kernel_size: c.Kernel, stride: c.Stride, padding: c.Padding, bias: false))]);
        private readonly ModuleList<BatchNorm2d> norm = new([.. FeatureNetwork.Convolutions.Select(c => nn.BatchNorm2d(c.Out))]);
        private readonly Linear item = nn.Linear(FeatureNetwork.Convolutions[^1].Out, Vocabulary.Items.Count);
        private readonly Linear colour = nn.Linear(FeatureNetwork.Convolutions[^1].Out, Vocabulary.Colours.Count);

        public Net() : base("evaluator") => RegisterComponents();

        /// <summary>(B, 3, 28, 28) -> item logits (B, 10), colour logits (B, 8).</summary>
        public (Tensor Item, Tensor Colour) Logits(Tensor x)
        {
            for (var i = 0; i < conv.Count; i++) x = norm[i].call(conv[i].call(x)).relu();
            x = x.mean([2L, 3L]);                                                                           // (B, 96)
            return (item.call(x), colour.call(x));
        }

        /// <summary>
        /// The weights of <see cref="FeatureNetwork"/>: in evaluation a batch norm is a scale and a shift, so it fits into the convolution.
        /// </summary>
        public Dictionary<string, Tensor> Fold()
        {
            using var noGrad = no_grad();
            using var scope = NewDisposeScope();
            Dictionary<string, Tensor> weights = [];
            for (var i = 0; i < conv.Count; i++)
            {
                var scale = norm[i].weight! / (norm[i].running_var! + 1e-5).sqrt();                         // 1e-5: BatchNorm2d's default eps
                weights[$"{FeatureNetwork.Convolutions[i].Name}.weight"] = conv[i].weight! * scale.view(-1, 1, 1, 1);
                weights[$"{FeatureNetwork.Convolutions[i].Name}.bias"] = norm[i].bias! - norm[i].running_mean! * scale;
            }
            foreach (var (name, head) in new[] { ("item", item), ("colour", colour) })
            {
                weights[$"{name}.weight"] = head.weight!.detach().clone();
                weights[$"{name}.bias"] = head.bias!.detach().clone();
            }
            return weights.ToDictionary(w => w.Key, w => w.Value.cpu().DetachFromDisposeScope());
        }
    }
}
