using System.Globalization;

namespace JepaT.Lab;

/// <summary>What all runs of an experiment share, loaded once: pictures, text encoder, feature network, evaluation, tracking store.</summary>
internal sealed class Workbench : IDisposable
{
    private readonly Lazy<IModelEvaluation> evaluation;
    private readonly DeferredStore store;

    /// <summary>Checks all inputs before it loads any, and what only the data can tell as soon as they are there.</summary>
    /// <param name="experiment">The experiment.</param>
    /// <param name="store">The tracking store, opened when a run starts; not owned.</param>
    /// <param name="training">Whether it is to be trained, or only measured.</param>
    /// <exception cref="UserException">A value, device, file or size does not do here.</exception>
    public Workbench(Experiment experiment, DeferredStore store, bool training = true)
    {
        experiment.Validate();
        Device = Prepare(experiment, training);
        this.store = store;
        var data = experiment.Data;
        if (data.IsFashion)
        {
            var files = FashionMnist.Open(data.Folder);
            Source = files.Folder;
            Train = files.Dataset(data.Name, "train", Device, data.TintSeed);
            Test = files.Dataset(data.Name, "test", Device, data.TintSeed);
        }
        else
        {
            Source = data.Folder!;
            Train = Open(experiment, Device);
        }
        if (training) Batches.RequireFit(experiment.Training, Train);
        Text = TextOf(experiment, Device);
        evaluation = new(() => Test is not null ? new ModelEvaluation(experiment, Test, Text, FeatureNetwork.Load(Device)) : new ClassEvaluation(experiment, Train, Text, Device));
        if (!data.IsFashion) _ = Evaluation;                    // its files are the user's: what is missing is told before the first step
    }

    public Device Device { get; }

    public ITrackingStore Store => store.Value;

    /// <summary>The folder of the data files.</summary>
    public string Source { get; }

    public ITrainingData Train { get; }

    /// <summary>The test split, where the data set has one.</summary>
    public ImageDataset? Test { get; }

    /// <summary>The training pictures as Fashion-MNIST.</summary>
    /// <exception cref="UserException">They are others.</exception>
    public ImageDataset Fashion => Train as ImageDataset ?? throw new UserException($"{Train.Name}: this shows Fashion-MNIST only; take an experiment with data.name {FashionMnist.Tinted}");

    public ITextEncoder Text { get; }

    public IModelEvaluation Evaluation => evaluation.Value;

    /// <summary>The experiment's text encoder. Dispose it if it can be disposed.</summary>
    /// <exception cref="UserException">A file of it is missing or does not fit.</exception>
    public static ITextEncoder TextOf(Experiment experiment, Device device)
    {
        var config = experiment.TextEncoder;
        var text = TextEncoders.Create(config.Name, config.Weights, config.Vocabulary, device, errata: experiment.Errata);
        if (text.Dim == experiment.ResolvedModel.TextDim) return text;
        (text as IDisposable)?.Dispose();
        throw new UserException($"text_encoder.weights: its vectors have {text.Dim} numbers, the model takes {experiment.ResolvedModel.TextDim}: take CLIP ViT-B/32");
    }

    private static ITrainingData Open(Experiment experiment, Device device)
    {
        var (data, numbered) = (experiment.Data, experiment.Errata.NumberedPrompts);
        if (!data.IsLatent)
            return new FolderData(ImageFolder.Open(data.Folder!, data.Captions, data.Classes, numbered ? ImageFolder.NumberedTemplate : data.Template),
                data.Size, device, data.Corrupt, data.DecodeThreads);
        var cache = LatentCache.Open(data.Folder!);
        if (!cache.HasChecksums) Console.Error.WriteLine($"{data.Folder}: is of an older program, without checksums that training could check; ./lab cache-latents -o {data.Folder} --verify checks its files");
        if (cache.PictureSize == data.Size && cache.Shape[0] == 2 * data.Channels) return new LatentData(cache, device, numbered);
        cache.Dispose();
        throw new UserException($"{data.Folder}: holds latents of {cache.PictureSize}-pixel pictures in {cache.Shape[0] / 2} channels; data.size is {data.Size}, with {data.Channels}");
    }

    /// <summary>Checks the machine, sets the experiment's threads, and returns its device.</summary>
    /// <exception cref="UserException">The machine lacks threads, memory or the device.</exception>
    public static Device Prepare(Experiment experiment, bool training)
    {
        MachineLimits.Check(experiment, training);
        if (experiment.Threads > 0) set_num_threads(experiment.Threads);
        var device = DeviceOf(experiment);
        if (device.type == TorchSharp.DeviceType.CUDA)
            backends.cuda.matmul.allow_tf32 = backends.cudnn.allow_tf32 = experiment.Training.Tf32;
        return device;
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
        Test?.Dispose();
        (Text as IDisposable)?.Dispose();
    }
}
