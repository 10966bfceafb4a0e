using System.Text;

namespace JepaT.Lab;

/// <summary>
/// An experiment with all it needs, for notebooks: its data, the place of its runs, the tracking store. Runs go to <c>runs/</c> and values
/// to <c>mlflow.db</c> in the clone that holds the notebook (where the command line puts them, too), else in the notebook's folder; values go
/// elsewhere where MLFLOW_TRACKING_URI says so.
/// </summary>
public sealed class Study : IDisposable
{
    private readonly Lazy<Workbench> bench;
    private DeferredStore? store;

    private readonly Experiment original;               // as its file says

    private Study(Experiment experiment, Experiment original)
    {
        (Experiment, this.original) = (experiment, original);
        bench = new(() => new Workbench(experiment, store = new DeferredStore(StoreUri)));
    }

    /// <summary>What is studied.</summary>
    public Experiment Experiment { get; }

    /// <summary>The training pictures.</summary>
    public ImageDataset Data => bench.Value.Fashion;

    /// <summary>Where runs of this experiment lie.</summary>
    public string Folder => Path.Combine(NotebookFolder.Results, "runs", Experiment.Name);

    /// <summary>The tracking store of the notebooks: that of MLFLOW_TRACKING_URI, as for all commands, where it is set.</summary>
    public static string StoreUri => TrackingStores.UriOf(null, "sqlite:///" + Path.Combine(NotebookFolder.Results, "mlflow.db"));

    internal Workbench Bench => bench.Value;

    /// <summary>Opens an experiment; its data are read when they are first needed.</summary>
    /// <param name="experiment">A shipped one (<c>quick</c>, <c>fusion-ablation</c>), or a file.</param>
    /// <param name="settings">What differs from it, e.g. <c>training.steps=200</c>.</param>
    /// <exception cref="UserException">No such experiment, unknown key, wrong value.</exception>
    public static Study Open(string experiment, params string[] settings)
    {
        var file = ShippedExperiments.PathOf(experiment);
        return new(ExperimentFile.Load(file, settings), ExperimentFile.Load(file));
    }

    /// <summary>The same experiment with other settings.</summary>
    /// <exception cref="UserException">Unknown key, wrong value.</exception>
    public Study With(params string[] settings) => new(ExperimentFile.Parse(ExperimentFile.ToYaml(Experiment), "the study", settings), original);

    /// <summary>The first picture of each pair of item and colour; the 16 pairs that never occur have none.</summary>
    public View Pairs => new PictureView(ContactSheet.Png(Data), "A row an item, a column a colour. Held out: pairs that never occur in training.", scale: 1);

    /// <summary>The network's parts and the number of their weights.</summary>
    public View Outline
    {
        get
        {
            using var network = JepaModel.Outline(Experiment.ResolvedModel);
            return View.Of(network);
        }
    }

    /// <summary>A training picture with its caption, to look at closely.</summary>
    public Example Example(int index) => new(Bench, Experiment.ResolvedModel, index);

    /// <summary>Training pictures with their captions.</summary>
    public View Pictures(int count = 16)
    {
        using var scope = NewDisposeScope();
        var index = arange(Math.Min(count, Data.Count), device: Data.CaptionIds.device);
        var captions = Data.CaptionIds.index_select(0, index).cpu().data<long>().Select(id => Data.Captions[(int)id]).ToList();
        return View.Images(Data.Images(index), captions);
    }

    /// <summary>
    /// Trains with a live chart, samples and a run in the store. Stopped, it goes on where it was when it is called again; finished with the
    /// same settings before, by a notebook or by the command line, it is only loaded.
    /// </summary>
    /// <param name="stop">By default <see cref="Notebook.Stop"/>.</param>
    /// <exception cref="OperationCanceledException">Stopped; the checkpoint is saved.</exception>
    public TrainedModel Train(CancellationToken? stop = null)
    {
        var (place, name) = Place();
        if (place.IsFinished) Notebook.Show($"{name} was trained before with these settings: loaded from {Path.GetRelativePath(NotebookFolder.Results, place.Path)}");
        else
        {
            using var live = new LiveTraining(Experiment, name, Bench.Evaluation.GridPrompts);
            var result = TrainingRun.Execute(Experiment, Bench, place, name, null, stop ?? Notebook.Stop, live);
            AblationRunner.Summary(Experiment, Bench, [result], "a notebook").Save(place.Result);
        }
        return TrainedModel.Load(place.Path);
    }

    /// <summary>The model of a run where one is named (its folder or checkpoint), else this study's own: trained now, or loaded.</summary>
    /// <exception cref="UserException">The run has no checkpoint.</exception>
    public TrainedModel TrainOrLoad(string run = "", CancellationToken? stop = null) => run.Length > 0 ? TrainedModel.Load(run) : Train(stop);

    /// <summary>Frees the data; models that came of the study live on.</summary>
    public void Dispose()
    {
        if (bench.IsValueCreated) Bench.Dispose();
        store?.Dispose();
    }

    // The ablation's folder, if this is the experiment that the ablation runs there; another one gets a name of its own, so that nothing is ever mixed.
    private (RunFolder Place, string Name) Place()
    {
        var name = $"{Experiment.Fusion}-seed{Experiment.Seed}";
        var usual = new RunFolder(Path.Combine(Folder, name));
        var planned = File.Exists(usual.Experiment) ? ExperimentFile.Load(usual.Experiment) : original with { Fusion = Experiment.Fusion, Seed = Experiment.Seed };
        if (Settings(planned) == Settings(Experiment)) return (usual, name);
        var own = $"{name}-{HashedText.Fnv1a(Encoding.UTF8.GetBytes(Settings(Experiment))):x16}"[..(name.Length + 9)];
        return (new RunFolder(Path.Combine(Folder, own)), own);
    }

    internal static string Settings(Experiment experiment) => string.Join('\n', RunFolder.Deciding(experiment).Select(s => $"{s.Key}={s.Value}"));
}
