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

    /// <summary>The experiment that made the file.</summary>
    public static Experiment Experiment(string path) => ExperimentFile.Parse(Metadata(path, "experiment"), path);

    /// <summary>Restores everything; returns the number of steps done.</summary>
    public static long Restore(string path, JepaModel model, JepaModel ema, AdamW optimizer)
    {
        using var tensors = new Tensors(path);
        model.LoadStateDict(tensors.Below("model."), path);
        ema.LoadStateDict(tensors.Below("ema."), path);
        optimizer.Load(tensors.Below("optimizer."), path);
        return long.Parse(Metadata(path, "step"), CultureInfo.InvariantCulture);
    }

    /// <summary>The EMA model on a device, in eval mode, with the experiment it belongs to.</summary>
    public static (JepaModel Model, Experiment Experiment) LoadEma(string path, Func<Experiment, Device> device)
    {
        var experiment = Experiment(path);
        using var tensors = new Tensors(path);
        var model = new JepaModel(experiment.ResolvedModel);
        model.LoadStateDict(tensors.Below("ema."), path);
        model.to(device(experiment));
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
