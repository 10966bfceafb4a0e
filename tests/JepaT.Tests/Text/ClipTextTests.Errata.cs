using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed partial class ClipTextTests
{
    [Theory]
    [InlineData(false, "transformer.resblocks.1.mlp.c_fc.bias")]
    [InlineData(true, "text_model.encoder.layers.1.mlp.fc1.bias")]
    public void Weights_that_are_not_finite_are_refused_by_the_file_s_name(bool huggingFace, string name)
    {
        using var scope = NewDisposeScope();
        var weights = huggingFace ? HuggingFace(SmallWeights()) : SmallWeights();
        weights[name] = weights[name] / 0;

        Assert.StartsWith($"x.pt: tensor {name} holds NaN or infinity", Assert.Throws<UserException>(() => new ClipText(weights, "x.pt", Tokenizer)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Erratum_3_leaves_embeddings_attention_inputs_and_the_projection_and_nothing_else()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden("clip_text");
        var heads = golden.Config.GetProperty("heads").GetInt32();
        using var network = new ClipTextNetwork(Weights(golden), "golden", heads: heads);
        using var kept = new ClipTextNetwork(Weights(golden), "golden", heads: heads, reinitialised: true);
        var before = network.Weights.ToDictionary();

        foreach (var (name, w) in kept.Weights)
        {
            var survives = name.Contains("embedding", StringComparison.Ordinal) || name.Contains("in_proj", StringComparison.Ordinal) || name == "text_projection";
            Assert.True(survives == w.Equals(before[name]) || (!survives && before[name].Equals(w) && w.dim() == 1), name);
            if (survives) continue;
            if (w.dim() == 1) Assert.Equal(name.Contains("ln_", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal) ? 1 : 0, w.min().ToSingle());
            else Assert.Equal(Math.Sqrt(2.0 / (w.shape[0] + w.shape[1])), w.std().ToDouble(), 0.1 * Math.Sqrt(2.0 / (w.shape[0] + w.shape[1])));
        }
        Assert.False(kept.Hidden(golden["ids"]).allclose(network.Hidden(golden["ids"])));
    }

    [Fact]
    public void Erratum_6_refuses_a_text_that_is_otherwise_cut()
    {
        var text = string.Concat(Enumerable.Repeat("word ", 76));

        Assert.Equal(77, Tokenizer.Tokenize(text).Length);
        var error = Assert.Throws<UserException>(() => Tokenizer.Tokenize(text, refuseLong: true));
        Assert.Contains("has 78 tokens, CLIP takes 77", error.Message, StringComparison.Ordinal);
        Assert.Equal(77, Tokenizer.Tokenize(text[5..], refuseLong: true).Length);
    }
}
