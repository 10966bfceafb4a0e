using System.Buffers.Binary;
using System.Text;
using JepaT.Model;
using TorchSharp;
using static TorchSharp.torch;

namespace JepaT.Tests;

public sealed class WeightFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData("types.pth", "PyTorch")]
    [InlineData("types-protocol4.pt", "PyTorch")]
    [InlineData("types-legacy.pth", "PyTorch, legacy")]
    [InlineData("parts.bin.index.json", "PyTorch in 2 files")]
    public void What_PyTorch_saved_is_read_bit_for_bit(string name, string format)
    {
        using var file = WeightFile.Open(WeightSamples.File(name));

        Assert.Equal(format, file.Format);
        WeightSamples.AssertEqual(WeightSamples.Types(), file);
    }

    [Fact]
    public void Entries_keep_the_order_of_the_file()
    {
        using var file = WeightFile.Open(WeightSamples.File("types.pth"));

        Assert.Equal(WeightSamples.Types().Keys, file.Entries.Select(e => e.Name));
    }

    [Theory]
    [InlineData("training.pth")]
    [InlineData("training-legacy.ckpt")]
    public void A_checkpoint_s_dictionaries_are_sections_and_the_moving_average_is_the_default(string name)
    {
        string[] names = ["a.weight", "a.bias", "b.weight", "b.bias"];
        long[][] shapes = [[2, 3], [2], [2], [2]];

        using var ema = WeightFile.Open(WeightSamples.File(name));
        using var model = WeightFile.Open(WeightSamples.File(name), "model");
        using var optimizer = WeightFile.Open(WeightSamples.File(name), "optimizer");

        Assert.Equal("model_ema", ema.Section);
        Assert.Equal(["model", "model_ema", "optimizer"], ema.Sections);
        Assert.Equal(["argparse.Namespace"], ema.Unread);
        WeightSamples.AssertEqual(names.Select((n, k) => (n, WeightSamples.Ramp(10 + k, shapes[k]).to(ScalarType.Float32))).ToDictionary(), ema);
        // One step of AdamW with the default rate moved these.
        Assert.Equal(names, model.Entries.Select(e => e.Name));
        Assert.True((model.Read("a.weight") - WeightSamples.Ramp(0, 2, 3)).abs().max().ToDouble() is > 0 and < 0.0011);
        Assert.Contains(optimizer.Entries, e => e is { Name: "state.0.exp_avg", Shape: [2, 3] });
    }

    [Fact]
    public void A_TorchScript_archive_is_its_modules_weights()
    {
        using var file = WeightFile.Open(WeightSamples.File("script.pt"));

        Assert.Equal("TorchScript", file.Format);
        WeightSamples.AssertEqual(new Dictionary<string, Tensor>
        {
            ["table"] = WeightSamples.Ramp(3, 2, 2).to(ScalarType.Float32),
            ["ln.weight"] = WeightSamples.Ramp(0, 4).to(ScalarType.Float32),
            ["ln.bias"] = WeightSamples.Ramp(1, 4).to(ScalarType.Float32),
            ["proj.weight"] = WeightSamples.Ramp(2, 2, 4).to(ScalarType.Float32),
            ["proj.bias"] = WeightSamples.Ramp(3, 2).to(ScalarType.Float32),
        }, file);
    }

    [Theory]
    [InlineData("evil.pth", "calls posix.system, which is refused")]
    [InlineData("evil-legacy.pth", "calls posix.system, which is refused")]
    [InlineData("whole.pth", "only objects (__main__.Block), which are not read: in PyTorch, save their state_dict()")]
    public void What_could_run_code_is_refused_by_name(string name, string message)
    {
        Assert.Contains(message, Fails(WeightSamples.File(name)), StringComparison.Ordinal);
        Assert.False(File.Exists("evil-ran"));
    }

    [Fact]
    public void Only_what_is_there_can_be_asked_for()
    {
        using var file = WeightFile.Open(WeightSamples.File("training.pth"));

        Assert.Contains("has no section 'emma'; there are model, model_ema, optimizer", Fails(WeightSamples.File("training.pth"), "emma"), StringComparison.Ordinal);
        using (var stream = File.Create(folder.File("loose.pth"))) TorchWriter.Save(stream, [("model", [new("a", ones(1))]), ("", [new("b", ones(1))])]);
        Assert.EndsWith("has no section 'emma'; there are model, (no name)", Fails(folder.File("loose.pth"), "emma"), StringComparison.Ordinal);
        Assert.Contains("has no section 'model'; there are none", Fails(WeightSamples.File("types.pth"), "model"), StringComparison.Ordinal);
        Assert.Contains("has no tensor c.weight", Assert.Throws<UserException>(() => file.Read("c.weight")).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be opened", Fails(folder.File("nowhere.pth")), StringComparison.Ordinal);
        Assert.Contains($"{folder.Path}: is a folder; name a file in it, or the index (*.index.json)", Fails(folder.Path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull")]
    [InlineData("\n<!doctype html><title>404</title>", "is a web page")]
    [InlineData("PK\u0003\u0004", "its directory is missing (is it cut off?)")]
    [InlineData("{\"a\": 1}", "it has no weight_map")]
    [InlineData("{\"weight_map\": {\"a\": \"../../etc/x\"}}", "names the file '../../etc/x', which is not one beside it")]
    [InlineData("{\"weight_map\": {\"a\": \"C:\\\\x\"}}", "which is not one beside it")]
    [InlineData("{\"weight_map\": {\"a\": \"in.weights\"}}", "not a readable safetensors file")]
    [InlineData("{\"weight_map\": {\"a\": \"x.bin\", \"a\": \"y.bin\"}}", "not the JSON it should be")]
    [InlineData("once upon a time, in a land far away", "not a readable safetensors file: header length")]
    public void What_is_no_weights_file_is_told(string content, string message)
    {
        var path = folder.File("in.weights");
        File.WriteAllText(path, content, new UTF8Encoding(false));

        Assert.Contains(message, Fails(path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("byteorder", "little", "big!!!", "was written on a big-endian machine")]
    public void Another_byte_order_is_refused(string name, string written, string other, string message)
    {
        var path = folder.File("big.pth");
        using (var x = ones(2)) using (var stream = File.Create(path)) TorchWriter.Save(stream, [new WeightToWrite("x", x)]);
        var bytes = Encoding.Latin1.GetString(File.ReadAllBytes(path));
        Assert.Contains(name + written, bytes, StringComparison.Ordinal);
        File.WriteAllBytes(path, Encoding.Latin1.GetBytes(bytes.Replace(name + written, name + other, StringComparison.Ordinal)));

        Assert.Contains(message, Fails(path), StringComparison.Ordinal);
    }

    [Fact]
    public void An_archive_with_the_directory_of_large_files_is_read()
    {
        var path = folder.File("large.pth");
        File.WriteAllBytes(path, Zip64(File.ReadAllBytes(WeightSamples.File("types.pth"))));

        using var file = WeightFile.Open(path);

        WeightSamples.AssertEqual(WeightSamples.Types(), file);
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}""", 12, "tensor b overlaps the one before it")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "tensor b leaves a gap after the one before it")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 8, "its tensors end at byte")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "not the JSON it should be")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F4","shape":[1],"data_offsets":[2,6]}}""", 6, "tensor b overlaps the one before it")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}""", 3, "lies outside the file")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[3,2]}}""", 4, "lies outside the file")]
    [InlineData("""{"a":{"dtype":"F4","shape":[1],"data_offsets":[0,4]}}""", 5, "its tensors end at byte")]
    [InlineData("""{"a":{"dtype":"F4","shape":[100],"data_offsets":[0,4]}}""", 4, "does not fit its shape")]
    [InlineData("""{"a":{"dtype":"F4","shape":[4611686018427387904,4],"data_offsets":[0,4]}}""", 4, "tensor a has an impossible shape")]
    [InlineData("""{"a":{"dtype":"F4","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "not the JSON it should be")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 0, "tensor a has no valid dtype, shape and data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}""", 4, "tensor a has no valid dtype, shape and data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}} x""", 4, "not the JSON it should be")]
    [InlineData("""{"__metadata__":{"k":"1","k":"2"}}""", 0, "not the JSON it should be")]
    [InlineData("""{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "tensor a has an impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0]}}""", 0, "tensor a has an impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[4,0]}}""", 4, "tensor a has an impossible shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775804,-9223372036854775808]}}""", 4, "lies outside the file")]
    [InlineData("""{"a":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "tensor a has no valid dtype, shape and data_offsets")]
    [InlineData("""{"a":3}""", 0, "tensor a has no valid dtype")]
    [InlineData("""{"__metadata__":3}""", 0, "not the JSON it should be")]
    public void The_rules_of_safetensors_hold(string header, int data, string message)
    {
        var path = folder.File("x.safetensors");
        WeightSamples.WriteRaw(path, header, data);

        Assert.Contains(message, Fails(path), StringComparison.Ordinal);
        Assert.Contains(message, Assert.Throws<UserException>(() => Safetensors.Load(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("F8_E4M3", 1, "float8_e4m3fn")]
    [InlineData("F8_E5M2", 1, "float8_e5m2")]
    [InlineData("F4", 1, "F4")]
    [InlineData("F8_E4M3FNUZ", 1, "F8_E4M3FNUZ")]
    [InlineData("U16", 2, "uint16")]
    [InlineData("U32", 4, "uint32")]
    [InlineData("U64", 8, "uint64")]
    public void A_type_that_TorchSharp_lacks_is_listed_and_refused_by_name(string dtype, int size, string name)
    {
        var path = folder.File("x.safetensors");
        WeightSamples.WriteRaw(path, $$$"""{"a":{"dtype":"{{{dtype}}}","shape":[3],"data_offsets":[0,{{{3 * size}}}]},"b":{"dtype":"U8","shape":[1],"data_offsets":[{{{3 * size}}},{{{3 * size + 1}}}]}}""", 3 * size + 1);

        using var file = WeightFile.Open(path);

        Assert.Equal((name, 3L * size, null), (file.Entries[0].Type, file.Entries[0].Bytes, file.Entries[0].ScalarType));
        Assert.Equal(3 * size + 1, file.Read("b").item<byte>());
        Assert.Contains($"tensor a is {name}, which TorchSharp does not have", Assert.Throws<UserException>(() => file.Read("a")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_view_that_repeats_numbers_is_read_up_to_the_file_s_size_and_else_refused_alone()
    {
        var path = folder.File("in.pth");
        File.WriteAllBytes(path, HostilePickle.Legacy("expanded views"));

        using var file = WeightFile.Open(path);

        Assert.Equal([("a", 16L), ("small", 32L), ("large", 4_000_000_000_000L)], file.Entries.Select(e => (e.Name, e.Bytes)));
        Assert.True(tensor(new[] { 1f, 2f, 1f, 2f, 1f, 2f, 1f, 2f }).reshape(4, 2).Equals(file.Read("small")));
        Assert.True(tensor(new[] { 1f, 2f, 3f, 4f }).reshape(2, 2).Equals(file.Read("a")));
        var message = Assert.Throws<UserException>(() => file.Read("large")).Message;
        Assert.Contains("tensor large of shape (1000000, 1000000) is an expanded view", message, StringComparison.Ordinal);
        Assert.Contains("save it after .contiguous()", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Our_checkpoint_s_names_are_sections_and_other_files_are_not_split()
    {
        var (ours, other) = (folder.File("a.safetensors"), folder.File("b.safetensors"));
        Safetensors.Save(ours, [new("model.x", ones(1)), new("ema.x", zeros(1)), new("optimizer.step", ones(1))]);
        Safetensors.Save(other, [new("model.x", ones(1)), new("lm_head.x", zeros(1))]);

        using var a = WeightFile.Open(ours);
        using var b = WeightFile.Open(other);

        Assert.Equal(("ema", "x", 0f), (a.Section, a.Entries.Single().Name, a.Read("x").item<float>()));
        Assert.Equal(["model", "ema", "optimizer"], a.Sections);
        Assert.Equal(["model.x", "lm_head.x"], b.Entries.Select(e => e.Name));
    }

    [Fact]
    public void A_tensor_of_several_blocks_and_every_type_go_through_both_writers()
    {
        var large = arange(5_000_000, dtype: ScalarType.Int32);                 // 20 MB: more than a block
        var all = WeightSamples.Types().Append(new("large", large)).Append(new("complex", complex(ones(2), zeros(2)))).ToDictionary();
        var (safetensors, pth) = (folder.File("a.safetensors"), folder.File("a.pth"));

        Safetensors.Save(safetensors, all);
        using (var stream = File.Create(pth)) TorchWriter.Save(stream, [.. all.Select(t => new WeightToWrite(t.Key, t.Value))]);

        foreach (var path in new[] { safetensors, pth })
        {
            using var file = WeightFile.Open(path);
            WeightSamples.AssertEqual(all, file);
        }
    }

    [Fact]
    public void Reading_a_tensor_leaves_no_other_tensor_alive()
    {
        using var file = WeightFile.Open(WeightSamples.File("types.pth"));
        DisposeScopeManager.Statistics.Reset();

        file.Read("transposed").Dispose();

        Assert.Equal(0, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    /// <summary>The same archive with sizes and offsets as files beyond 4 GB have them: 64 bits, in extra fields and a second end record.</summary>
    private static byte[] Zip64(byte[] zip)
    {
        var end = zip.AsSpan().LastIndexOf("PK\u0005\u0006"u8);
        var (count, start) = (BinaryPrimitives.ReadUInt16LittleEndian(zip.AsSpan(end + 10)), (int)BinaryPrimitives.ReadUInt32LittleEndian(zip.AsSpan(end + 16)));
        MemoryStream output = new();
        output.Write(zip.AsSpan(0, start));
        for (var (i, at) = (0, start); i < count; i++)
        {
            var head = zip.AsSpan(at, 46).ToArray();
            var (name, extra, comment) = (BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(28)), BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(30)), BinaryPrimitives.ReadUInt16LittleEndian(head.AsSpan(32)));
            var sizes = new byte[28];
            (sizes[0], sizes[2]) = (1, 24);
            foreach (var (from, to) in new[] { (24, 4), (20, 12), (42, 20) })           // length, packed, offset
            {
                head.AsSpan(from, 4).CopyTo(sizes.AsSpan(to));
                head.AsSpan(from, 4).Fill(0xff);
            }
            BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(30), 28);
            BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(32), 0);
            output.Write(head);
            output.Write(zip.AsSpan(at + 46, name));
            output.Write(sizes);
            at += 46 + name + extra + comment;
        }
        var large = new byte[56 + 20 + 22];
        "PK\u0006\u0006"u8.CopyTo(large);
        BinaryPrimitives.WriteInt64LittleEndian(large.AsSpan(32), count);
        BinaryPrimitives.WriteInt64LittleEndian(large.AsSpan(40), output.Length - start);
        BinaryPrimitives.WriteInt64LittleEndian(large.AsSpan(48), start);
        "PK\u0006\u0007"u8.CopyTo(large.AsSpan(56));
        BinaryPrimitives.WriteInt64LittleEndian(large.AsSpan(64), output.Length);
        "PK\u0005\u0006"u8.CopyTo(large.AsSpan(76));
        large.AsSpan(84, 12).Fill(0xff);
        output.Write(large);
        return output.ToArray();
    }

    private static string Fails(string path, string? section = null)
    {
        var message = Assert.Throws<UserException>(() => WeightFile.Open(path, section)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }
}
