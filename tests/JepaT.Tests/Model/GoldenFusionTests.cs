using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Trait("Category", "Golden")]
public sealed class GoldenFusionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Golden golden = new("fusion"), weights = new("train_flow");

    public GoldenFusionTests() => set_num_threads(1);

    public void Dispose()
    {
        golden.Dispose();
        weights.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void All_sixteen_combinations_agree()
    {
        var config = GoldenModel.Config(golden.Config);
        var (images, text) = (golden["imgs"], golden["text"]);
        var draws = GoldenModel.Draws(golden, "", config);
        var masked = Masking.First(draws.Orders, draws.MaskedCount);
        var everywhere = arange(config.Tokens).expand(images.shape[0], -1);
        for (var bits = 0; bits < 16; bits++)
        {
            using var inner = NewDisposeScope();
            var key = Convert.ToString(bits, 2).PadLeft(4, '0');
            var fusion = new Fusion(key[0] == '1', key[1] == '1', key[2] == '1', key[3] == '1');
            var model = GoldenModel.Create(config with { Fusion = fusion }, weights);

            var z = model.Predict(ImageTokens.Patchify(images, config.PatchSize), Masking.Rest(draws.Orders, draws.MaskedCount), everywhere,
                model.ProjectText(text, draws.Drop));
            var losses = model.Loss(images, text, draws, model.TargetFeatures(images, text, masked));

            GoldenModel.AssertClose(golden[$"out.{key}.z"], z, $"z of {key}");
            GoldenModel.AssertLoss(golden[$"out.{key}.losses"], stack([losses.Flow, losses.Jepa]), $"losses of {key}");
            GoldenModel.AssertClose(golden[$"out.{key}.ema_features_image0"], model.TargetFeatures(images, text, everywhere)[0], $"EMA features of {key}");
            model.Dispose();
        }
    }

    [Fact]
    public void Presets_are_the_reference_rows()
    {
        foreach (var preset in golden.Json.GetProperty("presets").EnumerateObject())
        {
            var row = preset.Value;
            var expected = new Fusion(row.GetProperty("text_in_encoder").GetBoolean(), row.GetProperty("text_in_decoder").GetBoolean(),
                row.GetProperty("post_cross_attention").GetBoolean(), row.GetProperty("raw_text").GetBoolean());
            Assert.Equal(expected, Fusion.Parse(preset.Name.Replace('_', '-')));
        }
    }
}
