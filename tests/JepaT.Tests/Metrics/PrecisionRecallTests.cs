using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class PrecisionRecallTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(9);

    public void Dispose()
    {
        scope.Dispose();
        generator.Dispose();
    }

    [Fact]
    public void Points_on_a_line_give_the_counted_shares()
    {
        // Real 0, 1, 2, 3 with k = 1: balls of radius 1, so [-1, 4] is covered and its ends count.
        // Generated -1, 4, 4.5, 5, 9: radii 5, .5, .5, .5, 4; only the ball around -1, [-6, 4], reaches real points: all four.
        var result = PrecisionRecall.Compute(Line(-1, 4, 4.5, 5, 9), Line(0, 1, 2, 3), k: 1);

        Assert.Equal(2.0 / 5, result.Precision);
        Assert.Equal(1, result.Recall);
    }

    [Fact]
    public void Copies_far_from_the_origin_lie_on_their_balls()
    {
        // Four copies of each point: the third neighbour is at distance 0, and only exact differences keep it there.
        var distinct = randn([30, 40], dtype: ScalarType.Float64, generator: generator) + 1e6;
        var x = distinct.repeat(4, 1);

        Assert.Equal(new PrecisionRecall(1, 1), PrecisionRecall.Compute(x, distinct.repeat(4, 1)));
        Assert.Equal(new PrecisionRecall(0, 0), PrecisionRecall.Compute(x, x + 1e-3));
    }

    [Fact]
    public void Narrow_generated_sets_are_precise_and_wide_ones_recall()
    {
        var real = Normal(400, 4);

        var narrow = PrecisionRecall.Compute(Normal(400, 4) * 0.2, real);
        var wide = PrecisionRecall.Compute(Normal(400, 4) * 3, real);

        Assert.True(narrow.Precision > 0.95 && narrow.Recall < 0.3, $"{narrow}");
        Assert.True(wide.Precision < 0.3 && wide.Recall > 0.95, $"{wide}");
    }

    [Fact]
    public void Shares_are_those_of_plain_loops_for_any_order_and_number_of_blocks()
    {
        // 3,000 centres make blocks of 2,796 rows, so two blocks each.
        var (g, r) = (Normal(3000, 3) * 0.5 + 0.5, Normal(3000, 3));

        var result = PrecisionRecall.Compute(g, r);

        Assert.Equal(PlainLoops(g, r), result.Precision);
        Assert.Equal(PlainLoops(r, g), result.Recall);
        Assert.Equal(result, PrecisionRecall.Compute(g.index_select(0, randperm(3000, generator: generator)), r));
    }

    [Fact]
    public void Too_few_points_for_the_neighbour_are_refused()
    {
        var error = Assert.Throws<UserException>(() => PrecisionRecall.Compute(Normal(3, 2), Normal(9, 2)));

        Assert.Contains("generated features: at least 4", error.Message, StringComparison.Ordinal);
    }

    private static double PlainLoops(Tensor points, Tensor centres)
    {
        const int k = PrecisionRecall.Neighbour;
        var (p, c) = (Rows(points), Rows(centres));
        var radii = c.AsParallel().AsOrdered().Select(a => c.Select(b => Distance(a, b)).Order().ElementAt(k)).ToArray();
        return p.AsParallel().Count(a => c.Select((b, i) => Distance(a, b) <= radii[i]).Any(inside => inside)) / (double)p.Length;
    }

    private static double[][] Rows(Tensor x) => [.. x.data<double>().Chunk((int)x.shape[1])];

    private static double Distance(double[] a, double[] b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++) sum += (a[i] - b[i]) * (a[i] - b[i]);
        return Math.Sqrt(sum);
    }

    private static Tensor Line(params double[] x) => tensor(x).unsqueeze(1);

    private Tensor Normal(int n, int d) => randn([n, d], dtype: ScalarType.Float64, generator: generator);
}
