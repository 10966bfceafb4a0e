using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Checkpoints of the published code and its ancestors into the backbone, and ours out again.</summary>
public sealed class PartialLoadTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void A_MAR_checkpoint_gives_what_agrees_and_the_rest_is_told()
    {
        var config = JepaModelTests.Small;
        var donor = new JepaModel(config, seed: 1).StateDict();
        // MAR (models/mar.py): a class table in place of the text projection, positions also for the buffer, no fusion modules, half precision here.
        var mar = donor.Where(w => w.Key.Split('.')[0] is "fake_latent" or "mask_token" or "z_proj" or "z_proj_ln" or "encoder_blocks" or "encoder_norm"
                or "decoder_embed" or "decoder_blocks" or "decoder_norm" or "diffloss").ToDictionary(w => w.Key, w => w.Value.to(ScalarType.BFloat16));
        mar["class_emb.weight"] = randn(10, config.Dim);
        mar["encoder_pos_embed_learned"] = randn(1, config.Tokens + config.BufferTokens, config.Dim);
        mar["decoder_pos_embed_learned"] = randn(1, config.Tokens + config.BufferTokens, config.Dim);
        mar["diffusion_pos_embed_learned"] = randn(1, config.Tokens, config.Dim);
        mar["clip_model.logit_scale"] = ones(1);
        var path = folder.File("checkpoint-last.pth");
        using (var stream = File.Create(path))
            TorchWriter.Save(stream, [("model", Write(donor)), ("model_ema", Write(mar.ToDictionary(w => "module._orig_mod." + w.Key, w => w.Value)))]);
        var model = new JepaModel(config, seed: 2);
        var before = model.StateDict().ToDictionary(w => w.Key, w => w.Value.clone());

        using var file = WeightFile.Open(path);
        var report = model.LoadPartial(file);

        Assert.Equal(mar.Keys.Where(n => n.Split('.')[0] is not ("class_emb" or "encoder_pos_embed_learned" or "decoder_pos_embed_learned" or "diffusion_pos_embed_learned" or "clip_model")).Order(), report.Copied.Order());
        Assert.Equal(report.Copied.Count, report.Converted.Count);
        Assert.Equal(["class_emb.weight", "diffusion_pos_embed_learned"], report.Surplus.Order());
        Assert.Equal(["decoder_pos_embed_learned", "encoder_pos_embed_learned"], report.Misshapen.Select(m => m.Split(' ')[0]).Order());
        Assert.Contains("buffer", report.Missing);
        Assert.Contains("fuse_proj.weight", report.Missing);
        foreach (var (name, value) in model.StateDict())
            Assert.True(value.Equals(report.Copied.Contains(name) ? mar[name].to(ScalarType.Float32) : before[name]), name);
        Assert.Contains(report.Lines(), l => l.StartsWith("  misshapen (2): ", StringComparison.Ordinal));
    }

    [Fact]
    public void What_fits_nothing_is_refused_and_changes_nothing()
    {
        var model = new JepaModel(JepaModelTests.Small);
        using var file = WeightFile.Open(WeightSamples.File("types.pth"));

        var error = Assert.Throws<UserException>(() => model.LoadPartial(file));

        Assert.Contains("nothing in it fits this model, missing: fake_latent", error.Message, StringComparison.Ordinal);
        Assert.Contains("surplus: float, half, bfloat and 11 more", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_whole_file_is_copied_only_if_all_of_it_agrees()
    {
        var path = folder.File("a.safetensors");
        Safetensors.Save(path, [new("a", ones(2, dtype: ScalarType.Float16)), new("b", ones(3)), new("ids", ones(1, dtype: ScalarType.Int64))]);
        using var file = WeightFile.Open(path);
        (string, Tensor)[] fits = [("a", zeros(2)), ("b", zeros(3)), ("ids", zeros(1, dtype: ScalarType.Int64))];
        (string, Tensor)[] not = [("a", zeros(2)), ("b", zeros(1, 3)), ("c", zeros(1)), ("ids", zeros(1))];

        var report = WeightMatch.Copy(fits, file);
        var error = Assert.Throws<UserException>(() => WeightMatch.Copy(not, file, hint: "is it ours?"));

        Assert.Equal(["a from Float16 to Float32"], report.Converted);
        Assert.All(fits, f => Assert.Equal(1, f.Item2.mean([0L], type: ScalarType.Float32).ToSingle()));
        Assert.EndsWith("does not fit this model, missing: c; misshapen: b is (3), wanted (1, 3), ids is Int64, wanted Float32 (is it ours?)", error.Message, StringComparison.Ordinal);
        Assert.All(not, n => Assert.Equal(0, n.Item2.abs().sum().ToDouble()));
    }

    [Fact]
    public void One_weight_under_two_names_is_refused()
    {
        var path = folder.File("a.safetensors");
        Safetensors.Save(path, [new("module.mask_token", ones(1)), new("mask_token", ones(1))]);
        using var file = WeightFile.Open(path);

        Assert.Contains("module.mask_token and mask_token are the same weight", Assert.Throws<UserException>(() => new JepaModel(JepaModelTests.Small).LoadPartial(file)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("clip_model.visual.proj", null)]
    [InlineData("module._orig_mod.z_proj.bias", "z_proj.bias")]
    [InlineData("_orig_mod.clip_model.x", null)]
    [InlineData("diffloss.net.cond_embed.bias", "diffloss.net.cond_embed.bias")]
    public void Published_names_lose_what_wraps_them(string name, string? own) => Assert.Equal(own, PublishedNames.Own(name));

    private static List<WeightToWrite> Write(Dictionary<string, Tensor> weights) => [.. weights.Select(w => new WeightToWrite(w.Key, w.Value))];
}
