namespace JepaT.Lab;

/// <summary>The text encoders by name.</summary>
public static class TextEncoders
{
    private const string
        OpenAiFile = "https://openaipublic.azureedge.net/clip/models/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        HuggingFaceFile = "pytorch_model.bin of https://huggingface.co/openai/clip-vit-base-patch32 (SHA-256 a63082132ba4f97a80bea76823f544493bffa8082296d62d71581a4feff1576f)";

    /// <summary>Where the weights of CLIP are looked for when no file is given, in this order.</summary>
    internal static readonly string[] ClipFiles = ["model.safetensors", "ViT-B-32.safetensors", "pytorch_model.bin", "ViT-B-32.pt"];

    /// <summary>Known encoders.</summary>
    public static IReadOnlyList<string> Names { get; } = ["hashed", "clip"];

    /// <summary>Builds an encoder; that of CLIP keeps its encodings in the user's cache. Dispose it if it can be disposed.</summary>
    /// <param name="encoder">One of <see cref="Names"/>.</param>
    /// <param name="weights">CLIP's file; null or empty for one in the cache folder <c>jepat/clip</c>.</param>
    /// <param name="vocabulary">CLIP's vocabulary; null or empty for the one that comes with JepaT.</param>
    /// <param name="device">Where CLIP runs; the CPU by default.</param>
    /// <param name="dtype">What CLIP computes in.</param>
    /// <param name="errata">Oddities 3 (its layers re-initialised), 5 (nothing is kept) and 6 (long texts refused).</param>
    /// <exception cref="UserException">The name is unknown, or a file is missing or not what it should be.</exception>
    public static ITextEncoder Create(string encoder, string? weights = null, string? vocabulary = null, Device? device = null,
        ScalarType dtype = ScalarType.Float32, Errata? errata = null)
    {
        errata ??= Errata.Corrected;
        if (encoder == "hashed") return new HashedText();
        if (encoder != "clip") throw new UserException($"unknown text encoder '{encoder}'; known are {string.Join(", ", Names)}");
        var file = ClipFile(weights, CacheFolder.Of("clip"));
        var tokenizer = new ClipTokenizer(vocabulary);
        using var opened = WeightFile.Open(file);
        var tensors = opened.ReadAll();
        try
        {
            var clip = new ClipText(tensors, file, tokenizer, device, dtype, errata: errata);
            return errata.TextEncodedEachStep ? clip : new CachedText(clip, clip.Fingerprint);
        }
        finally
        {
            foreach (var t in tensors.Values) t.Dispose();
        }
    }

    /// <summary>The file given, else the first in the folder.</summary>
    /// <exception cref="UserException">There is none; says where to get it and where to put it.</exception>
    internal static string ClipFile(string? given, string folder)
    {
        var places = string.IsNullOrEmpty(given) ? ClipFiles.Select(f => Path.Combine(folder, f)) : [given];
        return places.FirstOrDefault(File.Exists) ?? throw new UserException(
            $"{places.First()}: missing; the weights of CLIP ViT-B/32 are {HuggingFaceFile}, or {OpenAiFile} (the SHA-256 is in the address); put the file into {folder} as {string.Join(" or ", ClipFiles)}, or name it");
    }
}
