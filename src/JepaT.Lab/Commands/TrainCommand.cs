using System.ComponentModel;
using System.Text;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab train</c>: one run.</summary>
[Description("Train one model; stop with Ctrl-C and go on with --resume.")]
internal sealed class TrainCommand : Command<TrainCommand.Settings>
{
    public sealed class Settings : ExperimentSettings
    {
        [CommandArgument(0, "[EXPERIMENT]")]
        [Description("Experiment file; by default experiments/quick.yaml.")]
        public string? Experiment { get; init; }

        [CommandOption("--resume <RUN>")]
        [Description("Go on with a run (folder or MLflow run id) and its settings.")]
        public string? Resume { get; init; }

        [CommandOption("--init <FILE>")]
        [Description("Start from these weights (safetensors, .pth, .ckpt); the same as --set training.init=FILE.")]
        public string? Init { get; init; }

        [CommandOption("--partial")]
        [Description("With --init: take what agrees in name and shape, and report the rest.")]
        public bool Partial { get; init; }

        public override ValidationResult Validate() =>
            Partial && Init is null ? ValidationResult.Error("--partial goes with --init FILE")
            : Init is not null && Resume is not null ? ValidationResult.Error("--resume goes on from the run's own checkpoint: leave out --init")
            : Resume is null ? ValidationResult.Success()
            : Experiment is not null ? ValidationResult.Error($"--resume takes the run's own experiment: leave out {Experiment}")
            : Output is not null ? ValidationResult.Error("--resume goes on in the run's own folder: leave out --output")
            : ValidationResult.Success();
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var fresh = settings.Resume is null ? New(settings) : default;           // mistakes in it are told before there is a store
        var (experiment, folder) = settings.Resume is { } run ? Open(run, settings) : fresh;
        using var store = settings.DryRun ? null : DeferredStore.ToGoOn(folder, settings.Tracking);
        if (settings.DryRun)
        {
            ExperimentSettings.Describe(experiment);
            return 0;
        }
        var named = TrackingStores.RunId is null ? null : NamedRun.Of(store!.Value);
        using var stop = new StopSignal();
        if (!folder.HasCheckpoint) Trainer.RequireInit(experiment);
        using var bench = new Workbench(experiment, store!);
        var result = TrainingRun.Execute(experiment, bench, folder, Path.GetFileName(Path.GetFullPath(folder.Path)), parentRun: null, stop.Token, named: named, trained: Print);
        Report(bench.Store, result.RunId, folder);
        if (File.Exists(folder.Report)) AnsiConsole.Console.Profile.Out.Writer.WriteLine($"report      {Path.GetFullPath(folder.Report)}");
        return 0;

        void Print(RunResult result)
        {
            var output = AnsiConsole.Console.Profile.Out.Writer;
            foreach (var (name, value) in result.Final) output.WriteLine(FormattableString.Invariant($"{name,-36} {value:G6}"));
            output.WriteLine($"checkpoint  {Path.GetFullPath(folder.Checkpoint)}");
        }
    }

    /// <summary>The run's page, in its folder and in the store. Without it, which a store that is away may cause, nothing is lost.</summary>
    private static void Report(ITrackingStore store, string runId, RunFolder folder)
    {
        try
        {
            var html = RunReport.Html(RunSet.Of(store, runId), folder.Path, "", TimeProvider.System.GetUtcNow());
            AtomicFile.Write(folder.Report, html);
            store.UploadArtifact(runId, Path.GetFileName(folder.Report), new MemoryStream(Encoding.UTF8.GetBytes(html)));
        }
        catch (UserException e)
        {
            Console.Error.WriteLine($"warning: the run's report is not written: {e.Message}; './lab report --uri {store.Uri} {runId}' does it later");
        }
    }

    private static (Experiment, RunFolder) New(Settings settings)
    {
        var experiment = ExperimentFile.Load(ExperimentSettings.FileOf(settings.Experiment),
            settings.Init is null ? settings.Overrides : [.. settings.Overrides, $"training.init={settings.Init}", $"training.init_partial={(settings.Partial ? "true" : "false")}"]);
        var folder = new RunFolder(settings.FolderOf(experiment));
        if (!settings.DryRun) folder.RequireNew();
        return (experiment, folder);
    }

    private static (Experiment, RunFolder) Open(string run, Settings settings)
    {
        var (folder, overrides) = (new RunFolder(Directory.Exists(run) || settings.DryRun ? run : FolderOf(run, settings.Tracking)), settings.Overrides);
        if (!File.Exists(folder.Experiment)) throw new UserException($"{folder.Path}: holds no run to go on with ({Path.GetFileName(folder.Experiment)} is missing)");
        if (Directory.EnumerateDirectories(folder.Path).Any(d => File.Exists(new RunFolder(d).Experiment)))
            throw new UserException($"{folder.Path}: is an ablation's folder; './lab ablate' goes on with it, or name one of the runs in it");
        if (overrides.FirstOrDefault(o => !o.StartsWith("device=", StringComparison.Ordinal) && !o.StartsWith("threads=", StringComparison.Ordinal)) is { } other)
            throw new UserException($"--set {other}: a resumed run keeps its settings; only device and threads may change");
        return (ExperimentFile.Load(folder.Experiment, overrides), folder);
    }

    private static string FolderOf(string runId, string? tracking)
    {
        using var store = TrackingStores.Open(tracking, readOnly: true);
        return store.GetRun(runId).Tags.GetValueOrDefault("jepat.folder") ?? runId;
    }
}
