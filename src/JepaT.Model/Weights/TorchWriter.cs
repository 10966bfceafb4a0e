using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace JepaT.Model;

/// <summary>
/// Writes dictionaries of tensors as <c>torch.save</c> does: a zip archive of a pickle (protocol 2) and a record of numbers for each tensor.
/// PyTorch reads it with <c>torch.load(file, weights_only=True)</c>.
/// </summary>
public static class TorchWriter
{
    /// <summary>Writes one dictionary of tensors, as a model's <c>state_dict()</c>.</summary>
    /// <exception cref="UserException">A tensor is of a type that PyTorch's storages have not.</exception>
    public static void Save(Stream file, IReadOnlyList<WeightToWrite> tensors) => Save(file, [("", tensors)]);

    /// <summary>Writes a dictionary of dictionaries of tensors, as a training checkpoint has; a section without name is not nested.</summary>
    /// <exception cref="UserException">A tensor is of a type that PyTorch's storages have not.</exception>
    public static void Save(Stream file, IReadOnlyList<(string Section, IReadOnlyList<WeightToWrite> Tensors)> sections)
    {
        var pickle = new Pickle();
        var key = 0;
        pickle.Dictionary(sections.Where(s => s.Section.Length > 0).Select(s => (s.Section, (Action)(() => Write(s.Tensors))))
            .Concat(sections.Where(s => s.Section.Length == 0).SelectMany(s => Entries(s.Tensors))));
        using var zip = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true);
        Record("data.pkl", stream => stream.Write(pickle.End()));
        Record("byteorder", stream => stream.Write("little"u8));
        key = 0;
        foreach (var tensor in sections.Where(s => s.Section.Length > 0).Concat(sections.Where(s => s.Section.Length == 0)).SelectMany(s => s.Tensors)) Record($"data/{key++}", tensor.Write);
        Record("version", stream => stream.Write("3\n"u8));

        void Write(IReadOnlyList<WeightToWrite> tensors) => pickle.Dictionary(Entries(tensors));

        IEnumerable<(string, Action)> Entries(IEnumerable<WeightToWrite> tensors) => tensors.Select(t => (t.Name, (Action)(() => pickle.Tensor(t, key++))));

        void Record(string name, Action<Stream> write)
        {
            var entry = zip.CreateEntry($"archive/{name}", CompressionLevel.NoCompression);
            entry.LastWriteTime = new DateTimeOffset(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);           // equal weights make equal files
            using var stream = entry.Open();
            write(stream);
        }
    }

    private sealed class Pickle
    {
        private readonly MemoryStream bytes = new();

        public Pickle() => bytes.Write([0x80, 2]);

        public byte[] End()
        {
            Code('.');
            return bytes.ToArray();
        }

        public void Dictionary(IEnumerable<(string Key, Action Value)> items)
        {
            Code('}');
            Code('(');
            foreach (var (key, value) in items)
            {
                Text(key);
                value();
            }
            Code('u');
        }

        /// <summary>torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict()).</summary>
        public void Tensor(WeightToWrite tensor, int key)
        {
            var type = tensor.ElementType;
            Global("torch._utils", "_rebuild_tensor_v2");
            Code('(');
            Code('(');
            Text("storage");
            Global("torch", type.Storage ?? throw new UserException($"{tensor.Source}tensor {Plain.Text(tensor.Name)} is {type.Name}, which PyTorch files are not written with here: write a .safetensors file"));
            Text(key.ToString(System.Globalization.CultureInfo.InvariantCulture));
            Text("cpu");
            Integer(tensor.Bytes / type.Size);
            Code('t');
            Code('Q');
            Integer(0);
            Tuple(tensor.Shape);
            var strides = new long[tensor.Shape.Count];
            for (var (i, step) = (strides.Length - 1, 1L); i >= 0; step *= Math.Max(tensor.Shape[i], 1), i--) strides[i] = step;
            Tuple(strides);
            bytes.WriteByte(0x89);
            Global("collections", "OrderedDict");
            Code(')');
            Code('R');
            Code('t');
            Code('R');
        }

        private void Tuple(IReadOnlyList<long> numbers)
        {
            Code('(');
            foreach (var n in numbers) Integer(n);
            Code('t');
        }

        private void Code(char code) => bytes.WriteByte((byte)code);

        private void Global(string module, string name) => bytes.Write(Encoding.UTF8.GetBytes($"c{module}\n{name}\n"));

        private void Text(string text)
        {
            Span<byte> length = stackalloc byte[4];
            var utf8 = Encoding.UTF8.GetBytes(text);
            BinaryPrimitives.WriteInt32LittleEndian(length, utf8.Length);
            Code('X');
            bytes.Write(length);
            bytes.Write(utf8);
        }

        private void Integer(long value)
        {
            Span<byte> number = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(number, value);
            bytes.Write([0x8a, 8]);
            bytes.Write(number);
        }
    }
}
