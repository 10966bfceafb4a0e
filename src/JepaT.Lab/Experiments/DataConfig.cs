namespace JepaT.Lab;

/// <summary>The data set.</summary>
public sealed record DataConfig
{
    /// <summary>Pixels of a folder's pictures.</summary>
    internal const string Pictures = "image-folder";

    /// <summary>Latents that <c>./lab cache-latents</c> made of a folder's pictures.</summary>
    internal const string Latents = "latents";

    /// <summary>
    /// fashion-mnist-tinted (three channels, 80 captions), fashion-mnist (grey, 10 captions), image-folder (pictures of any size in folders
    /// by class, or with a file of captions), or latents (a cache made by <c>./lab cache-latents</c>).
    /// </summary>
    public string Name { get; init; } = FashionMnist.Tinted;

    /// <summary>Where the data lie: the four IDX files (by default Debian's package, the cache, or a download), the pictures, or the latent cache.</summary>
    public string? Folder { get; init; }

    /// <summary>Chooses each Fashion-MNIST picture's colour.</summary>
    public ulong TintSeed { get; init; }

    /// <summary>Height and width of a folder's pictures in pixels, of latents those of the pictures behind.</summary>
    public int Size { get; init; } = 256;

    /// <summary>CSV or JSONL file with a caption for each picture of a folder; by default captions are made of the classes.</summary>
    public string? Captions { get; init; }

    /// <summary>Table of class names; by default the one found beside the pictures.</summary>
    public string? Classes { get; init; }

    /// <summary>How a class becomes a caption: {name} is its name, {number} its number.</summary>
    public string Template { get; init; } = ImageFolder.DefaultTemplate;

    /// <summary>fail or skip: whether a picture that cannot be read ends the run.</summary>
    public CorruptPictures Corrupt { get; init; } = CorruptPictures.Fail;

    /// <summary>Threads that decode pictures; 0 takes one a core.</summary>
    public int DecodeThreads { get; init; }

    /// <summary>Weights of the autoencoder, which turns generated latents into pictures; by default the published file in the cache folder.</summary>
    public string? Autoencoder { get; init; }

    /// <summary>Whether it is Fashion-MNIST.</summary>
    [Derived] public bool IsFashion => Name is FashionMnist.Plain or FashionMnist.Tinted;

    /// <summary>Whether the model sees latents.</summary>
    [Derived] public bool IsLatent => Name == Latents;

    /// <summary>Height and width as the model sees them.</summary>
    [Derived] public int Side => IsFashion ? IdxFile.Side : IsLatent ? Size / JepaT.Lab.Autoencoder.Stride : Size;

    /// <summary>Channels as the model sees them.</summary>
    [Derived] public int Channels => Name == FashionMnist.Plain ? 1 : IsLatent ? JepaT.Lab.Autoencoder.Channels : 3;

    internal void Validate()
    {
        if (!IsFashion && Name is not (Pictures or Latents))
            throw new UserException($"data.name '{Name}' is unknown; known are {FashionMnist.Tinted}, {FashionMnist.Plain}, {Pictures} and {Latents}");
        if (!IsFashion && Folder is null) throw new UserException($"data.folder is missing: name the folder {(IsLatent ? "that ./lab cache-latents wrote" : "with the pictures")}");
        Check.Whole(IsLatent ? JepaT.Lab.Autoencoder.Stride : 4, 4096, ("data.size", Size));
        if (IsLatent && Size % JepaT.Lab.Autoencoder.Stride != 0)
            throw new UserException($"data.size is {Size}; latents want a multiple of {JepaT.Lab.Autoencoder.Stride}");
        Check.Whole(0, 1024, ("data.decode_threads", DecodeThreads));
    }
}

/// <summary>The text encoder.</summary>
public sealed record TextEncoderConfig
{
    /// <summary>Width of the vectors of both encoders (CLIP ViT-B/32: 512).</summary>
    internal const int Dim = 512;

    /// <summary>hashed (words and letters, nothing to download) or clip (ViT-B/32 as published).</summary>
    public string Name { get; init; } = "hashed";

    /// <summary>CLIP's weights; by default looked for in the cache folder.</summary>
    public string? Weights { get; init; }

    /// <summary>CLIP's vocabulary; by default the one that comes with this program.</summary>
    public string? Vocabulary { get; init; }

    internal void Validate()
    {
        if (!TextEncoders.Names.Contains(Name)) throw new UserException($"text_encoder.name '{Name}' is unknown; known are {string.Join(", ", TextEncoders.Names)}");
    }
}
