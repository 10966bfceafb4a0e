using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed partial class TrainerTests
{
    [Fact]
    public void An_accumulated_step_takes_the_mean_gradient_of_its_batches()
    {
        var experiment = Tiny() with { Training = Tiny().Training with { Steps = 1, WarmupSteps = 0, Accumulate = 3, AdamEps = 1e-3 } };
        using var trainer = new Trainer(experiment, data, text, Folder("accumulated"));
        using var scope = NewDisposeScope();
        using var model = new JepaModel(experiment.ResolvedModel, Seeds.Of(experiment.Seed, SeedUse.Weights));
        using var ema = Ema.Create(model);
        using var batches = new Batches(data, text, experiment.Training, experiment.Seed);
        using var optimizer = new AdamW(model.UsedWeights(), eps: 1e-3);
        var total = zeros(1);
        for (var i = 0; i < 3; i++)
        {
            var (batch, draws) = (batches.Next(i), batches.Draws(i, model.Config));
            var losses = model.Loss(batch.Images, batch.Text, draws, ema.TargetFeatures(batch.Images, batch.Text, Masking.First(draws.Orders, draws.MaskedCount)));
            total = total + (losses.Flow + losses.Jepa) / 3;
        }
        total.backward();
        optimizer.Step(experiment.Training.PeakLearningRate, 0, experiment.Training.ClipNorm);

        trainer.Run(new Quiet { OnValues = v => Assert.Equal(total.ToDouble(), v.Loss, 5) }, CancellationToken.None);

        Assert.All(model.StateDict(), w => Assert.True(w.Value.allclose(trainer.Model.StateDict()[w.Key], 1e-4, 1e-6), w.Key));
    }

    [Fact]
    public void Erratum_5_encodes_texts_anew_in_each_step_to_the_same_features()
    {
        using var scope = NewDisposeScope();
        var counting = new CountingText();
        using var once = new Batches(data, text, Tiny().Training, seed: 1);
        using var anew = new Batches(data, counting, Tiny().Training, seed: 1, encodeEachStep: true);
        var before = counting.Count;

        for (var step = 0; step < 3; step++) Assert.True(once.Next(step).Text.Pooled.Equals(anew.Next(step).Text.Pooled));

        Assert.Equal(3 * Tiny().Training.BatchSize, counting.Count - before);
    }

    [Fact]
    public void The_learning_rate_follows_from_the_base_rate_and_the_pictures_of_a_step()
    {
        // Published: 1e-4 a 256 pictures, 2,048 pictures a step.
        var training = new TrainingConfig { BaseLearningRate = 1e-4, BatchSize = 32, Accumulate = 64 };

        Assert.Equal((2048, 8e-4), (training.EffectiveBatch, Math.Round(training.PeakLearningRate, 12)));
    }

    [Theory]
    [InlineData(false, 0.99995)]
    [InlineData(true, 0.9999)]
    public void A_linear_EMA_rate_rises_to_1_unless_the_erratum_caps_it(bool published, double half)
    {
        var training = Tiny().Training with { EmaSchedule = EmaSchedule.Linear, EmaRate = 0.9999 };
        using var trainer = new Trainer(Tiny() with { Training = training, Errata = Errata.Corrected with { ConstantEmaRate = published } }, data, text, Folder("ema"));
        List<double> rates = [];

        trainer.Run(new Quiet { OnValues = v => rates.Add(v.EmaRate) }, CancellationToken.None);

        Assert.Equal(half, rates[4], 12);                       // step 4 of 8
    }
}
