using System.Buffers.Binary;
using System.IO.Compression;
using JepaT.Lab;

namespace JepaT.Tests;

/// <summary>A folder with a small set in the form of Fashion-MNIST: pictures of noise, labels 0 to 9 in turn.</summary>
internal sealed class TinyFashion : IDisposable
{
    public const string TrainImages = "train-images-idx3-ubyte.gz", TrainLabels = "train-labels-idx1-ubyte.gz";
    public const string TestImages = "t10k-images-idx3-ubyte.gz", TestLabels = "t10k-labels-idx1-ubyte.gz";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("jepat-");

    public TinyFashion(int train = 40, int test = 20, int seed = 0)
    {
        var random = new Random(seed);
        foreach (var (images, labels, count) in new[] { (TrainImages, TrainLabels, train), (TestImages, TestLabels, test) })
        {
            var bytes = new byte[count * 28 * 28];
            random.NextBytes(bytes);
            Write(images, bytes, count, 28, 28);
            Write(labels, [.. Enumerable.Range(0, count).Select(i => (byte)(i % 10))], count);
        }
    }

    public string Folder => folder.FullName;

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>Places in which nothing is found, so that only the folder given counts.</summary>
    public static FashionMnistFiles NoPlaces(HttpMessageHandler handler, string cache) => new(new HttpClient(handler), "/nowhere", cache);

    public FashionMnist Open() => FashionMnist.Open(Folder);

    public void Write(string name, byte[] bytes, params int[] shape) => File.WriteAllBytes(this[name], Gzip(Idx(bytes, shape)));

    public void Dispose() => folder.Delete(recursive: true);

    public static byte[] Idx(byte[] bytes, params int[] shape)
    {
        var header = new byte[4 + 4 * shape.Length];
        BinaryPrimitives.WriteInt32BigEndian(header, 0x800 + shape.Length);
        for (var i = 0; i < shape.Length; i++) BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4 + 4 * i), shape[i]);
        return [.. header, .. bytes];
    }

    public static byte[] Gzip(byte[] bytes)
    {
        using var to = new MemoryStream();
        using (var gzip = new GZipStream(to, CompressionLevel.Fastest)) gzip.Write(bytes);
        return to.ToArray();
    }
}
