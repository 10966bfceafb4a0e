using JepaT.Lab;
using SkiaSharp;

namespace JepaT.Tests;

/// <summary>A folder of small pictures: classes, each with pictures of noise.</summary>
internal sealed class PictureFolder : IDisposable
{
    private readonly DirectoryInfo top = Directory.CreateTempSubdirectory("jepat-");

    public PictureFolder(int perClass = 5, params string[] classes)
    {
        var random = new Random(0);
        foreach (var name in classes)
            for (var i = 0; i < perClass; i++) Add($"{name}/{i:000}.png", random);
    }

    /// <summary>The folder of the pictures; the one above it is the test's own, too.</summary>
    public string Root => Directory.CreateDirectory(Path.Combine(top.FullName, "set")).FullName;

    public string this[string name] => Path.Combine(Root, name);

    public string Beside(string name) => Path.Combine(top.FullName, name);

    public ImageFolder Open(string? captions = null) => ImageFolder.Open(Root, captions);

    public void Add(string name, Random random)
    {
        using var bitmap = new SKBitmap(random.Next(16, 40), random.Next(16, 40));
        for (var p = 0; p < bitmap.Width * bitmap.Height; p++) bitmap.SetPixel(p % bitmap.Width, p / bitmap.Width, new SKColor((uint)random.Next() | 0xFF000000));
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        Write(name, data.ToArray());
    }

    public void Write(string name, byte[] bytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(this[name])!);
        File.WriteAllBytes(this[name], bytes);
    }

    public string WriteBeside(string name, string text)
    {
        File.WriteAllText(Beside(name), text);
        return Beside(name);
    }

    /// <summary>Cuts a picture's file in half.</summary>
    public void Damage(string name) => File.WriteAllBytes(this[name], File.ReadAllBytes(this[name]) is var b ? b[..(b.Length / 2)] : []);

    public void Dispose() => top.Delete(recursive: true);
}
