using System.Globalization;

namespace JepaT.Lab;

/// <summary>What all runs of an experiment share, loaded once: pictures, text encoder, feature network, evaluation, tracking store.</summary>
internal sealed class Workbench : IDisposable
{
    private readonly Lazy<ModelEvaluation> evaluation;

    /// <summary>Checks all inputs before it loads any, and what only the data can tell as soon as they are there.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="store">The tracking store; not owned.</param>
    /// <param name="training">Whether it is to be trained, or only measured.</param>
    /// <exception cref="UserException">A value, device, file or size does not do here.</exception>
    public Workbench(Experiment experiment, ITrackingStore store, bool training = true)
    {
        experiment.Validate();
        Device = Prepare(experiment, training);
        Store = store;
        var files = FashionMnist.Open(experiment.Data.Folder);
        Source = files.Folder;
        Train = files.Dataset(experiment.Data.Name, "train", Device, experiment.Data.TintSeed);
        if (training) Batches.RequireFit(experiment.Training, Train);
        Test = files.Dataset(experiment.Data.Name, "test", Device, experiment.Data.TintSeed);
        Text = new HashedText();
        Network = FeatureNetwork.Load(Device);
        evaluation = new(() => new ModelEvaluation(experiment, Test, Text, Network));
    }

    public Device Device { get; }

    public ITrackingStore Store { get; }

    /// <summary>The folder of the data files.</summary>
    public string Source { get; }

    public ImageDataset Train { get; }

    public ImageDataset Test { get; }

    public ITextEncoder Text { get; }

    public FeatureNetwork Network { get; }

    public ModelEvaluation Evaluation => evaluation.Value;

    /// <summary>Checks the machine, sets the experiment's threads, and returns its device.</summary>
    /// <exception cref="UserException">The machine lacks threads, memory or the device.</exception>
    public static Device Prepare(Experiment experiment, bool training)
    {
        MachineLimits.Check(experiment, training);
        if (experiment.Threads > 0) set_num_threads(experiment.Threads);
        return DeviceOf(experiment);
    }

    /// <summary>The experiment's device.</summary>
    /// <exception cref="UserException">It is not there.</exception>
    public static Device DeviceOf(Experiment experiment)
    {
        var name = experiment.Device;
        if (name == "cpu") return CPU;
        if (!name.StartsWith("cuda", StringComparison.Ordinal) || !(name.Length == 4 || (name[4] == ':' && uint.TryParse(name.AsSpan(5), out _))))
            throw new UserException($"device '{name}' is unknown; write cpu, cuda or cuda:N");
        if (!cuda.is_available())
            throw new UserException($"device '{name}' is not there: build with the CUDA package (Torch=cuda ./lab …) on a machine with an NVIDIA GPU, or take --set device=cpu");
        if (name.Length > 4 && uint.Parse(name.AsSpan(5), CultureInfo.InvariantCulture) >= cuda.device_count())
            throw new UserException($"device '{name}' is not there: this machine has {cuda.device_count()}, counted from 0");
        return new Device(name);
    }

    public void Dispose()
    {
        if (evaluation.IsValueCreated) Evaluation.Dispose();
        Train.Dispose();
        Test.Dispose();
        Network.Dispose();
    }
}
