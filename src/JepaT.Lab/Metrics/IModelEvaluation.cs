namespace JepaT.Lab;

/// <summary>Makes pictures of fixed prompts and seeds with a model, to look at and to measure.</summary>
internal interface IModelEvaluation : IDisposable
{
    /// <summary>Prompts of the sample pictures.</summary>
    IReadOnlyList<string> GridPrompts { get; }

    /// <summary>Those of <see cref="GridPrompts"/> that never occur in training.</summary>
    IReadOnlyList<string> GridHeldOut { get; }

    /// <summary>Pictures that <see cref="Measure"/> makes.</summary>
    int PictureCount { get; }

    /// <summary>All metrics of the model (in eval mode), by name, the headline first.</summary>
    IReadOnlyList<(string Name, double Value)> Measure(JepaModel model, CancellationToken stop, Action<int>? progress = null);

    /// <summary>Pictures of <see cref="GridPrompts"/>, equally many of each: (N, 3 or 1, H, W) in [-1, 1]; null where latents cannot be decoded.</summary>
    Tensor? Samples(JepaModel model);

    /// <summary>What must be known for the numbers of <see cref="Measure"/> to be compared; null where their names say it.</summary>
    EvaluationCard? Card => null;
}
