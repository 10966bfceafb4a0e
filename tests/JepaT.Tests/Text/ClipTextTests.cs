using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed partial class ClipTextTests
{
    private const double Tolerance = 1e-5;

    private static readonly ClipTokenizer Tokenizer = new();

    [Theory]
    [InlineData("openai")]
    [InlineData("whole")]
    [InlineData("huggingface")]
    [Trait("Category", "Golden")]
    public void The_text_tower_agrees_with_the_golden_tensors(string names)
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden("clip_text");
        var openAi = Weights(golden);
        var file = names switch { "openai" => openAi, "whole" => Whole(openAi), _ => HuggingFace(openAi) };
        using var network = new ClipTextNetwork(file, names, heads: golden.Config.GetProperty("heads").GetInt32());
        var (ids, expected) = (golden["ids"], golden["hidden"]);

        var hidden = network.Hidden(ids);
        var pooled = network.Pooled(hidden, Ends(ids));

        var every = (ids.shape[1] + expected.shape[1] - 1) / expected.shape[1];
        var seen = hidden.index_select(1, arange(0, ids.shape[1], every));
        Assert.Equal(expected.shape, seen.shape);
        Assert.InRange((seen - expected).abs().max().ToDouble(), 0, Tolerance);
        Assert.InRange((pooled - golden["features"]).abs().max().ToDouble(), 0, Tolerance);
    }

    [Fact]
    public void What_comes_after_the_end_has_no_influence()
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden("clip_text");
        using var network = new ClipTextNetwork(Weights(golden), "golden", heads: golden.Config.GetProperty("heads").GetInt32());
        var ids = golden["ids"];
        var ends = Ends(ids);
        var longest = ends.max().item<long>() + 1;

        var whole = network.Pooled(network.Hidden(ids), ends);
        var cut = network.Pooled(network.Hidden(ids.narrow(1, 0, longest)), ends);

        Assert.InRange((whole - cut).abs().max().ToDouble(), 0, 2e-6);
    }

    [Fact]
    public void A_caption_is_the_same_in_any_company_and_tokens_end_with_its_end()
    {
        using var scope = NewDisposeScope();
        using var clip = Small();
        string[] captions = ["a red sneaker", "it's the dog's toy, isn't it?", "cat"];

        var together = clip.EncodeTokens(captions);

        Assert.Equal([3, 64], together.Pooled.shape);
        Assert.True(together.Pooled.Equals(clip.Encode(captions)));
        for (var i = 0; i < captions.Length; i++)
        {
            var alone = clip.EncodeTokens([captions[i]]);
            var n = Tokenizer.Tokenize(captions[i]).Length;
            Assert.Equal([1, n, 64], alone.Tokens!.shape);
            Assert.Equal(n, together.Mask![i].sum().item<long>());
            Assert.InRange((alone.Pooled[0] - together.Pooled[i]).abs().max().ToDouble(), 0, 1e-5);
            Assert.InRange((alone.Tokens[0] - together.Tokens![i].narrow(0, 0, n)).abs().max().ToDouble(), 0, 1e-5);
            Assert.Equal(0, together.Tokens[i].narrow(0, n, together.Tokens.shape[1] - n).abs().sum().ToDouble());
        }
    }

    [Fact]
    public void Another_last_word_changes_its_own_token_and_the_end_but_none_before()
    {
        using var scope = NewDisposeScope();
        using var clip = Small();

        var x = clip.EncodeTokens(["a red shoe", "a red cat"]).Tokens!;

        var change = (x[0] - x[1]).abs().amax([1L]).data<float>().ToArray();      // start, a, red, word, end
        Assert.Equal(5, change.Length);
        Assert.All(change[..3], c => Assert.InRange(c, 0, 1e-5));
        Assert.All(change[3..], c => Assert.True(c > 0.01));
    }

    [Fact]
    public void A_text_of_more_tokens_than_the_context_is_cut()
    {
        using var scope = NewDisposeScope();
        using var clip = Small();

        var tokens = clip.EncodeTokens([string.Concat(Enumerable.Repeat("word ", 150)), string.Concat(Enumerable.Repeat("word ", 75))]).Tokens!;

        Assert.Equal([2, 77, 64], tokens.shape);
        Assert.True(tokens[0].Equals(tokens[1]));
    }

    [Fact]
    public void Half_precision_in_the_file_or_in_the_computation_gives_float32_near_the_exact()
    {
        using var scope = NewDisposeScope();
        var weights = SmallWeights();
        var half = weights.ToDictionary(w => w.Key, w => w.Value.to(float16));
        using var exact = new ClipText(weights, "exact", Tokenizer);
        using var stored = new ClipText(half, "half", Tokenizer);
        using var computed = new ClipText(weights, "bfloat16", Tokenizer, dtype: ScalarType.BFloat16);
        using var fine = new ClipText(weights, "float64", Tokenizer, dtype: ScalarType.Float64);

        var x = exact.Encode(["a red sneaker"]);

        foreach (var (clip, near) in new[] { (stored, 0.01), (computed, 0.1), (fine, 1e-5) })
        {
            var y = clip.Encode(["a red sneaker"]);
            Assert.Equal(ScalarType.Float32, y.dtype);
            Assert.InRange((x - y).norm().ToDouble() / x.norm().ToDouble(), 0, near);
        }
        Assert.Equal(4, new[] { exact, stored, computed, fine }.Select(c => c.Fingerprint).Distinct().Count());
    }

    [Fact]
    public void Tokens_of_another_width_than_the_pooled_vector_are_none()
    {
        using var scope = NewDisposeScope();
        var weights = SmallWeights();
        weights["text_projection"] = randn(64, 32);
        using var clip = new ClipText(weights, "narrow", Tokenizer);

        var features = clip.EncodeTokens(["a cat"]);

        Assert.Equal([1, 32], features.Pooled.shape);
        Assert.Null(features.Tokens);
        Assert.Null(features.Mask);
    }

    [Fact]
    public void Nothing_is_left_behind_by_an_encoding()
    {
        using var clip = Small();
        var statistics = DisposeScopeManager.Statistics;
        statistics.Reset();

        clip.Encode(["a cat"]).Dispose();
        var features = clip.EncodeTokens(["a cat", "a red cat"]);
        foreach (var t in new[] { features.Pooled, features.Tokens!, features.Mask! }) t.Dispose();

        Assert.Equal(0, statistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData("ln_final.bias", "missing", "missing: ln_final.bias")]
    [InlineData("token_embedding.weight", "missing", "token_embedding.weight is missing")]
    [InlineData("transformer.resblocks.0.attn.in_proj_weight", "misshapen", "in_proj_weight is (3, 3), wanted (192, 64)")]
    [InlineData("transformer.resblocks.0.extra", "surplus", "surplus: transformer.resblocks.0.extra")]
    [InlineData("text_model.encoder.layers.0.mlp", "surplus", "surplus: text_model.encoder.layers.0.mlp")]
    public void Weights_that_do_not_fit_are_named(string name, string how, string why)
    {
        using var scope = NewDisposeScope();
        var weights = SmallWeights();
        if (how == "missing") weights.Remove(name);
        else weights[name] = randn(3, 3);

        var e = Assert.Throws<UserException>(() => new ClipText(weights, "clip.safetensors", Tokenizer));

        Assert.StartsWith("clip.safetensors: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(why, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_missing_value_projection_of_Hugging_Face_is_named()
    {
        using var scope = NewDisposeScope();
        var weights = HuggingFace(SmallWeights());
        weights.Remove("text_model.encoder.layers.0.self_attn.v_proj.weight");

        var e = Assert.Throws<UserException>(() => new ClipText(weights, "model.safetensors", Tokenizer));

        Assert.Contains("missing: transformer.resblocks.0.attn.in_proj_weight", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Heads_and_vocabulary_must_fit()
    {
        using var scope = NewDisposeScope();
        var weights = SmallWeights();

        Assert.Contains("does not divide into 7 heads",
            Assert.Throws<UserException>(() => new ClipText(weights, "x", Tokenizer, heads: 7)).Message, StringComparison.Ordinal);
        weights["token_embedding.weight"] = randn(100, 64);
        Assert.Contains("its embedding has 100 tokens, the vocabulary 49,408",
            Assert.Throws<UserException>(() => new ClipText(weights, "x", Tokenizer)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Empty_and_endless_captions_are_refused()
    {
        using var clip = Small();

        Assert.Throws<UserException>(() => clip.Encode([" "]));
        Assert.Throws<UserException>(() => clip.Encode([new string('a', HashedText.MaxLength + 1)]));
    }

    [Fact]
    public void Missing_weights_say_where_to_get_them_and_where_to_put_them()
    {
        using var folder = new TemporaryFolder();

        var e = Assert.Throws<UserException>(() => TextEncoders.ClipFile(null, folder.Path));

        Assert.Contains("https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt", e.Message, StringComparison.Ordinal);
        Assert.Contains("SHA-256 a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f", e.Message, StringComparison.Ordinal);
        Assert.Contains($"put the file into {folder.Path}", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("TorchScript", e.Message, StringComparison.Ordinal);      // it is read as it is
        Assert.DoesNotContain('\n', e.Message);
        File.WriteAllText(folder.File("pytorch_model.bin"), "");
        Assert.Equal(folder.File("pytorch_model.bin"), TextEncoders.ClipFile(null, folder.Path));
        Assert.Contains("unknown text encoder 'clap'", Assert.Throws<UserException>(() => TextEncoders.Create("clap")).Message, StringComparison.Ordinal);
    }

    internal static ClipText Small()
    {
        using var scope = NewDisposeScope();
        return new ClipText(SmallWeights(), "small", Tokenizer);
    }

    /// <summary>A tower of two layers for the real vocabulary, from a fixed seed.</summary>
    private static Dictionary<string, Tensor> SmallWeights()
    {
        const int c = 64;
        using var g = new Generator(5);
        Tensor Normal(double std, params long[] shape) => randn(shape, generator: g) * std;
        var weights = new Dictionary<string, Tensor>
        {
            ["token_embedding.weight"] = Normal(0.5, Tokenizer.Size, c),
            ["positional_embedding"] = Normal(0.1, 77, c),
            ["ln_final.weight"] = ones(c),
            ["ln_final.bias"] = zeros(c),
            ["text_projection"] = Normal(0.125, c, c),
        };
        for (var i = 0; i < 2; i++)
        {
            var name = $"transformer.resblocks.{i}.";
            foreach (var norm in new[] { "ln_1", "ln_2" }) (weights[$"{name}{norm}.weight"], weights[$"{name}{norm}.bias"]) = (ones(c), zeros(c));
            foreach (var (part, outputs, inputs) in new[] { ("attn.in_proj_", 3 * c, c), ("attn.out_proj.", c, c), ("mlp.c_fc.", 4 * c, c), ("mlp.c_proj.", c, 4 * c) })
                (weights[$"{name}{part}weight"], weights[$"{name}{part}bias"]) = (Normal(1 / Math.Sqrt(inputs), outputs, inputs), Normal(0.1, outputs));
        }
        return weights;
    }

    private static Dictionary<string, Tensor> Weights(Golden golden) =>
        golden.Names.Where(n => n.StartsWith("w.", StringComparison.Ordinal)).ToDictionary(n => n[2..], n => golden[n]);

    /// <summary>What else OpenAI's file holds.</summary>
    private static Dictionary<string, Tensor> Whole(Dictionary<string, Tensor> text) => new(text)
    {
        ["visual.transformer.resblocks.0.ln_1.weight"] = ones(7),
        ["visual.proj"] = ones(7, 5),
        ["logit_scale"] = tensor(4.6f),
        ["input_resolution"] = tensor(224),
        ["context_length"] = tensor(77),
        ["vocab_size"] = tensor(49408),
    };

    /// <summary>The names of Hugging Face's CLIPModel, by the rule that the golden case tells.</summary>
    private static Dictionary<string, Tensor> HuggingFace(Dictionary<string, Tensor> text)
    {
        var renamed = new Dictionary<string, Tensor>
        {
            ["text_model.embeddings.token_embedding.weight"] = text["token_embedding.weight"],
            ["text_model.embeddings.position_embedding.weight"] = text["positional_embedding"],
            ["text_model.embeddings.position_ids"] = arange(77).unsqueeze(0),
            ["text_model.final_layer_norm.weight"] = text["ln_final.weight"],
            ["text_model.final_layer_norm.bias"] = text["ln_final.bias"],
            ["text_projection.weight"] = text["text_projection"].t(),
            ["vision_model.post_layernorm.bias"] = ones(7),
            ["visual_projection.weight"] = ones(5, 7),
            ["logit_scale"] = tensor(4.6f),
        };
        foreach (var (name, w) in text.Where(w => w.Key.StartsWith("transformer.", StringComparison.Ordinal)))
        {
            var layer = "text_model.encoder.layers." + name["transformer.resblocks.".Length..];
            if (layer.Contains("in_proj_", StringComparison.Ordinal))
                foreach (var (part, value) in new[] { "q", "k", "v" }.Zip(w.chunk(3)))
                    renamed[layer.Replace("attn.in_proj_", $"self_attn.{part}_proj.", StringComparison.Ordinal)] = value;
            else
                renamed[layer.Replace("attn.", "self_attn.", StringComparison.Ordinal).Replace("ln_", "layer_norm", StringComparison.Ordinal)
                    .Replace("c_fc", "fc1", StringComparison.Ordinal).Replace("c_proj", "fc2", StringComparison.Ordinal)] = w;
        }
        return renamed;
    }

    /// <summary>The first place of the largest id.</summary>
    private static Tensor Ends(Tensor ids)
    {
        var n = (int)ids.shape[1];
        return tensor(ids.data<long>().ToArray().Chunk(n).Select(row => (long)Array.IndexOf(row, row.Max())).ToArray());
    }
}
