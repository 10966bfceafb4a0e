using System.Globalization;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class FeatureNetworkTests : IDisposable
{
    private const string Debian = "/usr/share/datasets/fashion-mnist";
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public FeatureNetworkTests() => set_num_threads(1);                         // tiny batches: threads would only wait for each other

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void The_shipped_file_is_the_one_of_its_card_and_small()
    {
        using var network = FeatureNetwork.Load(CPU);
        var card = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Assets", Path.ChangeExtension(FeatureNetwork.FileName, ".md")));

        Assert.Contains(network.Hash, card, StringComparison.Ordinal);
        using var shipped = FeatureNetwork.OpenShipped();
        Assert.InRange(shipped.Length, 1, 2_000_000);
        foreach (var what in new[] { "item accuracy, grey", "item accuracy, tinted", "colour accuracy" })
            Assert.InRange(double.Parse(Regex.Match(card, $@"{what}[^|]*\| ([0-9.]+)").Groups[1].Value, CultureInfo.InvariantCulture), 0.9, 1);
    }

    [Fact]
    public void The_shipped_network_knows_items_and_colours_of_test_pictures_it_never_saw()
    {
        if (!Directory.Exists(Debian)) Assert.Skip($"{Debian} is not there: install dataset-fashion-mnist");
        using var scope = NewDisposeScope();
        using var network = FeatureNetwork.Load(CPU);
        using var data = FashionMnist.Load(FashionMnist.Tinted, "test", CPU, Debian);
        var index = arange(2000);

        var set = network.Extract(data.Images(index));

        Assert.True(Share(set.ItemLogits, data.Items.index_select(0, index)) >= 0.9);
        Assert.True(Share(set.ColourLogits, data.Colours.index_select(0, index)) >= 0.97);
    }

    [Fact]
    public void Grey_pictures_are_judged_as_three_equal_channels_and_the_batch_does_not_matter()
    {
        using var scope = NewDisposeScope();
        using var network = FeatureNetwork.Load(CPU);
        var grey = rand(7, 1, 28, 28) * 2 - 1;

        var once = network.Extract(grey);
        var threes = network.Extract(grey.expand(7, 3, 28, 28).contiguous(), batch: 3);

        Assert.Equal([7, network.Dim], once.Features.shape);
        Assert.Equal([7, 10], once.ItemLogits.shape);
        Assert.Equal([7, 8], once.ColourLogits.shape);
        Assert.True(once.Features.allclose(threes.Features, atol: 1e-5));
        Assert.True(once.ItemLogits.allclose(threes.ItemLogits, atol: 1e-4));
        Assert.False(once.Features.requires_grad);
        Assert.Throws<ArgumentException>(() => network.Extract(zeros(7, 3, 32, 32)));
        Assert.Throws<ArgumentException>(() => network.Extract(zeros(7, 784)));
    }

    [Fact]
    public void Judging_leaves_nothing_behind_but_the_verdict()
    {
        using var network = FeatureNetwork.Load(CPU);
        using var images = zeros(5, 3, 28, 28);
        network.Extract(images, 2).Dispose();
        var statistics = DisposeScopeManager.Statistics;
        statistics.Reset();

        for (var i = 0; i < 3; i++) network.Extract(images, 2).Dispose();

        Assert.Equal(0, statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void A_file_with_a_tensor_of_a_shape_that_would_broadcast_is_refused_by_name() =>
        Refused(w => w["conv2.bias"] = w["conv2.bias"].narrow(0, 0, 1), "conv2.bias is (1), wanted (64)");

    [Fact]
    public void A_file_with_a_tensor_missing_unknown_or_of_another_type_is_refused_by_name()
    {
        Refused(w => w.Remove("item.weight"), "item.weight is missing");
        Refused(w => w["extra"] = zeros(1), "extra is unknown");
        Refused(w => w["item.bias"] = w["item.bias"].to(ScalarType.Float64), "item.bias is Float64");
        Refused(w => w["item.bias"] = w["item.bias"] / 0, "item.bias holds NaN or infinity");
    }

    [Fact]
    public void Folding_the_batch_norms_changes_no_answer()
    {
        using var scope = NewDisposeScope();
        manual_seed(0);
        using var net = new EvaluatorTraining.Net();
        for (var i = 0; i < 5; i++) net.Logits(randn(16, 3, 28, 28) + 1);       // running mean and variance away from 0 and 1
        net.eval();
        var images = randn(4, 3, 28, 28);

        using var folded = new FeatureNetwork(net.Fold(), "", CPU);

        var (item, colour) = net.Logits(images);
        var set = folded.Extract(images);
        Assert.True(item.allclose(set.ItemLogits, atol: 1e-4));
        Assert.True(colour.allclose(set.ColourLogits, atol: 1e-4));
    }

    [Fact]
    public void Training_learns_items_and_colours()
    {
        using var tiny = Boxes();
        using var train = tiny.Open().Dataset(FashionMnist.Plain, "train");
        using var test = tiny.Open().Dataset(FashionMnist.Plain, "test");

        var weights = EvaluatorTraining.Train(train, new(Epochs: 10, Batch: 20));

        using var network = new FeatureNetwork(weights, "", CPU);
        var accuracy = EvaluatorTraining.Measure(network, test);
        Assert.InRange(accuracy.TintedItem, 0.8, 1);
        Assert.InRange(accuracy.Colour, 0.9, 1);
        foreach (var w in weights.Values) w.Dispose();
    }

    [Fact]
    public void Training_with_one_seed_gives_the_same_weights_and_with_another_others()
    {
        using var tiny = Boxes();
        using var train = tiny.Open().Dataset(FashionMnist.Plain, "train");
        EvaluatorTraining.Settings settings = new(Epochs: 1, Batch: 40);

        var runs = new[] { settings, settings, settings with { Seed = 1 } }.Select(s => EvaluatorTraining.Train(train, s)).ToArray();

        foreach (var (name, w) in runs[0])
        {
            Assert.True(w.Equals(runs[1][name]), name);
            Assert.False(w.Equals(runs[2][name]), name);
        }
        foreach (var w in runs.SelectMany(r => r.Values)) w.Dispose();
    }

    // Class c is a filled box of one of five widths and two heights, so that a mirrored or moved picture keeps its class.
    private static TinyFashion Boxes()
    {
        var tiny = new TinyFashion(train: 200, test: 50);
        foreach (var (name, count) in new[] { (TinyFashion.TrainImages, 200), (TinyFashion.TestImages, 50) })
        {
            var bytes = new byte[count * 784];
            for (var i = 0; i < count; i++)
            {
                var (half, tall) = (2 + 5 * (i % 10 % 5) / 2, i % 10 < 5 ? 3 : 8);
                for (var y = 14 - tall; y < 14 + tall; y++)
                    Array.Fill(bytes, (byte)(255 - i % 70), i * 784 + y * 28 + 14 - half, 2 * half);
            }
            tiny.Write(name, bytes, count, 28, 28);
        }
        return tiny;
    }

    private void Refused(Action<Dictionary<string, Tensor>> change, string why)
    {
        using var scope = NewDisposeScope();
        var weights = FeatureNetwork.Shapes().ToDictionary(s => s.Name, s => zeros(s.Shape));
        var path = Path.Combine(folder.FullName, "other.safetensors");
        Safetensors.Save(path, weights);
        FeatureNetwork.Load(CPU, path).Dispose();                               // as it should be

        change(weights);
        Safetensors.Save(path, weights);

        var error = Assert.Throws<UserException>(() => FeatureNetwork.Load(CPU, path)).Message;
        Assert.Contains(path, error, StringComparison.Ordinal);
        Assert.Contains(why, error, StringComparison.Ordinal);
    }

    private static double Share(Tensor logits, Tensor wanted) => logits.argmax(1).eq(wanted).to(ScalarType.Float64).mean().item<double>();
}
