using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace JepaT.Lab;

/// <summary>
/// <c>index.json</c> of a latent cache: what the latents were made of, and the shards that are finished. Beside it lie <c>captions.json</c>,
/// the list of captions, and one file a shard. A shard holds, for each of its pictures, the moments of the picture and of its mirror
/// image (each C × H × W numbers, little endian), and after all of them one int32 a picture: its place in the captions; then a CRC-32C of
/// each of these moments, which are checked whenever they are read. Format 1 had no such checksums.
/// </summary>
internal sealed record LatentIndex
{
    public const string FileName = "index.json", CaptionsName = "captions.json", CurrentFormat = "jepat-latents-2", OldFormat = "jepat-latents-1";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    public string Format { get; init; } = CurrentFormat;

    /// <summary>Name and digest of the image folder, and how many pictures it holds.</summary>
    public required string Source { get; init; }

    public required string SourceDigest { get; init; }

    public required int SourceCount { get; init; }

    /// <summary>As <see cref="FolderContents.Hash"/>; null in an index that was written before there was this line.</summary>
    public string? SourceContents { get; init; }

    /// <summary>Hash of the autoencoder's weights.</summary>
    public required string Autoencoder { get; init; }

    /// <summary>Height and width of the pictures.</summary>
    public required int ImageSize { get; init; }

    /// <summary>C, H, W of the moments: half of the channels are means, half log-variances.</summary>
    public required int[] Shape { get; init; }

    /// <summary>float32 or float16.</summary>
    public required string Dtype { get; init; }

    /// <summary>Pictures of the source that go into one shard; fewer where some were corrupt.</summary>
    public required int ShardSize { get; init; }

    /// <summary>SHA-256 of the file of captions.</summary>
    public required string CaptionsSha256 { get; init; }

    /// <summary>As <see cref="ImageFolder.HasClasses"/>; null in an index that was written before there was this line.</summary>
    public bool? HasClasses { get; init; }

    /// <summary>The finished shards, by number.</summary>
    public IReadOnlyList<LatentShard> Shards { get; init; } = [];

    /// <summary>How many shards there are when all are finished.</summary>
    public int ShardCount() => (SourceCount + ShardSize - 1) / ShardSize;

    /// <summary>Bytes of one picture's moments, without its mirror image.</summary>
    public int RecordBytes() => Shape[0] * Shape[1] * Shape[2] * (Dtype == "float16" ? 2 : 4);

    /// <summary>Whether each picture's moments have a checksum.</summary>
    public bool HasChecksums() => Format != OldFormat;

    /// <summary>Bytes that a shard's file must have.</summary>
    public long BytesOf(LatentShard shard) => shard.Count * (2L * RecordBytes() + sizeof(int) + (HasChecksums() ? 2 * sizeof(uint) : 0));

    /// <summary>Reads a cache's index.</summary>
    /// <exception cref="UserException">There is none, or not one of this format.</exception>
    public static LatentIndex Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new UserException($"{folder}: holds no latents ({FileName} is missing); make them with ./lab cache-latents");
        var index = Parse<LatentIndex>(path, File.ReadAllText(path));
        if (index.Format is not (CurrentFormat or OldFormat)) throw new UserException($"{path}: has format '{index.Format}', this program reads {OldFormat} and {CurrentFormat}; make the cache anew");
        if (index.Shape is not [> 0 and <= 4096, > 0 and <= 4096, > 0 and <= 4096] || index.Shape[0] % 2 == 1 || (long)index.Shape[0] * index.Shape[1] * index.Shape[2] > 1 << 28
            || index.ShardSize is < 1 or > 1 << 20 || index.SourceCount < 1 || index.ImageSize < 1 || index.Dtype is not ("float32" or "float16")
            || index.Shards.Any(s => s.Number < 0 || s.Number >= index.ShardCount() || s.Count < 0 || s.Count > index.ShardSize)
            || index.Shards.DistinctBy(s => s.Number).Count() < index.Shards.Count)
            throw new UserException($"{path}: its sizes make no sense; make the cache anew");
        return index;
    }

    /// <summary>The cache's captions.</summary>
    /// <exception cref="UserException">They are missing, or not the ones that the index names.</exception>
    public IReadOnlyList<string> ReadCaptions(string folder)
    {
        var path = Path.Combine(folder, CaptionsName);
        if (!File.Exists(path)) throw new UserException($"{path}: missing; make the cache anew");
        var text = File.ReadAllText(path);
        if (Sha256(text) != CaptionsSha256) throw new UserException($"{path}: is not the file that {FileName} names (its SHA-256 differs); make the cache anew");
        return Parse<string[]>(path, text);
    }

    /// <summary>Puts the index in its place, completely or not at all.</summary>
    public void Write(string folder) => AtomicFile.Write(Path.Combine(folder, FileName), JsonSerializer.Serialize(this, Json));

    /// <summary>The captions as they are written.</summary>
    public static string Captions(IReadOnlyList<string> captions) => JsonSerializer.Serialize(captions, Json);

    public static string Sha256(string text) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static T Parse<T>(string path, string text)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(text, Json) ?? throw new UserException($"{path}: is empty");
        }
        catch (JsonException e)
        {
            throw new UserException($"{path}: is damaged ({e.Message.Split('\n')[0]}); make the cache anew", e);
        }
    }
}

/// <summary>A finished shard.</summary>
/// <param name="Number">Its place: it covers the source's pictures from number × shard size on.</param>
/// <param name="Count">Pictures in it.</param>
/// <param name="Sha256">Checksum of its file.</param>
/// <param name="Skipped">Paths of the source's pictures that were corrupt, and why.</param>
internal sealed record LatentShard(int Number, int Count, string Sha256, IReadOnlyDictionary<string, string> Skipped)
{
    /// <summary>Name of its file.</summary>
    public static string NameOf(int number) => FormattableString.Invariant($"shard-{number:00000}.bin");
}
