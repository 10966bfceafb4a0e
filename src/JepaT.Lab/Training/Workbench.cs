namespace JepaT.Lab;

/// <summary>What all runs of an experiment share, loaded once: pictures, text encoder, feature network, evaluation, tracking store.</summary>
internal sealed class Workbench : IDisposable
{
    private readonly Lazy<ModelEvaluation> evaluation;

    public Workbench(Experiment experiment, ITrackingStore store)
    {
        experiment.Validate();
        if (experiment.Threads > 0) set_num_threads(experiment.Threads);
        Device = DeviceOf(experiment);
        Store = store;
        var files = FashionMnist.Open(experiment.Data.Folder);
        Source = files.Folder;
        Train = files.Dataset(experiment.Data.Name, "train", Device, experiment.Data.TintSeed);
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

    /// <summary>The experiment's device.</summary>
    /// <exception cref="UserException">It is not there.</exception>
    public static Device DeviceOf(Experiment experiment)
    {
        var name = experiment.Device;
        if (name == "cpu") return CPU;
        if (!name.StartsWith("cuda", StringComparison.Ordinal)) throw new UserException($"device '{name}' is unknown; write cpu, cuda or cuda:N");
        if (!cuda.is_available())
            throw new UserException($"device '{name}' is not there: build with the CUDA package (Torch=cuda ./lab …) on a machine with an NVIDIA GPU, or take --set device=cpu");
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
