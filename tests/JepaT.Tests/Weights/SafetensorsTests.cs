using JepaT.Model;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class SafetensorsTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void Tensors_of_every_type_and_shape_come_back()
    {
        using var scope = NewDisposeScope();
        var path = Path.Combine(folder.FullName, "a.safetensors");
        Dictionary<string, Tensor> given = new()
        {
            ["matrix"] = randn(3, 4),
            ["scalar"] = tensor(2.5),
            ["empty"] = zeros(0, 3),
            ["strided"] = randn(4, 5).t(),
            ["ids"] = arange(7, dtype: ScalarType.Int64),
            ["flags"] = tensor(new[] { true, false }),
            ["half"] = randn(3).to(ScalarType.BFloat16),
        };

        Safetensors.Save(path, given, new Dictionary<string, string> { ["made by"] = "a test" });

        var back = Safetensors.Load(path);
        Assert.Equal(given.Keys, back.Keys);
        foreach (var (name, value) in given)
        {
            Assert.Equal(value.dtype, back[name].dtype);
            Assert.Equal(value.shape, back[name].shape);
            Assert.True(value.Equals(back[name]), name);
            back[name].Dispose();
        }
        Assert.Equal("a test", Safetensors.Metadata(path)["made by"]);
    }

    [Theory]
    [InlineData(4, "header length")]
    [InlineData(40, "header length")]
    [InlineData(-1, "cut off")]
    public void A_cut_file_is_refused_by_name(int keep, string why)
    {
        var path = Path.Combine(folder.FullName, "cut.safetensors");
        using (var x = randn(8, 8)) Safetensors.Save(path, [new("x", x)]);
        using (var file = File.OpenWrite(path)) file.SetLength(keep > 0 ? keep : file.Length + keep);

        var error = Assert.Throws<UserException>(() => Safetensors.Load(path));

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }
}
