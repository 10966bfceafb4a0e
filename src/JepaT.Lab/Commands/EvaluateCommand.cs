using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab evaluate</c>: all metrics of a trained run.</summary>
[Description("Measure FID, IS, KID, alignment and more of a run. All goes to a new run nested in it; FID, IS and alignment also to the run itself, as evaluate/….")]
internal sealed class EvaluateCommand : Command<EvaluateCommand.Settings>
{
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "[RUN]")]
        [Description("Run folder or checkpoint; by default the newest below runs/.")]
        public string? Run { get; init; }

        [CommandOption("--count <N>")]
        [Description("Pictures for FID and its kin, in place of the experiment's.")]
        public int? Count { get; init; }

        [CommandOption("--set <KEY=VALUE>")]
        [Description("Override a setting, e.g. sampling.guidance=1; may be repeated.")]
        public string[] Overrides { get; init; } = [];

        [CommandOption("--tracking <URI>")]
        [Description("MLflow store that gets the values; by default the one that the run is in.")]
        public string? Tracking { get; init; }
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var checkpoint = Path.GetFullPath(Checkpoints.Find(settings.Run));
        var overrides = settings.Count is { } n ? [.. settings.Overrides, $"evaluation.count={n}"] : settings.Overrides;
        var (model, experiment) = Checkpoint.LoadEma(checkpoint, overrides, "sampling.*", "evaluation.*", "data.folder", "data.autoencoder", "text_encoder.weights", "text_encoder.vocabulary", "device", "threads");
        using var owned = model;
        using var stop = new StopSignal("the run of the evaluation is marked KILLED");
        var folder = new RunFolder(Path.GetDirectoryName(checkpoint)!);
        using var later = new DeferredStore(DeferredStore.UriOf(folder, settings.Tracking));
        using var bench = new Workbench(experiment, later, training: false);
        if (bench.Evaluation.PictureCount == 0) throw new UserException("evaluation.network is none: nothing to measure; add --set evaluation.network=auto");
        var store = bench.Store;
        var evaluated = Evaluated(store, folder, Console.Error);
        var step = Checkpoint.StepOf(checkpoint);
        using var log = RunLogger.Start(store, TrackingStores.ExperimentOf(experiment.Name), "evaluate-" + Path.GetFileName(folder.Path), evaluated);
        try
        {
            log.Params(ExperimentFile.SettingsOf(experiment));
            log.LogEnvironment();
            log.Tag("jepat.checkpoint", checkpoint);
            var card = bench.Evaluation.Card;
            if (card is not null) log.Params(card.Params());
            var values = Measure(bench.Evaluation, model, stop.Token);
            foreach (var (name, value) in values)
            {
                log.Metric("eval/" + name, value, step);
                AnsiConsole.Console.Profile.Out.Writer.WriteLine(FormattableString.Invariant($"{name,-40} {value:G6}"));
            }
            if (card is not null) log.ArtifactText("evaluation.json", (card with { Values = values.ToDictionary(v => v.Name, v => v.Value) }).ToJson());
            log.Finish();
            if (evaluated is not null) Publish(store, evaluated, values, step, string.Create(CultureInfo.InvariantCulture,
                $"{log.RunId} (step {step}, guidance {experiment.Sampling.Guidance}, {experiment.Sampling.Iterations} iterations)"));
        }
        catch (OperationCanceledException)
        {
            log.Abandon(RunStatus.Killed);
            throw;
        }
        return 0;
    }

    /// <summary>Id of the run in a folder, or null, and a line that says why, where the store does not have it.</summary>
    internal static string? Evaluated(ITrackingStore store, RunFolder folder, TextWriter warnings)
    {
        if (folder.RunId is not { } id) return Without($"{folder.Path} does not say which run it holds");
        try
        {
            return !store.GetRun(id).Info.Deleted ? id : Without($"the run {id} in {store.Uri} was deleted");
        }
        catch (UserException e) when (!store.IsTransient(e))
        {
            return Without(e.Message);
        }

        string? Without(string why)
        {
            warnings.WriteLine($"warning: {why}; the values go to a run of their own only");
            return null;
        }
    }

    private static IReadOnlyList<(string Name, double Value)> Measure(IModelEvaluation evaluation, JepaModel model, CancellationToken stop)
    {
        using var progress = new Progress("generating", evaluation.PictureCount, "pictures");
        return evaluation.Measure(model, stop, done => progress.Report(done));
    }

    /// <summary>The headline figures on the evaluated run, apart from the curves <c>eval/…</c> of its training; the tag says what measured them last.</summary>
    private static void Publish(ITrackingStore store, string run, IEnumerable<(string Name, double Value)> values, long step, string by)
    {
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds();
        EndedRun.Add(store, run,
            [.. values.Where(v => MetricName.Parse(v.Name)?.Family is "fid" or "is" or "alignment").Select(v => new Metric("evaluate/" + v.Name, v.Value, now, step))],
            [KeyValuePair.Create("jepat.evaluation", by)]);
    }
}
