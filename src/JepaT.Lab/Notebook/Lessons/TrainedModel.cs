namespace JepaT.Lab;

/// <summary>A trained model, ready to draw: the EMA weights of a run's checkpoint.</summary>
[TypeFormatterSource(typeof(ViewFormatters))]
public sealed class TrainedModel : IDisposable
{
    private readonly ITextEncoder text;
    private readonly Renderer renderer;

    private TrainedModel(JepaModel model, Experiment experiment, string folder, RunResult? result) =>
        (Model, Experiment, Folder, Result, text, renderer) =
            (model, experiment, folder, result, Workbench.TextOf(experiment, model.Unconditional(1).device), Renderer.Of(experiment.Data, model.Unconditional(1).device));

    /// <summary>The network, in eval mode.</summary>
    public JepaModel Model { get; }

    /// <summary>What it was trained for.</summary>
    public Experiment Experiment { get; }

    /// <summary>Its run folder.</summary>
    public string Folder { get; }

    /// <summary>What the run came to; null for one that did not end, or was not part of an ablation or a notebook.</summary>
    public RunResult? Result { get; }

    /// <summary>Loads a run's model: its folder or checkpoint file; by default the newest of the results.</summary>
    /// <exception cref="UserException">There is none, or it cannot be read.</exception>
    public static TrainedModel Load(string? run = null)
    {
        var checkpoint = Checkpoints.Find(string.IsNullOrEmpty(run) ? null : Path.GetFullPath(run, NotebookFolder.Results), NotebookFolder.Results);
        var (model, experiment) = Checkpoint.LoadEma(checkpoint, []);
        var place = new RunFolder(Path.GetDirectoryName(checkpoint)!);
        return new(model, experiment, place.Path, place.IsFinished ? AblationResult.Load(place.Result).Runs[0] : null);
    }

    /// <summary>Pictures (count of each prompt, C, H, W) in [-1, 1]; the caller owns them. Equal seeds start from equal noise, whatever the prompt.</summary>
    public Tensor Images(IReadOnlyList<string> prompts, int count = 1, int seed = 0, SamplingConfig? sampling = null)
    {
        if (prompts.Count == 0) throw new UserException("there is no prompt: say what to draw, e.g. \"a red sneaker\"");
        if (count < 1) throw new UserException($"{count} pictures of each prompt: ask for at least 1");
        using var scope = NewDisposeScope();
        var device = Model.Unconditional(1).device;
        var features = text.Encode(prompts, Experiment.Text).Each(t => t.repeat_interleave(count, 0).to(device));
        var seeds = prompts.SelectMany(_ => Enumerable.Range(seed, count)).Select(i => Seeds.Of(0, SeedUse.Samples, i)).ToList();
        return Pictures.Round(renderer.Render(Sampler.Images(Model, features, seeds, sampling ?? Experiment.Sampling))).MoveToOuterDisposeScope();
    }

    /// <summary>Draws prompts: a row each.</summary>
    public View Draw(IReadOnlyList<string> prompts, int count = 8, int seed = 0)
    {
        using var images = Images(prompts, count, seed);
        return View.Images(images, columns: count, rowCaptions: prompts);
    }

    /// <summary>Draws one prompt several times.</summary>
    public View Draw(string prompt, int count = 8, int seed = 0) => Draw([prompt], count, seed);

    /// <summary>Draws one picture and keeps what each iteration did.</summary>
    /// <param name="prompt">What to draw.</param>
    /// <param name="seed">Which noise and order.</param>
    /// <param name="sampling">How; by default the experiment's way.</param>
    /// <param name="stop">By default <see cref="Notebook.Stop"/>.</param>
    public Denoising Denoise(string prompt, int seed = 0, SamplingConfig? sampling = null, CancellationToken? stop = null) =>
        new(this, text, prompt, seed, sampling ?? Experiment.Sampling, stop ?? Notebook.Stop);

    /// <summary>The same noise and order at several guidance scales (1 is none): a row each, a column an iteration.</summary>
    public View CompareGuidance(string prompt, int seed = 0, params double[] scales)
    {
        if (scales.Length == 0) scales = [1, Experiment.Sampling.Guidance];
        var rows = scales.Select(g => Denoise(prompt, seed, Experiment.Sampling with { Guidance = g })).ToList();
        try
        {
            using var scope = NewDisposeScope();
            var pictures = cat([.. rows.SelectMany(r => r.Steps).Select(s => s.Image.unsqueeze(0))], 0);
            var columns = rows[0].Steps.Count;
            var captions = rows.SelectMany(r => r.Steps.Select(s => $"{s.Number}")).ToList();
            return View.Images(pictures, captions, columns, [.. scales.Select(g => FormattableString.Invariant($"guidance {g:0.##}"))], scale: 2);
        }
        finally
        {
            foreach (var row in rows) row.Dispose();
        }
    }

    /// <summary>HTML for a notebook.</summary>
    public string ToHtml() => View.Of(Model).ToHtml();

    /// <summary>Plain text.</summary>
    public override string ToString() => View.Of(Model).ToString();

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        Model.Dispose();
        renderer.Dispose();
        (text as IDisposable)?.Dispose();
    }
}
