namespace JepaT.Lab;

/// <summary>Pictures of a batch, or their latents, and where their captions stand.</summary>
/// <param name="Images">(B, C, H, W) float32; pixels lie in [-1, 1].</param>
/// <param name="CaptionIds">(B) int64 into <see cref="ITrainingData.Captions"/>.</param>
public readonly record struct TrainingImages(Tensor Images, Tensor CaptionIds);

/// <summary>Captioned pictures to train on, wherever they come from: N pictures of C × H × W, H = W.</summary>
public interface ITrainingData : IDisposable
{
    /// <summary>Name of the data set.</summary>
    string Name { get; }

    /// <summary><c>train</c>, <c>test</c> or as the data set has it.</summary>
    string Split { get; }

    /// <summary>Eight hex digits: two data sets of one digest give the same batches.</summary>
    string Digest { get; }

    /// <summary>N.</summary>
    int Count { get; }

    /// <summary>C.</summary>
    int Channels { get; }

    /// <summary>H and W as the model sees them: of latents, not of the pixels behind.</summary>
    int ImageSize { get; }

    /// <summary>The captions that occur.</summary>
    IReadOnlyList<string> Captions { get; }

    /// <summary>
    /// Whether <see cref="Captions"/> are those of classes, one a class; else each picture has a caption of its own. Null: not known, an old
    /// latent cache does not say.
    /// </summary>
    bool? HasClasses { get; }

    /// <summary>(N) int64: the caption of each picture, on the device of the batches. Owned by the data set.</summary>
    Tensor CaptionIds { get; }

    /// <summary>
    /// The pictures of a batch. What is random about them (mirroring, a latent's noise) follows from the seed alone, so a resumed run
    /// sees what an uninterrupted one would have seen.
    /// </summary>
    /// <param name="index">(B) int64, on the device of <see cref="CaptionIds"/>.</param>
    /// <param name="seed">Seed of the batch, non-negative.</param>
    /// <exception cref="UserException">A picture cannot be read, and such are not to be skipped.</exception>
    TrainingImages Take(Tensor index, long seed);

    /// <summary>Says which batch will be taken next, so that it can be made ready meanwhile. Changes no result.</summary>
    void Prepare(Tensor index, long seed) { }
}
