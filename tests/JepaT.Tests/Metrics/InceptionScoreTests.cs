using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class InceptionScoreTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(3);

    public void Dispose()
    {
        scope.Dispose();
        generator.Dispose();
    }

    [Fact]
    public void Sure_posteriors_over_all_classes_score_the_number_of_classes()
    {
        var classes = arange(200, dtype: ScalarType.Int64) % 8;
        var logits = nn.functional.one_hot(classes, 8).to(ScalarType.Float32) * 2000;       // every other class underflows to 0

        var (mean, std) = InceptionScore.Compute(logits, splits: 5);

        Assert.Equal(8, mean, 1e-9);
        Assert.Equal(0, std, 1e-9);
    }

    [Fact]
    public void One_class_only_and_undecided_posteriors_score_one()
    {
        var oneClass = zeros(40, 8).index_fill(1, tensor(3L), 2000);

        Assert.Equal(1, InceptionScore.Compute(oneClass).Mean, 1e-12);
        Assert.Equal(1, InceptionScore.Compute(zeros(40, 8)).Mean, 1e-12);
    }

    [Fact]
    public void Splits_follow_the_permutation()
    {
        var classes = arange(10, dtype: ScalarType.Int64).repeat_interleave(10);            // class by class: each split sees one
        var logits = nn.functional.one_hot(classes, 10).to(ScalarType.Float32) * 2000;
        var interleaved = arange(100, dtype: ScalarType.Int64).reshape(10, 10).t().reshape(-1);

        Assert.Equal(1, InceptionScore.Compute(logits).Mean, 1e-9);
        Assert.Equal(10, InceptionScore.Compute(logits, interleaved).Mean, 1e-9);
    }

    [Fact]
    public void One_split_ignores_the_order_and_a_constant_added_to_the_logits()
    {
        var logits = randn([57, 6], dtype: ScalarType.Float64, generator: generator);
        var order = randperm(57, ScalarType.Int64, generator: generator);

        var expected = InceptionScore.Compute(logits, splits: 1).Mean;

        Assert.Equal(expected, InceptionScore.Compute(logits, order, splits: 1).Mean, 1e-12);
        Assert.Equal(expected, InceptionScore.Compute(logits + 100, splits: 1).Mean, 1e-12);
        Assert.InRange(expected, 1, 6);
    }

    [Fact]
    public void Fewer_pictures_than_splits_are_refused()
    {
        var error = Assert.Throws<UserException>(() => InceptionScore.Compute(zeros(9, 4)));

        Assert.Contains("at least 10", error.Message, StringComparison.Ordinal);
    }
}
