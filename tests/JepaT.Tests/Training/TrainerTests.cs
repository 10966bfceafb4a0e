using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed partial class TrainerTests : IDisposable
{
    private readonly TinyFashion files = new();
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly ImageDataset data;
    private readonly HashedText text = new();

    public TrainerTests()
    {
        set_num_threads(1);
        data = FashionMnist.Load(FashionMnist.Tinted, "train", CPU, files.Folder);
    }

    public void Dispose()
    {
        data.Dispose();
        files.Dispose();
        folder.Delete(recursive: true);
    }

    [Theory]
    [InlineData(HeadKind.Flow, TextForm.Pooled)]
    [InlineData(HeadKind.Gauss, TextForm.Tokens)]
    public void A_resumed_run_equals_an_uninterrupted_one_bit_for_bit(HeadKind head, TextForm form)
    {
        var experiment = Tiny() with { Text = form, Model = Tiny().Model with { Head = head, AttentionDropout = 0.1, ProjectionDropout = 0.1 } };
        using var whole = new Trainer(experiment, data, text, Folder("whole"));
        whole.Run(new Quiet(), CancellationToken.None);

        using (var first = new Trainer(experiment, data, text, Folder("parts")))
        {
            using var stop = new CancellationTokenSource();
            Assert.Throws<OperationCanceledException>(() => first.Run(new Quiet { OnLog = step => { if (step == 5) stop.Cancel(); } }, stop.Token));
            Assert.Equal(5, first.Step);
        }
        using var second = new Trainer(experiment, data, text, Folder("parts"));
        second.Resume();
        second.Run(new Quiet(), CancellationToken.None);

        Assert.Equal(Weights(whole.Model), Weights(second.Model));
        Assert.Equal(Weights(whole.Ema), Weights(second.Ema));
        Assert.Equal(File.ReadAllBytes(Path.Combine(Folder("whole"), Checkpoint.FileName)), File.ReadAllBytes(Path.Combine(Folder("parts"), Checkpoint.FileName)));
    }

    [Fact]
    public void A_run_stopped_in_an_evaluation_evaluates_when_it_goes_on()
    {
        var experiment = Tiny() with { Evaluation = new EvaluationConfig { Every = 3 } };
        List<long> evaluated = [];
        using (var first = new Trainer(experiment, data, text, Folder("eval")))
            Assert.Throws<OperationCanceledException>(() => first.Run(new Quiet { OnEvaluate = _ => throw new OperationCanceledException() }, CancellationToken.None));
        using var second = new Trainer(experiment, data, text, Folder("eval"));
        second.Resume();

        second.Run(new Quiet { OnEvaluate = evaluated.Add }, CancellationToken.None);

        Assert.Equal([3, 6, 8], evaluated);
    }

    [Fact]
    public void A_failure_of_those_who_look_on_leaves_a_checkpoint_of_the_steps_so_far()
    {
        using (var trainer = new Trainer(Tiny(), data, text, Folder("seen")))
            Assert.Throws<UserException>(() => trainer.Run(new Quiet { OnLog = step => { if (step == 5) throw new UserException("no more room"); } }, CancellationToken.None));

        Assert.Equal(5, Checkpoint.StepOf(Path.Combine(Folder("seen"), Checkpoint.FileName)));
    }

    [Fact]
    public void Steps_leave_no_tensor_behind()
    {
        using var trainer = new Trainer(Tiny() with { Training = Tiny().Training with { Steps = 6 } }, data, text, Folder("leak"));
        List<long> live = [];

        trainer.Run(new Quiet { OnLog = _ => live.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount) }, CancellationToken.None);

        Assert.Equal(live[1], live[^1]);
    }

    [Fact]
    public void Memory_is_flat_over_a_thousand_steps()
    {
        var experiment = Tiny() with { Training = Tiny().Training with { Steps = 1000, LogEvery = 100, CheckpointEvery = 1000 } };
        using var trainer = new Trainer(experiment, data, text, Folder("memory"));
        Dictionary<long, long> resident = [];

        trainer.Run(new Quiet { OnLog = step => resident[step] = Environment.WorkingSet }, CancellationToken.None);

        Assert.True(resident[1000] <= 1.05 * resident[100], $"{resident[100] / 1e6:0} MB after 100 steps, {resident[1000] / 1e6:0} MB after 1,000");
    }

    [Fact]
    public void Four_pictures_are_learned_by_heart()
    {
        // Noise pictures: nothing but memory can bring the loss down.
        var experiment = Tiny() with
        {
            Model = Tiny().Model with { Dim = 128, HeadWidth = 128, HeadDepth = 2, NoiseCopies = 4 },
            Training = Tiny().Training with { Steps = 250, BatchSize = 4, LearningRate = 5e-3, WarmupSteps = 5, LabelDrop = 0, LogEvery = 1 },
        };
        using var fourFiles = new TinyFashion(train: 4);
        using var four = FashionMnist.Load(FashionMnist.Tinted, "train", CPU, fourFiles.Folder);
        List<double> losses = [];
        using var trainer = new Trainer(experiment, four, text, Folder("overfit"));

        trainer.Run(new Quiet { OnValues = v => losses.Add(v.Flow) }, CancellationToken.None);

        Assert.True(losses[^10..].Average() < 0.5 * losses[..3].Average(), $"{losses[..3].Average():g3} -> {losses[^10..].Average():g3}");
    }

    [Fact]
    public void A_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_checkpoint()
    {
        var experiment = Tiny() with { Training = Tiny().Training with { CheckpointEvery = 2 } };
        using var trainer = new Trainer(experiment, data, text, Folder("nan"));
        var poison = new Quiet { OnLog = step => { if (step == 3) using (no_grad()) trainer.Model.StateDict()["mask_token"].fill_(float.NaN); } };

        var error = Assert.Throws<DivergedException>(() => trainer.Run(poison, CancellationToken.None));

        Assert.Contains("step 4: the flow loss is NaN", error.Message, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(Folder("nan"), Checkpoint.FileName), error.Message, StringComparison.Ordinal);
        using var again = new Trainer(experiment, data, text, Folder("nan"));
        again.Resume();
        Assert.Equal(2, again.Step);
        Assert.All(again.Model.StateDict(), w => Assert.True(w.Value.isfinite().all().item<bool>()));
    }

    [Fact]
    public void A_loss_that_is_not_finite_before_the_first_checkpoint_names_none()
    {
        using var trainer = new Trainer(Tiny(), data, text, Folder("early"));
        using (no_grad()) trainer.Model.StateDict()["mask_token"].fill_(float.NaN);

        var message = Assert.Throws<DivergedException>(() => trainer.Run(new Quiet(), CancellationToken.None)).Message;

        Assert.Equal("step 1: the flow loss is NaN; there is no checkpoint yet: lower training.learning_rate and start anew", message);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Weights_to_start_from_that_are_not_finite_are_refused_by_name(bool partial)
    {
        var init = Path.Combine(folder.FullName, "init.safetensors");
        using (var model = new JepaModel(Tiny().ResolvedModel))
        {
            using (no_grad()) model.StateDict()["mask_token"][TensorIndex.Ellipsis, 3] = float.NaN;
            Safetensors.Save(init, model.StateDict().Select(w => KeyValuePair.Create("module." + w.Key, w.Value)));
        }
        var experiment = Tiny() with { Training = Tiny().Training with { Init = init, InitPartial = partial } };

        var message = Assert.Throws<UserException>(() => new Trainer(experiment, data, text, Folder("init"))).Message;

        Assert.StartsWith($"{init}: tensor module.mask_token holds NaN or infinity", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Draws_and_batches_do_not_depend_on_the_fusion()
    {
        using var scope = NewDisposeScope();
        using var a = new Batches(data, text, Tiny().Training, seed: 4);
        using var b = new Batches(data, text, Tiny().Training, seed: 4);
        _ = a.Next(0);

        Assert.True(a.Next(7).Images.Equals(b.Next(7).Images));
        var (late, full) = (a.Draws(7, Tiny().ResolvedModel with { Fusion = Fusion.Parse("late") }), b.Draws(7, Tiny().ResolvedModel));
        Assert.Equal(late.MaskedCount, full.MaskedCount);
        Assert.True(late.Noise.Equals(full.Noise) && late.Orders.Equals(full.Orders) && late.Drop.Equals(full.Drop));
    }

    [Fact]
    public void An_epoch_shows_every_picture_once()
    {
        using var scope = NewDisposeScope();
        using var batches = new Batches(data, text, Tiny().Training with { BatchSize = 4 }, seed: 0);
        var shown = Enumerable.Range(0, (int)batches.StepsPerEpoch).Select(s => batches.Next(s).Images).ToArray();
        var all = cat(shown).flatten(1);

        Assert.Equal(all.shape[0], unique(all, dim: 0).output.shape[0] + Duplicates());

        long Duplicates() => data.Count - unique(data.Images(arange(data.Count)).flatten(1), dim: 0).output.shape[0];
    }

    [Fact]
    public void A_checkpoint_of_another_architecture_is_refused_by_name()
    {
        using (var trainer = new Trainer(Tiny(), data, text, Folder("other"))) trainer.Run(new Quiet(), CancellationToken.None);
        using var wider = new Trainer(Tiny() with { Model = Tiny().Model with { Dim = 64 } }, data, text, Folder("other"));

        var error = Assert.Throws<UserException>(wider.Resume);

        Assert.Contains(Checkpoint.FileName, error.Message, StringComparison.Ordinal);
        Assert.Contains("another architecture", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_optimizer_state_of_another_type_is_refused_by_name()
    {
        using var scope = NewDisposeScope();
        using var trainer = new Trainer(Tiny(), data, text, Folder("types"));
        using var optimizer = new AdamW(trainer.Model.UsedWeights());
        var state = optimizer.State().ToDictionary(s => s.Key, s => s.Value);
        state["exp_avg.mask_token"] = state["exp_avg.mask_token"].to(ScalarType.Int32);

        Assert.Contains("exp_avg.mask_token", Assert.Throws<UserException>(() => optimizer.Load(state, "a.safetensors")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_write_that_fails_leaves_the_old_file()
    {
        var path = Path.Combine(folder.FullName, "file");
        AtomicFile.Write(path, "old");

        var error = Assert.Throws<UserException>(() => AtomicFile.Write(path, file =>
        {
            file.Write("new"u8);
            throw new IOException("No space left on device");
        }));

        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Single(folder.GetFiles());
    }

    internal static Experiment Tiny() => new()
    {
        Name = "tiny",
        Threads = 1,
        Model = new ModelConfig
        {
            PatchSize = 7,
            Dim = 32,
            EncoderDepth = 1,
            PredictorDepth = 1,
            Heads = 2,
            BufferTokens = 2,
            CrossHeads = 4,
            HeadWidth = 32,
            HeadDepth = 1,
            NoiseCopies = 2,
            AttentionDropout = 0,
            ProjectionDropout = 0,
        },
        Training = new TrainingConfig { Steps = 8, BatchSize = 8, WarmupSteps = 2, LogEvery = 1, CheckpointEvery = 100 },
        Sampling = new SamplingConfig { Iterations = 2, OdeSteps = 2, Guidance = 2 },
        Evaluation = new EvaluationConfig { Every = 100, Count = 20, HeldOutCount = 16, BatchSize = 20 },
    };

    private string Folder(string name) => Directory.CreateDirectory(Path.Combine(folder.FullName, name)).FullName;

    private static string Weights(JepaModel model) => string.Join('\n', model.StateDict().Select(w => $"{w.Key} {Convert.ToHexString(w.Value.bytes.ToArray())}"));

    private sealed class CountingText : ITextEncoder
    {
        private readonly HashedText hashed = new();

        public int Count { get; private set; }

        public string Name => hashed.Name;

        public int Dim => hashed.Dim;

        public Tensor Encode(IReadOnlyList<string> captions)
        {
            Count += captions.Count;
            return hashed.Encode(captions);
        }

        public TextFeatures EncodeTokens(IReadOnlyList<string> captions) => hashed.EncodeTokens(captions);
    }

    private sealed class Quiet : ITrainingObserver
    {
        public Action<long>? OnLog { get; init; }

        public Action<TrainingValues>? OnValues { get; init; }

        public Action<long>? OnEvaluate { get; init; }

        public void Log(long step, TrainingValues values)
        {
            OnLog?.Invoke(step);
            OnValues?.Invoke(values);
        }

        public void Evaluate(long step, JepaModel ema) => OnEvaluate?.Invoke(step);

        public void Saved(long step, string path) { }
    }
}
