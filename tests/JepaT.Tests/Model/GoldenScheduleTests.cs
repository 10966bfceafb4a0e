using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

[Trait("Category", "Golden")]
public sealed partial class GoldenScheduleTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Golden golden = new("schedules");

    public void Dispose()
    {
        golden.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void Learning_rate_weight_decay_and_EMA_rate_agree_in_every_row()
    {
        var s = golden.Json.GetProperty("settings");
        double Setting(string key) => s.GetProperty(key).GetDouble();
        var (lr, minimum, warmup, end, decay) = (Setting("lr"), Setting("min_lr"), Setting("warmup_epochs"), Setting("epochs"), Setting("weight_decay"));
        foreach (var row in golden.Json.GetProperty("rows").EnumerateArray())
        {
            var epoch = row.GetProperty("epoch").GetDouble();
            Same(row, "lr_constant", Schedules.LearningRate(epoch, lr, warmup, end, LearningRateSchedule.Constant));
            Same(row, "lr_cosine", Schedules.LearningRate(epoch, lr, warmup, end, LearningRateSchedule.Cosine, minimum));
            Same(row, "weight_decay_intended", Schedules.WeightDecay(epoch, end, decay));
            Same(row, "weight_decay_applied", Schedules.PublishedWeightDecay(epoch, end, decay));
            if (row.GetProperty("weight_decay_applied_if_started_at_epoch_1").ValueKind == JsonValueKind.Number)
                Same(row, "weight_decay_applied_if_started_at_epoch_1", Schedules.PublishedWeightDecay(epoch, end, decay, started: 1));
            Same(row, "ema_rate", Schedules.EmaRate(epoch, end));
            Same(row, "ema_rate_from_0_99", Schedules.EmaRate(epoch, end, 0.99));
        }
    }

    [Fact]
    public void Mask_ratios_and_counts_agree()
    {
        foreach (var row in golden.Json.GetProperty("mask_rates").EnumerateArray())
        {
            var ratio = Masking.Ratio(row.GetProperty("u").GetDouble());
            Assert.Equal(row.GetProperty("rate").GetDouble(), ratio, 1e-12);
            foreach (var count in row.EnumerateObject().Where(p => p.Name.StartsWith("masked_of_", StringComparison.Ordinal)))
                Assert.Equal(count.Value.GetInt32(), Masking.Count(ratio, int.Parse(count.Name["masked_of_".Length..], CultureInfo.InvariantCulture)));
        }
    }

    [Fact]
    public void Cosine_plans_agree()
    {
        foreach (var plan in golden.Json.GetProperty("tokens_left_masked").EnumerateObject())
        {
            var numbers = Numbers().Matches(plan.Name).Select(m => int.Parse(m.Value, CultureInfo.InvariantCulture)).ToArray();
            var (tokens, iterations, left) = (numbers[0], numbers[1], numbers[0]);
            var ours = Enumerable.Range(0, iterations).Select(i => left = Masking.LeftAfter(tokens, iterations, i, left)).ToArray();
            Assert.Equal(plan.Value.EnumerateArray().Select(e => e.GetInt32()), ours);
        }
    }

    [Fact]
    public void Ode_times_agree()
    {
        foreach (var name in golden.Names.Where(n => n.StartsWith("flow.", StringComparison.Ordinal)))
        {
            var parts = FlowGrid().Match(name);
            var times = OdeSolver.Times(int.Parse(parts.Groups[1].Value, CultureInfo.InvariantCulture) - 1, double.Parse(parts.Groups[2].Value, CultureInfo.InvariantCulture));
            Assert.True(GoldenModel.Difference(golden[name], times) <= 1e-6, name);
        }
    }

    [Fact]
    public void Time_embedding_agrees()
    {
        var value = golden["time_embedding.value"];
        var ours = TimeEmbedding.Sinusoids(golden["time_embedding.t"], TimeEmbedding.Frequencies((int)value.shape[1]));
        Assert.True(GoldenModel.Difference(value, ours) <= 1e-6);
    }

    [Fact]
    public void Gaussian_tables_agree_in_every_spacing()
    {
        foreach (var spacing in golden.Names.Where(n => n.StartsWith("gauss.", StringComparison.Ordinal)).Select(n => n.Split('.')[1]).Distinct())
        {
            var ours = new GaussianSchedule(spacing == "all" ? "" : spacing);
            Assert.Equal(golden[$"gauss.{spacing}.timesteps"].data<long>().Select(t => (int)t), ours.Timesteps);
            foreach (var (key, table) in new[]
            {
                ("sqrt_ac", ours.SqrtAlphaBar), ("sqrt_1mac", ours.SqrtOneMinusAlphaBar), ("sqrt_recip", ours.SqrtRecipAlphaBar),
                ("sqrt_recipm1", ours.SqrtRecipM1AlphaBar), ("coef_x0", ours.PosteriorX0), ("coef_xt", ours.PosteriorXt),
                ("min_log", ours.MinLogVariance), ("max_log", ours.MaxLogVariance),
            })
            {
                var expected = golden[$"gauss.{spacing}.{key}"].data<double>().ToArray();
                for (var i = 0; i < table.Length; i++)
                    Assert.True(Math.Abs(table[i] - expected[i]) <= 1e-9 * Math.Abs(expected[i]) + 1e-15, $"{spacing} {key}[{i}]: {table[i]:r} for {expected[i]:r}");
            }
        }
    }

    private static void Same(JsonElement row, string key, double ours) => Assert.Equal(row.GetProperty(key).GetDouble(), ours, 1e-12);

    [GeneratedRegex(@"\d+")]
    private static partial Regex Numbers();

    [GeneratedRegex(@"^flow\.(\d+)\.shift([\d.]+)$")]
    private static partial Regex FlowGrid();
}
