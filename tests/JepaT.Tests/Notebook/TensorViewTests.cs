using System.Diagnostics;
using JepaT.Lab;
using SkiaSharp;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class TensorViewTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void A_tensor_tells_shape_type_device_range_and_shows_its_values()
    {
        var view = View.Of(tensor(new float[,] { { -1, 0 }, { 0.5f, 2 } }));

        Assert.Equal("Tensor (2, 2) Float32, cpu, −1 … 2, mean 0.375", view.ToString());
        using var picture = SKBitmap.Decode(view.Png);
        Assert.Equal((2, 2), (picture.Width, picture.Height));
        Assert.Equal(new SKColor(0x44, 0x01, 0x54), picture.GetPixel(0, 0));
        Assert.Equal(new SKColor(0xFD, 0xE7, 0x25), picture.GetPixel(1, 1));
    }

    [Fact]
    public void Values_that_are_no_numbers_are_counted_and_magenta()
    {
        var view = View.Of(tensor(new[] { 1f, float.NaN, float.PositiveInfinity, 2f }));

        Assert.Equal("Tensor (4) Float32, cpu, 1 … 2, mean 1.5, 1 NaN, 1 infinite", view.ToString());
        using var picture = SKBitmap.Decode(view.Png);
        Assert.Equal(new SKColor(0xFF, 0, 0xFF), picture.GetPixel(1, 0));
    }

    [Fact]
    public void The_last_row_of_a_vector_ends_where_the_vector_ends()
    {
        var view = View.Of(arange(1, 71));

        using var picture = SKBitmap.Decode(view.Png);
        Assert.Equal((64, 2), (picture.Width, picture.Height));
        Assert.Equal(new SKColor(0x44, 0x01, 0x54), picture.GetPixel(0, 0));
        Assert.Equal(new SKColor(0xFD, 0xE7, 0x25), picture.GetPixel(5, 1));
        Assert.All(Enumerable.Range(6, 58), x => Assert.Equal(0, picture.GetPixel(x, 1).Alpha));
    }

    public static TheoryData<string, Func<Tensor>, string> Odd => new()
    {
        { "empty", () => zeros(0, 3), "no values" },
        { "scalar", () => tensor(3.5), "Tensor () Float64, cpu, 3.5" },
        { "all NaN", () => full(3, 3, float.NaN), "no finite value, 9 NaN" },
        { "bool", () => tensor(new[] { true, false, true, true }), "75% true" },
        { "complex", () => torch.complex(ones(3), zeros(3)), "1 … 1" },
        { "half", () => ones(3, dtype: ScalarType.Float16), "1 … 1" },
        { "bfloat16", () => ones(3, dtype: ScalarType.BFloat16), "1 … 1" },
        { "long", () => arange(5), "0 … 4, mean 2" },
        { "meta", () => zeros(3, device: new Device(DeviceType.META)), "no memory" },
        { "five axes", () => rand([3, 3, 3, 3, 3]), "(3, 3, 3, 3, 3)" },
        { "transposed", () => rand(5, 7).t(), "(7, 5)" },
        { "with gradient", () => rand(2, 2, requires_grad: true), "(2, 2)" },
        { "sparse", () => torch.sparse_coo_tensor(tensor(new long[,] { { 0 }, { 1 } }), ones(1), [2, 2]), "sparse" },
        { "tiny and huge", () => tensor(new[] { 1e-12, 1e12 }), "1E−12 … 1E+12" },
    };

    [Theory]
    [MemberData(nameof(Odd))]
    public void Nothing_odd_is_an_exception(string kind, Func<Tensor> make, string wanted)
    {
        var view = View.Of(make());

        Assert.Contains(wanted, view.ToString(), StringComparison.Ordinal);
        Assert.True(view.ToHtml().Length > 0, kind);
    }

    [Fact]
    public void A_disposed_tensor_says_so()
    {
        var gone = zeros(3);
        gone.Dispose();

        Assert.Contains("cannot be read", View.Of(gone).ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_of_many_gigabytes_is_read_at_strides()
    {
        var huge = zeros(1).expand(100_000, 100_000);                           // 40 GB, were it copied
        var watch = Stopwatch.StartNew();

        var view = View.Of(huge);

        Assert.Contains("(of 4,096 out of 10,000,000,000 values)", view.ToString(), StringComparison.Ordinal);
        Assert.InRange(watch.Elapsed.TotalSeconds, 0, 5);
    }

    [Fact]
    public void A_view_outlives_its_tensor_and_leaks_nothing()
    {
        var tensor = rand(10, 10);
        _ = View.Of(tensor);                                                    // whatever is made once
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var view = View.Of(tensor);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        tensor.Dispose();

        Assert.Contains("(10, 10)", view.ToHtml(), StringComparison.Ordinal);
    }
}
