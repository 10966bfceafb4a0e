using JepaT.Lab;
using JepaT.Model;

namespace JepaT.Tests;

public sealed class TrainingCostTests
{
    [Fact]
    public void The_mean_of_the_mask_ratio_is_the_law_s()
    {
        // A normal (1, 0.25) cut to [0.7, 1]: 1 − 0.25 (φ(0) − φ(1.2)) / (Φ(0) − Φ(−1.2)).
        double Phi(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
        const double probability = 0.384930329778291731;                // Φ(0) − Φ(−1.2)

        Assert.Equal(1 - 0.25 * (Phi(0) - Phi(1.2)) / probability, TrainingCost.MeanMaskRatio(0.7), 1e-4);
    }

    [Fact]
    public void A_step_costs_six_operations_a_weight_and_token_where_all_tokens_are_seen()
    {
        // Attention, EMA, head and buffer made negligible: what is left is the known 6 N a token of a transformer.
        var model = new ModelConfig { PatchSize = 14, Dim = 1024, Heads = 8, CrossHeads = 8, EncoderDepth = 1, PredictorDepth = 8, BufferTokens = 1, HeadWidth = 1, HeadDepth = 1, NoiseCopies = 1 };
        var experiment = new Experiment { Model = model, Training = new TrainingConfig { BatchSize = 2, Accumulate = 3, MinimumMaskRatio = 0.999 } };
        double weights = 12.0 * model.Dim * model.Dim, tokens = 4 + 1;

        var expected = 6 * (6 * weights * (8 * tokens + 1) + 2 * weights * tokens);            // predictor, encoder of the buffer alone, target encoder

        Assert.InRange(TrainingCost.Of(experiment).Step / expected, 0.99, 1.02);
    }

    [Fact]
    public void Recomputing_adds_a_forward_pass_of_the_blocks_and_accumulating_multiplies()
    {
        var experiment = new Experiment();
        var (one, four) = (TrainingCost.Of(experiment), TrainingCost.Of(experiment with { Training = experiment.Training with { Accumulate = 4 } }));
        var again = TrainingCost.Of(experiment with { Training = experiment.Training with { Recompute = true } });

        Assert.Equal(4, four.Step / one.Step, 1e-9);
        Assert.InRange(again.Step / one.Step, 1.1, 4.0 / 3);
        Assert.Equal(one.Picture, four.Picture);
    }
}
