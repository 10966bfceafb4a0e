using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class FrechetTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator generator = new(7);

    public void Dispose()
    {
        scope.Dispose();
        generator.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public void Distance_of_two_gaussians_with_commuting_covariances_is_the_closed_form()
    {
        double[] sigma1 = [1, 2, 0.5], sigma2 = [3, 0.1, 0.5], mu1 = [1, 0, -2], mu2 = [0, 2, -2];
        var rotation = linalg.qr(Normal(3, 3)).Q;       // a common basis that is not the axes
        using var a = Gaussian(mu1, sigma1, rotation);
        using var b = Gaussian(mu2, sigma2, rotation);

        var expected = mu1.Zip(mu2, (x, y) => (x - y) * (x - y)).Sum() + sigma1.Zip(sigma2, (x, y) => (x - y) * (x - y)).Sum();
        Assert.Equal(expected, Frechet.Distance(a, b), 1e-12);
    }

    [Fact]
    public void Distance_of_two_gaussians_with_crossed_covariances_is_the_closed_form()
    {
        // In two dimensions tr (S1 S2)^1/2 = sqrt(tr S1 S2 + 2 sqrt(det S1 det S2)).
        var s1 = tensor(new double[,] { { 2, 0.8 }, { 0.8, 1 } });
        var s2 = tensor(new double[,] { { 1, -0.5 }, { -0.5, 3 } });
        using var a = FeatureStatistics.From(zeros(2, dtype: ScalarType.Float64), s1, 10);
        using var b = FeatureStatistics.From(zeros(2, dtype: ScalarType.Float64), s2, 10);

        var product = 2 * 1 - 0.8 * 0.5 + (0.8 * -0.5 + 1 * 3);
        var determinants = (2 * 1 - 0.64) * (1 * 3 - 0.25);
        var expected = 3 + 4 - 2 * Math.Sqrt(product + 2 * Math.Sqrt(determinants));
        Assert.Equal(expected, Frechet.Distance(a, b), 1e-12);
    }

    [Fact]
    public void Distance_between_perpendicular_lines_has_no_common_root()
    {
        // Both covariances are singular and their product is zero: the distance is the sum of the traces.
        using var a = FeatureStatistics.From(zeros(3, dtype: ScalarType.Float64), diag(tensor(new double[] { 4, 0, 0 })), 5);
        using var b = FeatureStatistics.From(zeros(3, dtype: ScalarType.Float64), diag(tensor(new double[] { 0, 9, 0 })), 5);

        Assert.Equal(13, Frechet.Distance(a, b), 1e-12);
    }

    [Theory]
    [InlineData(200, 16)]
    [InlineData(10, 64)]
    public void A_shift_of_a_set_is_its_squared_length_away(int n, int d)
    {
        var x = Normal(n, d);

        Assert.Equal(0.25 * d, Frechet.Distance(x, x + 0.5), 1e-9);
        Assert.InRange(Frechet.Distance(x, x.clone()), 0, 1e-10);
    }

    [Fact]
    public void Equal_constant_features_are_at_distance_zero()
    {
        var x = ones(5, 8);

        Assert.Equal(0, Frechet.Distance(x, x));
        Assert.Equal(8, Frechet.Distance(x, x + 1), 1e-12);
    }

    [Fact]
    public void Distance_is_symmetric_and_ignores_the_order_of_samples()
    {
        var (x, y) = (Normal(80, 12), Normal(60, 12) * 2 + 1);

        var forth = Frechet.Distance(x, y);

        Assert.Equal(forth, Frechet.Distance(y, x), forth * 1e-12);
        Assert.Equal(forth, Frechet.Distance(x.index_select(0, randperm(80, generator: generator)), y), forth * 1e-12);
    }

    [Fact]
    public void Statistics_are_the_definition_whatever_the_batches()
    {
        var x = Normal(50, 6) * 0.01 + 1000;            // far from the origin: sums of squares would cancel
        using var whole = FeatureStatistics.From(x);
        using var accumulator = new FeatureStatistics.Accumulator();
        foreach (var part in x.split([1, 0, 7, 30, 12])) accumulator.Add(part);
        using var batched = accumulator.Result();

        var centred = x - x.mean([0]);
        Assert.True(allclose(centred.t().mm(centred) / 49, whole.Covariance, rtol: 1e-9, atol: 1e-15));
        Assert.True(allclose(whole.Covariance, batched.Covariance, rtol: 1e-9, atol: 1e-15));
        Assert.True(allclose(whole.Mean, batched.Mean, rtol: 1e-14));
        Assert.Equal(50, batched.Count);
    }

    [Fact]
    public void Saved_statistics_come_back_exactly()
    {
        var path = Path.Combine(folder.FullName, "statistics.safetensors");
        using var given = FeatureStatistics.From(Normal(9, 4));

        given.Save(path);
        using var back = FeatureStatistics.Load(path);

        Assert.True(given.Mean.Equals(back.Mean) && given.Covariance.Equals(back.Covariance));
        Assert.Equal(9, back.Count);
    }

    [Fact]
    public void A_file_without_statistics_is_refused_by_name()
    {
        var path = Path.Combine(folder.FullName, "weights.safetensors");
        Safetensors.Save(path, [new("mean", ones(3))]);

        Assert.Contains(path, Assert.Throws<UserException>(() => FeatureStatistics.Load(path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void One_sample_other_widths_and_nan_are_refused()
    {
        var x = Normal(4, 3);
        var broken = x.clone();
        broken[2, 1] = double.NaN;

        Assert.Contains("at least 2", Assert.Throws<UserException>(() => FeatureStatistics.From(x[..1])).Message, StringComparison.Ordinal);
        Assert.Contains("3 and 5", Assert.Throws<UserException>(() => Frechet.Distance(x, Normal(4, 5))).Message, StringComparison.Ordinal);
        Assert.Contains("NaN", Assert.Throws<UserException>(() => Frechet.Distance(x, broken)).Message, StringComparison.Ordinal);
    }

    private Tensor Normal(int n, int d) => randn([n, d], dtype: ScalarType.Float64, generator: generator);

    private static FeatureStatistics Gaussian(double[] mean, double[] sigma, Tensor basis) =>
        FeatureStatistics.From(tensor(mean), basis.mm(diag(tensor(sigma).square())).mm(basis.t()), 100);
}
