using System.Globalization;

namespace JepaT.Lab;

/// <summary>
/// One safetensors file with all that training needs to go on: weights (<c>model.NAME</c>), EMA weights (<c>ema.NAME</c>), optimizer
/// (<c>optimizer.…</c>), and as metadata the resolved experiment and the step. Seed and step are the whole random state, see
/// <see cref="Seeds"/>.
/// </summary>
internal static class Checkpoint
{
    public const string FileName = "checkpoint.safetensors";

    /// <summary>Writes atomically: a full disk or a kill leaves the old file.</summary>
    public static void Save(string path, Experiment experiment, JepaModel model, JepaModel ema, AdamW optimizer, long step)
    {
        var tensors = Prefixed("model.", model.StateDict()).Concat(Prefixed("ema.", ema.StateDict())).Concat(Prefixed("optimizer.", optimizer.State()));
        var metadata = new Dictionary<string, string>
        {
            ["format"] = "jepat-checkpoint-1",
            ["step"] = step.ToString(CultureInfo.InvariantCulture),
            ["experiment"] = ExperimentFile.ToYaml(experiment),
        };
        AtomicFile.Write(path, file => Safetensors.Save(file, tensors, metadata));
    }

    /// <summary>Restores everything; returns the number of steps done.</summary>
    public static long Restore(string path, JepaModel model, JepaModel ema, AdamW optimizer)
    {
        using var tensors = new Tensors(path);
        model.LoadStateDict(tensors.Below("model."), path);
        ema.LoadStateDict(tensors.Below("ema."), path);
        optimizer.Load(tensors.Below("optimizer."), path);
        return StepOf(path);
    }

    /// <summary>The number of steps done.</summary>
    /// <exception cref="UserException">The file is no checkpoint.</exception>
    public static long StepOf(string path) => long.Parse(Metadata(path, "step"), CultureInfo.InvariantCulture);

    /// <summary>The EMA model on its experiment's device, in eval mode, with the experiment as overridden.</summary>
    /// <param name="path">The file.</param>
    /// <param name="overrides">As for <see cref="ExperimentFile.Load"/>.</param>
    /// <param name="mayChange">What may be overridden: keys, or sections such as <c>sampling.*</c>.</param>
    /// <exception cref="UserException">No checkpoint, another architecture, an override that would have no effect, or the machine does not do.</exception>
    public static (JepaModel Model, Experiment Experiment) LoadEma(string path, IReadOnlyList<string> overrides, params string[] mayChange)
    {
        foreach (var text in overrides)
        {
            var key = text.Split('=')[0].Trim();
            if (!mayChange.Any(m => m.EndsWith('*') ? key.StartsWith(m[..^1], StringComparison.Ordinal) : key == m))
                throw new UserException($"--set {text}: a trained model keeps its settings; only {string.Join(", ", mayChange)} may change");
        }
        var experiment = ExperimentFile.Parse(Metadata(path, "experiment"), path, overrides);
        var device = Workbench.Prepare(experiment, training: false);
        using var tensors = new Tensors(path);
        var model = new JepaModel(experiment.ResolvedModel);
        model.LoadStateDict(tensors.Below("ema."), path);
        model.to(device);
        model.eval();
        return (model, experiment);
    }

    private static string Metadata(string path, string key)
    {
        var metadata = Safetensors.Metadata(path);
        return metadata.GetValueOrDefault("format") == "jepat-checkpoint-1" && metadata.TryGetValue(key, out var value) ? value
            : throw new UserException($"{path}: is no checkpoint of this program; take the {FileName} of a run's folder");
    }

    private static IEnumerable<KeyValuePair<string, Tensor>> Prefixed(string prefix, IEnumerable<KeyValuePair<string, Tensor>> tensors) =>
        tensors.Select(t => new KeyValuePair<string, Tensor>(prefix + t.Key, t.Value));

    private sealed class Tensors(string path) : IDisposable
    {
        private readonly Dictionary<string, Tensor> all = Safetensors.Load(path);

        public Dictionary<string, Tensor> Below(string prefix) =>
            all.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Key[prefix.Length..], t => t.Value);

        public void Dispose()
        {
            foreach (var t in all.Values) t.Dispose();
        }
    }
}
