using JepaT.Lab;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

/// <summary>Files of NumPy's own (Npz/make_npz.py), round trips, and files of hostile shape.</summary>
public sealed class NpzFileTests : IDisposable
{
    private static readonly string NumPy = Path.Combine(AppContext.BaseDirectory, "Metrics", "Npz");
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Delete(recursive: true);
    }

    private string Scratch => Path.Combine(folder.FullName, "x.npz");

    [Fact]
    public void NumPys_files_in_ADMs_form_are_read()
    {
        using var npz = NpzFile.Open(Path.Combine(NumPy, "numpy-adm.npz"));

        Assert.Equal(["arr_0", "mu", "mu_s", "sigma", "sigma_s"], npz.Names.Order(StringComparer.Ordinal));
        Assert.True(npz.Read("mu").Equals(arange(6, ScalarType.Float64) / 7));
        Assert.True(npz.Read("sigma").Equals((arange(6, ScalarType.Float64).unsqueeze(1) + arange(6, ScalarType.Float64)) / 3));
        Assert.Equal(ScalarType.Float32, npz.Read("mu_s").dtype);
        Assert.True(npz.Read("arr_0").Equals((arange(180) % 256).to(ScalarType.Byte).reshape(5, 4, 3, 3)));
    }

    [Fact]
    public void Compressed_files_and_arrays_in_Fortran_order_are_read()
    {
        using var npz = NpzFile.Open(Path.Combine(NumPy, "numpy-compressed.npz"));

        Assert.Equal(3f / 7, npz.Read("mu")[3].item<float>());
        Assert.True(npz.Read("sigma").Equals(arange(6, ScalarType.Float64).reshape(2, 3)));
        Assert.Contains("no rows in C order", Refusal(() => npz.Rows("sigma", 1).First()), StringComparison.Ordinal);
    }

    [Fact]
    public void Rows_come_in_batches_and_are_the_whole_array()
    {
        using var npz = NpzFile.Open(Path.Combine(NumPy, "numpy-adm.npz"));

        var parts = npz.Rows("arr_0", 2).ToList();

        Assert.Equal([2L, 2, 1], parts.Select(p => p.shape[0]));
        Assert.True(cat(parts).Equals(npz.Read("arr_0")));
        foreach (var p in parts) p.Dispose();
    }

    [Fact]
    public void What_is_not_read_is_named()
    {
        using var npz = NpzFile.Open(Path.Combine(NumPy, "numpy-odd.npz"));

        Assert.Matches(@"array big holds big-endian numbers \('>\w\d'\), which are not read here: in NumPy, save it again as array\.astype\('<\w\d'\)", Refusal(() => npz.Read("big")));
        Assert.Contains("element type O is not read", Refusal(() => npz.Read("objects")), StringComparison.Ordinal);
        Assert.Contains("element type c16", Refusal(() => npz.Read("complex")), StringComparison.Ordinal);
        Assert.Contains("not among its arrays (big, objects", Refusal(() => npz.Read("mu")), StringComparison.Ordinal);
        Assert.Equal(2.5, npz.Read("scalar").item<double>());
        Assert.Equal([0, 3], npz.Read("empty").shape);
        Assert.Empty(npz.Rows("empty", 2));
    }

    [Fact]
    public void What_is_written_comes_back()
    {
        var arrays = new Dictionary<string, Tensor>
        {
            ["mu"] = randn(7, dtype: ScalarType.Float64),
            ["sigma"] = randn(3, 5, 2),
            ["count"] = tensor(50_000L),
            ["bytes"] = tensor(new byte[] { 1, 2, 255 }),
            ["none"] = zeros(0, 4),
            ["flags"] = tensor(new[] { true, false }),
        };
        NpzFile.Save(Scratch, arrays);

        using var npz = NpzFile.Open(Scratch);
        foreach (var (name, array) in arrays)
        {
            var read = npz.Read(name);
            Assert.Equal(array.dtype, read.dtype);
            Assert.Equal(array.shape, read.shape);
            Assert.True(read.Equals(array), name);
        }
    }

    [Theory]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }", "impossible")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000,), }", "does not fit")]
    [InlineData("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", "no simple type")]
    [InlineData("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }", "no simple type")]
    [InlineData("__import__('os').system('true')", "no simple type")]
    public void A_head_that_lies_is_refused_before_memory_is_taken(string head, string why)
    {
        NpzFile.Save(Scratch, [new("mu", zeros(64, dtype: ScalarType.Float64))]);
        var bytes = File.ReadAllBytes(Scratch);
        var at = bytes.AsSpan().IndexOf("{'descr'"u8);
        Array.Fill(bytes, (byte)' ', at, 117);
        System.Text.Encoding.ASCII.GetBytes(head[..Math.Min(head.Length, 117)]).CopyTo(bytes, at);
        File.WriteAllBytes(Scratch, bytes);

        using var npz = NpzFile.Open(Scratch);
        var error = Refusal(() => npz.Read("mu"));

        Assert.Contains(why, error, StringComparison.Ordinal);
        Assert.Contains(Scratch, error, StringComparison.Ordinal);
        Refusal(() => npz.Rows("mu", 1).ToList());
    }

    [Fact]
    public void One_flipped_bit_of_the_data_is_seen()
    {
        NpzFile.Save(Scratch, [new("mu", zeros(64, dtype: ScalarType.Float64))]);
        var bytes = File.ReadAllBytes(Scratch);
        bytes[bytes.AsSpan().IndexOf("{'descr'"u8) + 200] ^= 1;
        File.WriteAllBytes(Scratch, bytes);

        using var npz = NpzFile.Open(Scratch);

        Assert.Contains("checksum", Refusal(() => npz.Read("mu")), StringComparison.Ordinal);
        Assert.Contains("checksum", Refusal(() => npz.Rows("mu", 10).ToList()), StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_files_end_in_one_line_or_in_the_same_numbers()
    {
        var random = new Random(5);
        foreach (var name in new[] { "numpy-adm.npz", "numpy-compressed.npz" })
        {
            var whole = File.ReadAllBytes(Path.Combine(NumPy, name));
            for (var i = 0; i < 400; i++)
            {
                var bytes = (byte[])whole.Clone();
                if (i % 4 == 0) bytes = bytes[..random.Next(bytes.Length)];
                else
                    for (var k = 0; k < 1 + i % 5; k++) bytes[random.Next(bytes.Length)] = i % 4 == 1 ? (byte)255 : (byte)random.Next(256);
                File.WriteAllBytes(Scratch, bytes);
                try
                {
                    using var npz = NpzFile.Open(Scratch);
                    foreach (var array in npz.Names)
                    {
                        using var read = npz.Read(array);
                        Assert.True(read.numel() <= 1000);
                    }
                }
                catch (UserException e)
                {
                    Assert.DoesNotContain('\n', e.Message);
                    Assert.StartsWith(Scratch, e.Message, StringComparison.Ordinal);
                }
            }
        }
    }

    [Fact]
    public void Something_else_is_no_npz()
    {
        File.WriteAllText(Scratch, "not a zip");

        Assert.Contains("no readable .npz", Refusal(() => NpzFile.Open(Scratch)), StringComparison.Ordinal);
        Assert.Contains("gone.npz", Refusal(() => NpzFile.Open("gone.npz")), StringComparison.Ordinal);
    }

    private static string Refusal(Func<object?> act)
    {
        var error = Assert.Throws<UserException>(() => act()).Message;
        Assert.DoesNotContain('\n', error);
        return error;
    }
}
