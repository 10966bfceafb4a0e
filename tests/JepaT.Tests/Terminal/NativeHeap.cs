using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace JepaT.Tests;

/// <summary>Bytes that native code holds, libtorch's tensors among them, in all arenas of glibc: resident memory also counts what is free to be used again.</summary>
internal static partial class NativeHeap
{
    public static bool CanTell => OperatingSystem.IsLinux();

    public static long BytesInUse()
    {
        var stream = open_memstream(out var text, out _);
        Assert.Equal(0, malloc_info(0, stream));
        _ = fclose(stream);
        var xml = Marshal.PtrToStringUTF8(text)!;
        free(text);
        var totals = xml[xml.LastIndexOf("</heap>", StringComparison.Ordinal)..];           // after the arenas come their sums
        return Size(totals, "system type=\"current\"") - Size(totals, "total type=\"fast\"") - Size(totals, "total type=\"rest\"") + Size(totals, "total type=\"mmap\"");
    }

    private static long Size(string xml, string element) =>
        long.Parse(Regex.Match(xml, $"<{element}[^>]* size=\"([0-9]+)\"").Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);

    [LibraryImport("libc")]
    private static partial nint open_memstream(out nint text, out nuint size);

    [LibraryImport("libc")]
    private static partial int malloc_info(int options, nint stream);

    [LibraryImport("libc")]
    private static partial int fclose(nint stream);

    [LibraryImport("libc")]
    private static partial void free(nint memory);
}
