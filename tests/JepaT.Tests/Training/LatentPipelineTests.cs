using JepaT.Lab;
using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>The road of the published recipes from the command line, on tiny pictures: cache latents, train on them, measure, draw.</summary>
public sealed class LatentPipelineTests : IDisposable
{
    private const int Size = 32;                                    // pixels: latents of 2 × 2

    private readonly PictureFolder pictures = new(4, "n01440764", "n01443537");
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public LatentPipelineTests() => set_num_threads(1);

    public void Dispose()
    {
        pictures.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Pictures_become_latents_a_model_numbers_and_pictures_again()
    {
        pictures.WriteBeside("classes.txt", "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n");
        var (autoencoder, inception) = (Formula("vae"), Formula("inception"));

        Lab("cache-latents", pictures.Root, "-o", Of("latents"), "--autoencoder", autoencoder, "--size", $"{Size}", "--classes", pictures.Beside("classes.txt"));
        Lab("train", Experiment(), "-o", Of("run"), "--tracking", Store,
            "--set", $"data.autoencoder={autoencoder}", "--set", $"evaluation.inception={inception}", "--set", $"evaluation.reference={pictures.Root}");
        Lab("sample", "--run", Of("run"), "-p", "a photo of a goldfish", "-n", "2", "-o", Of("fish.png"));

        using var store = SqliteStore.Open(Store, readOnly: true);
        var run = store.GetRun(File.ReadAllText(Of("run/mlflow-run")).Trim());
        Assert.Equal(RunStatus.Finished, run.Info.Status);
        Assert.True(run.Metrics["eval/fid_inception_12"].Value > 0);
        Assert.InRange(run.Metrics["eval/is_inception_12"].Value, 1, 1008);
        Assert.Equal(("inception", "12", "2"), (run.Params["measured.network"], run.Params["measured.count"], run.Params["measured.classes"]));
        using var drawn = SkiaSharp.SKBitmap.Decode(Of("fish.png"));
        Assert.True(drawn.Width >= 2 * Size && drawn.Height >= Size);
    }

    [Fact]
    public void Captions_of_a_file_are_drawn_as_prompts_from_pictures_and_from_their_latents()
    {
        // 8 pictures with 8 captions: 12 is no multiple.
        pictures.WriteBeside("captions.csv", "file,caption\n" + string.Join('\n', ImageFolder.Uncaptioned(pictures.Root).Files.Select((f, i) => $"{f},picture {i}")));
        var (autoencoder, inception, captions) = (Formula("vae"), Formula("inception"), pictures.Beside("captions.csv"));
        string[] measured = ["--set", $"evaluation.inception={inception}", "--set", $"evaluation.reference={pictures.Root}", "--tracking", Store];

        Lab(["train", Experiment(), "-o", Of("pixels"), .. measured, "--set", "data.name=image-folder", "--set", $"data.folder={pictures.Root}",
            "--set", $"data.captions={captions}", "--set", "data.size=8", "--set", "model.patch_size=4"]);
        Lab("cache-latents", pictures.Root, "-o", Of("latents"), "--autoencoder", autoencoder, "--size", $"{Size}", "--captions", captions);
        Lab(["train", Experiment(), "-o", Of("run"), "--set", $"data.autoencoder={autoencoder}", .. measured]);
        Lab("evaluate", Of("run"), "--count", "13", "--tracking", Store);

        using var store = SqliteStore.Open(Store, readOnly: true);
        foreach (var folder in new[] { "pixels", "run" })
        {
            var run = store.GetRun(File.ReadAllText(Of($"{folder}/mlflow-run")).Trim());
            Assert.True(run.Metrics["eval/fid_inception_12"].Value > 0);
            Assert.Equal(("captions", "None", "12"), (run.Params["measured.prompts"], run.Params["measured.classes"], run.Params["measured.count"]));
        }
        var id = File.ReadAllText(Of("run/mlflow-run")).Trim();
        var evaluation = Assert.Single(store.SearchRuns(new() { ParentRunId = id })).Info.RunId;
        using var file = new StreamReader(store.OpenArtifact(evaluation, "evaluation.json"));
        var card = EvaluationCard.FromJson(file.ReadToEnd(), "evaluation.json");
        Assert.Equal((PromptChoice.Captions, null, 13), (card.Prompts, card.Classes, card.Count));
        Assert.Equal(store.GetRun(id).Metrics["evaluate/fid_inception_13"].Value, card.Values["fid_inception_13"]);
    }

    [Fact]
    public void A_cache_of_which_it_is_not_known_whether_it_has_classes_is_told_with_the_mend()
    {
        var single = pictures.WriteBeside("captions.csv", "file,caption\n" + string.Join('\n', ImageFolder.Uncaptioned(pictures.Root).Files.Select((f, i) => $"{f},picture {i}")));
        using var encoder = new FakeEncoder();
        void Write() => LatentCacheWriter.Write(ImageFolder.Open(pictures.Root, single), encoder, Of("latents"), new() { ImageSize = Size, Batch = 2, Threads = 1 }, stop: TestContext.Current.CancellationToken);
        Write();
        LatentCacheTests.Forget(Of("latents"));
        string[] train = ["train", Experiment(), "-o", Of("run"), "--tracking", Store, "--set", $"data.autoencoder={Formula("vae")}",
            "--set", $"evaluation.inception={Formula("inception")}", "--set", $"evaluation.reference={pictures.Root}"];
        var error = new StringWriter();

        Assert.Equal(1, Cli.Run(train, error));
        Assert.Contains($"{Of("latents")}: does not say whether its captions are of classes", error.ToString(), StringComparison.Ordinal);
        Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Write();
        Lab(train);
    }

    [Fact]
    public void What_is_missing_is_told_before_the_first_step_with_where_to_get_it()
    {
        var (first, second, third) = (new StringWriter(), new StringWriter(), new StringWriter());
        string[] train = ["train", Experiment(), "-o", Of("run"), "--tracking", Store];

        Assert.Equal(1, Cli.Run(train, first));
        Assert.Contains("evaluation.reference is missing", first.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, Cli.Run([.. train, "--set", $"evaluation.reference={pictures.Root}"], second));
        Assert.Contains($"{Of("latents")}: ", second.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, Cli.Run([.. train, "--set", "text_encoder.name=clip", "--set", $"text_encoder.weights={Of("clip.pt")}", "--set", "data.name=image-folder",
            "--set", $"data.folder={pictures.Root}", "--set", "data.template=number {number}", "--set", "evaluation.network=none"], third));
        Assert.Contains("clip.pt: missing; the weights of CLIP ViT-B/32 are", third.ToString(), StringComparison.Ordinal);
        Assert.All(new[] { first, second, third }, e => Assert.Single(e.ToString().TrimEnd().Split('\n')));
        Assert.False(Directory.Exists(Of("run")));
    }

    [Fact]
    public void Training_on_a_cache_needs_no_autoencoder_and_going_on_needs_no_file_it_started_from()
    {
        Assert.SkipWhen(PublicWeights.Kl16.IsThere, "the autoencoder is there");
        using (var encoder = new FakeEncoder()) LatentCacheWriter.Write(ImageFolder.Open(pictures.Root, template: "{number}"), encoder, Of("latents"), new() { ImageSize = Size, Batch = 2, Threads = 1 }, stop: TestContext.Current.CancellationToken);
        Lab("train", Experiment(), "-o", Of("first"), "--tracking", Store, "--set", "evaluation.network=none");
        Lab("train", Experiment(), "-o", Of("run"), "--tracking", Store, "--set", "evaluation.network=none", "--init", Of("first/checkpoint.safetensors"));
        File.Move(Of("first/checkpoint.safetensors"), Of("first/gone"));
        File.Delete(Of("run/result.json"));

        Lab("train", "--resume", Of("run"), "--tracking", Store);
    }

    [Fact]
    public void Weights_that_do_not_fit_leave_no_run_behind()
    {
        using (var other = new JepaModel(JepaModelTests.Small)) Safetensors.Save(Of("other.safetensors"), other.StateDict());
        using (var encoder = new FakeEncoder()) LatentCacheWriter.Write(ImageFolder.Open(pictures.Root, template: "{number}"), encoder, Of("latents"), new() { ImageSize = Size, Batch = 2, Threads = 1 }, stop: TestContext.Current.CancellationToken);
        var error = new StringWriter();

        Assert.Equal(1, Cli.Run(["train", Experiment(), "-o", Of("run"), "--tracking", Store, "--set", "evaluation.network=none", "--init", Of("other.safetensors")], error));

        Assert.Contains($"{Of("other.safetensors")}: does not fit this model", error.ToString(), StringComparison.Ordinal);
        Assert.False(File.Exists(Of("run/experiment.yaml")));
    }

    [Fact]
    public void Pixels_of_a_folder_train_without_any_file_of_others()
    {
        Lab("train", Experiment(), "-o", Of("run"), "--tracking", Store, "--set", "data.name=image-folder", "--set", $"data.folder={pictures.Root}",
            "--set", "data.template=a photo of class {number}", "--set", "data.size=8", "--set", "model.patch_size=2", "--set", "evaluation.network=none");
        Lab("train", Experiment(), "-o", Of("again"), "--tracking", Store, "--init", Of("run/checkpoint.safetensors"), "--partial", "--set", "data.name=image-folder",
            "--set", $"data.folder={pictures.Root}", "--set", "data.template=a photo of class {number}", "--set", "data.size=8", "--set", "model.patch_size=4", "--set", "evaluation.network=none");

        using var store = SqliteStore.Open(Store, readOnly: true);
        var run = store.GetRun(File.ReadAllText(Of("run/mlflow-run")).Trim());
        Assert.DoesNotContain(run.Metrics.Keys, k => k.StartsWith("eval/", StringComparison.Ordinal));
        Assert.Contains(store.Artifacts(run.Info.RunId), a => a.Path.StartsWith("images/", StringComparison.Ordinal));
    }

    private string Of(string name) => Path.Combine(folder.FullName, name);

    private string Store => $"sqlite:///{Of("mlflow.db")}";

    private static void Lab(params string[] args)
    {
        var error = new StringWriter();
        Assert.True(Cli.Run(args, error) == 0, $"{args[0]}: {error}");
    }

    private string Experiment()
    {
        var path = Of("tiny.yaml");
        File.WriteAllText(path, $"""
            name: tiny
            text: tokens
            threads: 1
            data: {"{"}name: latents, folder: {Of("latents")}, size: {Size}{"}"}
            model: {"{"}patch_size: 1, dim: 32, encoder_depth: 1, predictor_depth: 1, heads: 2, buffer_tokens: 2, cross_heads: 4, head_width: 32, head_depth: 1, head: gauss{"}"}
            training: {"{"}steps: 3, batch_size: 2, accumulate: 2, base_learning_rate: 1e-3, warmup_steps: 1, recompute: true, precision: bf16, ema_schedule: linear{"}"}
            sampling: {"{"}iterations: 2, gauss_spacing: "4", temperature: 0.95{"}"}
            evaluation: {"{"}every: 100, count: 12, batch_size: 4{"}"}
            """);
        return path;
    }

    /// <summary>Moments of 16 channels at a 16th of the size: means of the pixels.</summary>
    private sealed class FakeEncoder : IMomentsEncoder
    {
        public string Hash => "fake";

        public TorchSharp.torch.Tensor Encode(TorchSharp.torch.Tensor images) =>
            TorchSharp.torch.nn.functional.avg_pool2d(images, Autoencoder.Stride).repeat(1, 11, 1, 1).narrow(1, 0, 2 * Autoencoder.Channels);

        public void Dispose() { }
    }

    /// <summary>A file of a public network with the weights of the golden tensors' formula.</summary>
    private string Formula(string network)
    {
        using var scope = NewDisposeScope();
        using var golden = new Golden(network);
        var gain = golden.Json.GetProperty("weights").GetProperty("gain");
        var weights = FormulaWeights.Of(golden, gain.ValueKind == System.Text.Json.JsonValueKind.Number ? gain.GetDouble() : Math.Sqrt(2));
        Safetensors.Save(Of(network + ".safetensors"), weights);
        return Of(network + ".safetensors");
    }
}
