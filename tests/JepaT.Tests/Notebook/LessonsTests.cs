using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>What the lessons call, on a tiny set of pictures: the same objects that a notebook holds.</summary>
public sealed class LessonsTests : IDisposable
{
    private readonly INotebookHost before = Notebook.Host;
    private readonly TinyFashion files = new();
    private readonly Recorder host = new(Directory.CreateTempSubdirectory("jepat-lesson-").FullName);

    public LessonsTests()
    {
        set_num_threads(1);
        Notebook.Host = host;
    }

    public void Dispose()
    {
        Notebook.Host = before;
        files.Dispose();
        Directory.Delete(host.Folder, recursive: true);
    }

    [Fact]
    public void A_study_trains_live_is_logged_and_loads_what_it_has_trained()
    {
        using var study = Tiny();
        using var model = study.Train();

        Assert.Contains("step 8 of 8", host.Last, StringComparison.Ordinal);
        Assert.Contains("<svg", host.Last, StringComparison.Ordinal);
        Assert.Contains("type=\"radio\"", host.Last, StringComparison.Ordinal);                    // the samples' slider
        Assert.Single(host.Shown);                                                                  // one output, changed in place
        Assert.True(model.Result!.Finished);
        Assert.Equal(2, model.Result.Curves["eval/fid_fashion_20"].Count);
        var run = Assert.Single(RunSet.Open());
        Assert.Equal((model.Result.RunId, "full"), (run.Run.Info.RunId, run.Param("fusion")));

        using var again = study.Train();
        Assert.Contains("was trained before with these settings", host.Last, StringComparison.Ordinal);
        Assert.Equal(model.Result.Final["fid_fashion_20"], again.Result!.Final["fid_fashion_20"]);
        Assert.Single(RunSet.Open());
    }

    [Fact]
    public void A_study_is_logged_where_the_environment_says_and_read_from_there()
    {
        Assert.Equal("sqlite:///" + Path.Combine(host.Folder, "mlflow.db"), Study.StoreUri);
        using var elsewhere = new TrackingFolder();
        Environment.SetEnvironmentVariable("MLFLOW_TRACKING_URI", elsewhere.Uri);
        try
        {
            using (var study = Tiny()) study.Train().Dispose();
            Assert.Single(RunSet.Open());
        }
        finally
        {
            Environment.SetEnvironmentVariable("MLFLOW_TRACKING_URI", null);
        }
        using var store = elsewhere.Open();
        Assert.Single(store.SearchRuns(new RunQuery()));
        Assert.False(File.Exists(Path.Combine(host.Folder, "mlflow.db")));
    }

    [Fact]
    public void Other_settings_are_another_run_and_a_stopped_one_goes_on()
    {
        using (var study = Tiny()) study.Train().Dispose();
        using var other = Tiny("training.steps=10");
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() => other.Train(stop.Token));

        using var model = other.Train();

        Assert.Equal(10, model.Experiment.Training.Steps);
        Assert.Equal(2, RunSet.Open().Count);
        Assert.Equal(2, Directory.GetDirectories(other.Folder).Length);
    }

    [Fact]
    public void A_picture_is_drawn_step_by_step_and_equals_the_one_drawn_at_once()
    {
        using var study = Tiny("sampling.iterations=3");
        using var model = study.Train();
        using var denoising = model.Denoise("a <red> sneaker", seed: 5);
        using var whole = model.Images(["a <red> sneaker"], seed: 5);

        Assert.Equal(3, denoising.Steps.Count);
        Assert.Equal(Enumerable.Range(1, 16), denoising.Steps.SelectMany(s => s.NewTokens).Order());
        using var last = denoising.Steps[^1].Image.clamp(-1, 1);
        Assert.True((last - whole[0]).abs().max().ToDouble() < 1 / 127.0);                          // rounded to 256 levels
        Assert.DoesNotContain("<red>", denoising.Picture.ToHtml(), StringComparison.Ordinal);
        foreach (var step in denoising.Steps)
            Assert.All(new[] { step.Picture, step.Order, step.PredictorOutput, step.OdePath(step.NewTokens[^1]), step.Attention() }, v => Assert.Contains("<img", v.ToHtml(), StringComparison.Ordinal));
        var error = Assert.Throws<UserException>(() => denoising.Steps[1].OdePath(denoising.Steps[0].NewTokens[0]));
        Assert.Contains("did not come in iteration 2", error.Message, StringComparison.Ordinal);
        Assert.Equal(3 * 2, model.CompareGuidance("a red sneaker", 5, 1, 4).ToHtml().Split("<img").Length - 1);
    }

    [Fact]
    public void A_denoising_leaks_nothing_when_it_is_disposed()
    {
        using var study = Tiny();
        using var model = study.Train();
        Look();                                                                 // whatever is made once
        var live = DisposeScopeManager.Statistics.ThreadTotalLiveCount;

        Look();

        Assert.Equal(live, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        void Look()
        {
            using var d = model.Denoise("a bag");
            _ = d.Slider().ToHtml() + d.Steps[0].PredictorOutput.ToHtml() + d.Steps[0].OdePath().ToHtml() + d.Steps[1].Attention().ToHtml() + model.Draw("a bag", 2).ToHtml();
        }
    }

    [Fact]
    public void Attention_weights_are_those_that_the_model_uses()
    {
        using var scope = NewDisposeScope();
        using var model = new JepaModel(TrainerTests.Tiny().ResolvedModel);
        model.eval();
        var places = arange(16).unsqueeze(0);
        Tensor[] z = [];
        var maps = AttentionMaps.Record(model, () => z = [model.Predict(rand(1, 16, 147), places.narrow(1, 0, 6), places.narrow(1, 6, 10), model.Unconditional(1))]);

        Assert.Equal(["encoder.encoder_blocks.0", "predictor.decoder_blocks.0"], maps.Select(m => m.Block));
        Assert.Equal([1L, 2, 8, 8], maps[0].Weights.shape);                     // 2 buffer tokens and 6 visible ones
        Assert.Equal([1L, 2, 10, 18], maps[1].Weights.shape);                   // the wanted ones look at all
        Assert.All(maps, m => Assert.True(m.Weights.sum(-1).allclose(ones_like(m.Weights.sum(-1)))));
        foreach (var map in maps) map.Dispose();
    }

    [Fact]
    public void An_ablation_runs_live_and_is_loaded_the_next_time_and_takes_one_more_model()
    {
        using var study = Tiny("ablation.presets=[none, late]", "evaluation.every=4");
        var ablation = FusionAblation.RunOrLoad(study);
        Assert.Contains("late, seed 0: done", host.Last, StringComparison.Ordinal);
        Assert.Equal(["none", "late"], ablation.Result.Presets);
        var shown = host.Shown.Count;

        var loaded = FusionAblation.RunOrLoad(study);
        using var edited = study.With("fusion.text_in_predictor=false").Train();
        var compared = loaded.With(edited);

        Assert.Contains("loaded 2 runs", host.Shown[shown], StringComparison.Ordinal);
        Assert.Equal(ablation.Table.ToString(), loaded.Table.ToString());
        Assert.Equal(["none", "late", "encoder+cross+raw"], compared.Result.Presets);
        foreach (var view in new[] { compared.Table, compared.FurtherTable, compared.Curves, compared.Bars, compared.Losses, compared.Pictures() })
            Assert.Contains("encoder+cross+raw", view.ToString() + view.ToHtml() + compared.Table, StringComparison.Ordinal);
    }

    [Fact]
    public void The_table_is_rebuilt_from_logged_values_alone()
    {
        using var study = Tiny("ablation.presets=[none, late]", "ablation.seeds=2", "evaluation.every=4");
        var ablation = FusionAblation.RunOrLoad(study);
        Directory.Delete(Path.Combine(host.Folder, "runs"), recursive: true);

        var runs = RunSet.Open().OfExperiment("tiny").Finished.Where(r => r.Param("seed").Length > 0);
        var table = runs.Table();

        Assert.Equal(ResultTable.Of(ablation.Result).Rows.Select(r => (r.Preset, r.Runs)), table.Rows.Select(r => (r.Preset, r.Runs)));
        Assert.Equal(ResultTable.Of(ablation.Result).Csv(), table.Csv());
        Assert.Equal(4, runs.Count);
        Assert.Equal(2, runs.With("fusion", "late").Count);
        Assert.Contains("seed", runs.Differences.ToString(), StringComparison.Ordinal);
        Assert.Equal(4, runs.Curves("train/loss_flow").Series.Count);
        Assert.Equal(2, runs[0].Curve("eval/fid_fashion_20").Count);
        Assert.Equal(3, runs[0].Pictures().ToHtml().Split("type=\"radio\"").Length - 1);         // before the first step, and of two evaluations
        Assert.Contains("experiment.yaml", runs[0].Artifacts);
        Assert.Contains("patch_size: 7", runs[0].Text("experiment.yaml"), StringComparison.Ordinal);
        Assert.Contains("there is no run 9", Assert.Throws<UserException>(() => runs[9]).Message, StringComparison.Ordinal);
        Assert.Contains("no run", Assert.Throws<UserException>(() => runs.With("fusion", "x")[0]).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_store_that_is_not_there_is_named() =>
        Assert.Contains("there is no database", Assert.Throws<UserException>(() => RunSet.Open()).Message, StringComparison.Ordinal);

    [Fact]
    public void All_pairs_are_drawn_judged_and_compared()
    {
        using var study = Tiny();
        using var model = study.Train();

        var pairs = PairStudy.Measure(model, each: 2);

        Assert.Equal(160, pairs.Pictures.Count);
        Assert.All(pairs.Pictures.GroupBy(p => p.Pair), g => Assert.Equal(2, g.Count()));
        Assert.Equal(80, pairs.Map.ToHtml().Split("<td").Length - 1);
        Assert.Equal(16, pairs.Map.ToHtml().Split("2px solid currentColor").Length - 1);
        Assert.StartsWith("fusion", pairs.Summary.ToString(), StringComparison.Ordinal);
        Assert.Contains("seen as", pairs.Failures(4).ToString(), StringComparison.Ordinal);
        Assert.Contains("a red coat", PairStudy.WhereTheyFail(pairs, pairs).ToString(), StringComparison.Ordinal);
        using var network = FeatureNetwork.Load();
        using var images = model.Images([Vocabulary.Caption(3, 2)], 2);
        using var seen = network.Extract(images);
        Assert.Equal(seen.ItemLogits.argmax(1).data<long>().Select(x => (int)x), pairs.Pictures.Where(p => p.Pair == new Pair(3, 2)).Select(p => p.Item));
    }

    [Fact]
    public void An_example_shows_one_picture_as_the_model_sees_it()
    {
        using var study = Tiny();
        var example = study.Example(3);

        Assert.Contains("<img", study.Pictures(5).ToHtml(), StringComparison.Ordinal);
        Assert.Contains("16 tokens of 7 × 7 pixels, 147 numbers each", example.Tokens.ToString(), StringComparison.Ordinal);
        Assert.Contains("(16, 147)", example.Numbers.ToString(), StringComparison.Ordinal);
        Assert.Contains("12 of 16 tokens masked", example.Masked(0.75).ToString(), StringComparison.Ordinal);
        Assert.Equal(12, example.Masked(0.75).ToString().Count(c => c == '#'));
        Assert.Contains("1.00", example.Text("a red bag").ToString(), StringComparison.Ordinal);
        Assert.Contains("16 ", example.MaskRatios().ToString(), StringComparison.Ordinal);
        Assert.Throws<UserException>(() => study.Example(1_000_000));
        Assert.Throws<UserException>(() => example.Masked(1.5));
    }

    [Fact]
    public void Shipped_experiments_are_found_without_a_clone_and_a_wrong_name_lists_them()
    {
        using var quick = Study.Open("quick", "training.steps=40");
        using var serious = Study.Open("fusion-ablation");

        Assert.Equal((40, 7), (quick.Experiment.Training.Steps, quick.Experiment.Model.PatchSize));
        Assert.Equal(3, serious.Experiment.Ablation.Seeds);                     // it extends quick
        Assert.Contains("fusion-ablation, quick", Assert.Throws<UserException>(() => Study.Open("slow")).Message, StringComparison.Ordinal);
    }

    private Study Tiny(params string[] settings)
    {
        var file = Path.Combine(host.Folder, "tiny.yaml");
        var tiny = TrainerTests.Tiny();
        File.WriteAllText(file, ExperimentFile.ToYaml(tiny with { Data = tiny.Data with { Folder = files.Folder }, Evaluation = tiny.Evaluation with { Every = 4 } }));
        return Study.Open(file, settings);
    }

    /// <summary>A host that keeps what is shown: an entry an output, its last state.</summary>
    private sealed class Recorder(string folder) : INotebookHost
    {
        public string Name => "a test";

        public CancellationToken Stop => TestContext.Current.CancellationToken;

        public string Folder => folder;

        public List<string> Shown { get; } = [];

        public string Last => Shown[^1];

        public IDisplayed Show(string mime, string content)
        {
            var at = Shown.Count;
            Shown.Add(content);
            return new Displayed((_, c) => Shown[at] = c);
        }
    }
}
