using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace JepaT.Lab;

/// <summary>What an encoder made of a caption: Dim numbers, and Dim more for each token, where it gives tokens.</summary>
internal readonly record struct EncodedText(float[] Pooled, float[]? Tokens);

/// <summary>
/// Encodings by caption in one file that only grows: memory holds their places, 24 bytes a caption, however many there are. Several
/// processes may use a file: they append in turns, and see what the others appended.
/// </summary>
/// <remarks>
/// A head (mark, Dim, SHA-256 of the encoder's fingerprint), then records: the first half of the caption's SHA-256, the number of tokens
/// (-1: the encoder gives none), a checksum of these two, the numbers, and their checksum. Of a damaged file what stands before the damage
/// is used, and what comes after is encoded again; a single damaged encoding is replaced.
/// </remarks>
internal sealed class TextStore
{
    private const int RecordHead = 24, MostTokens = 4096;
    private const long LargeFile = 1L << 30, LeastFree = 4L << 30;

    private readonly string path;
    private readonly byte[] head;
    private readonly int dim;
    private readonly long most;
    private readonly Action<string> note;
    private readonly HashSet<string> told = [];
    private readonly Dictionary<UInt128, long> places = [];
    private long end;                                   // of the records that are known; 0: nothing was read yet

    /// <param name="path">The file; made when there is something to keep.</param>
    /// <param name="fingerprint">Tells the encoder from all others; a file of another is replaced.</param>
    /// <param name="dim">Numbers of a vector.</param>
    /// <param name="most">Bytes up to which the file grows.</param>
    /// <param name="note">Is told, once each, of a damaged or full file and one that cannot be written.</param>
    public TextStore(string path, string fingerprint, int dim, long most, Action<string> note)
    {
        (this.path, this.dim, this.most, this.note) = (path, dim, most, note);
        var size = new byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(size, dim);
        head = [.. "jepatxt1"u8, .. size, .. SHA256.HashData(Encoding.UTF8.GetBytes(fingerprint))];
    }

    /// <summary>What is kept of captions, in their order; null for those that are not.</summary>
    public EncodedText?[] Read(IReadOnlyList<string> captions)
    {
        var found = new EncodedText?[captions.Count];
        try
        {
            using var file = File.Exists(path) ? Open(FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete) : null;
            if (file is null || !Scan(file)) return found;
            for (var i = 0; i < found.Length; i++)
                if (places.TryGetValue(KeyOf(captions[i]), out var at) && (found[i] = Record(file, at, KeyOf(captions[i]))) is null)
                {
                    places.Remove(KeyOf(captions[i]));
                    Damaged("the checksum of an encoding does not fit");
                }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Tell("cannot be read", e.Message);
        }
        return found;
    }

    /// <summary>Keeps encodings, as far as there is room.</summary>
    public void Append(IEnumerable<KeyValuePair<string, EncodedText>> texts)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            using var file = Open(FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, buffer: 1 << 18);
            if (!Scan(file))
            {
                file.SetLength(0);
                RandomAccess.Write(file.SafeFileHandle, head, 0);
                end = head.Length;
            }
            else file.SetLength(end);                                           // what was torn off, and what stands behind it
            file.Position = end;
            foreach (var (caption, text) in texts)
            {
                var key = KeyOf(caption);
                if (places.ContainsKey(key)) continue;
                var record = Bytes(key, text);
                if (end + record.Length > most || IsDiskShort())
                {
                    Tell("takes no more; further captions are encoded each time they come", $"{end >> 20} MB; remove what is not needed any more");
                    return;
                }
                file.Write(record);
                places[key] = end;
                end += record.Length;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            end = 0;                                                            // what of it is there is read anew
            Tell("is not saved", e.Message);
        }
    }

    /// <summary>Takes in the records that were appended since; false where the file is not one of this encoder.</summary>
    private bool Scan(FileStream file)
    {
        var (handle, length) = (file.SafeFileHandle, RandomAccess.GetLength(file.SafeFileHandle));
        if (length < end) end = 0;                                              // begun anew by another process
        if (end == 0)
        {
            places.Clear();
            if (length == 0 && file.CanWrite) return false;                     // just made
            var first = new byte[head.Length];
            if (RandomAccess.Read(handle, first, 0) < first.Length || !first.AsSpan().SequenceEqual(head))
            {
                Damaged("its head is not that of this encoder");
                return false;
            }
            end = head.Length;
        }
        Span<byte> record = stackalloc byte[RecordHead];
        while (end < length)
        {
            if (RandomAccess.Read(handle, record, end) < RecordHead || Tokens(record) is not { } tokens || end + SizeOf(tokens) > length)
            {
                Damaged($"it ends at byte {end} of {length}");
                break;
            }
            places[BinaryPrimitives.ReadUInt128LittleEndian(record)] = end;
            end += SizeOf(tokens);
        }
        return true;
    }

    // A large file leaves room for what matters more, such as checkpoints.
    private bool IsDiskShort() => end > LargeFile && new DriveInfo(Path.GetFullPath(path)).AvailableFreeSpace < LeastFree;

    private EncodedText? Record(FileStream file, long at, UInt128 key)
    {
        var start = new byte[RecordHead];
        if (RandomAccess.Read(file.SafeFileHandle, start, at) < RecordHead || Tokens(start) is not { } tokens || BinaryPrimitives.ReadUInt128LittleEndian(start) != key) return null;
        var bytes = new byte[SizeOf(tokens) - RecordHead];
        if (RandomAccess.Read(file.SafeFileHandle, bytes, at + RecordHead) < bytes.Length || Crc32C.Of(bytes.AsSpan(0, bytes.Length - 4)) != BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(bytes.Length - 4)))
            return null;
        var numbers = MemoryMarshal.Cast<byte, float>(bytes.AsSpan(0, bytes.Length - 4));
        return new(numbers[..dim].ToArray(), tokens < 0 ? null : numbers[dim..].ToArray());
    }

    private byte[] Bytes(UInt128 key, EncodedText text)
    {
        var tokens = text.Tokens is { } t ? t.Length / dim : -1;
        var record = new byte[SizeOf(tokens)];
        var numbers = record.AsSpan(RecordHead, record.Length - RecordHead - 4);
        BinaryPrimitives.WriteUInt128LittleEndian(record, key);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(16), tokens);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(20), Crc32C.Of(record.AsSpan(0, 20)));
        MemoryMarshal.AsBytes(text.Pooled.AsSpan()).CopyTo(numbers);
        MemoryMarshal.AsBytes(text.Tokens.AsSpan()).CopyTo(numbers[(4 * dim)..]);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(record.Length - 4), Crc32C.Of(numbers));
        return record;
    }

    /// <summary>Number of tokens by a record's head; null where that is damaged.</summary>
    private static int? Tokens(ReadOnlySpan<byte> start) =>
        Crc32C.Of(start[..20]) == BinaryPrimitives.ReadUInt32LittleEndian(start[20..]) && BinaryPrimitives.ReadInt32LittleEndian(start[16..]) is >= -1 and <= MostTokens and var n ? n : null;

    private int SizeOf(int tokens) => checked(RecordHead + (1 + Math.Max(tokens, 0)) * dim * sizeof(float) + 4);

    /// <summary>Waits for a process that has the file at the moment.</summary>
    private FileStream Open(FileMode mode, FileAccess access, FileShare share, int buffer = 0)
    {
        for (var tries = 0; ; tries++)
            try
            {
                return new FileStream(path, mode, access, share, buffer);
            }
            catch (IOException e) when (tries < 40 && e is not (FileNotFoundException or DirectoryNotFoundException) && e.HResult is 11 or 35 or unchecked((int)0x80070020))
            {
                Thread.Sleep(25);
            }
    }

    private void Damaged(string why) => Tell("is damaged and will be rebuilt", why);

    private void Tell(string what, string why)
    {
        if (told.Add(what)) note($"{path}: the text cache {what} ({why})");
    }

    private static UInt128 KeyOf(string caption) => BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes(caption)));
}
