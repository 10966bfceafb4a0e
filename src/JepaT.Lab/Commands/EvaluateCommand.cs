using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab evaluate</c>: all metrics of a trained run.</summary>
[Description("Measure FID, IS, KID, alignment and more of a run.")]
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
        [Description("MLflow store that gets the values; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.")]
        public string? Tracking { get; init; }
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var checkpoint = Checkpoints.Find(settings.Run);
        var overrides = settings.Count is { } n ? [.. settings.Overrides, $"evaluation.count={n}"] : settings.Overrides;
        var (model, experiment) = Checkpoint.LoadEma(checkpoint, overrides, "sampling.*", "evaluation.*", "data.folder", "data.autoencoder", "text_encoder.weights", "text_encoder.vocabulary", "device", "threads");
        using var owned = model;
        using var stop = new StopSignal();
        using var store = TrackingStores.OpenToLog(settings.Tracking);
        using var bench = new Workbench(experiment, store, training: false);
        if (bench.Evaluation.PictureCount == 0) throw new UserException("evaluation.network is none: nothing to measure; add --set evaluation.network=auto");
        using var log = RunLogger.Start(store, TrackingStores.ExperimentOf(experiment.Name), "evaluate-" + Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(checkpoint))));
        try
        {
            log.Params(ExperimentFile.SettingsOf(experiment));
            log.Tag("jepat.checkpoint", Path.GetFullPath(checkpoint));
            using var progress = new Progress("generating", bench.Evaluation.PictureCount, "pictures");
            if (bench.Evaluation.Card is { } card) log.Params(card.Params());
            foreach (var (name, value) in bench.Evaluation.Measure(model, stop.Token, done => progress.Report(done)))
            {
                log.Metric("eval/" + name, value, 0);
                AnsiConsole.Console.Profile.Out.Writer.WriteLine(FormattableString.Invariant($"{name,-40} {value:G6}"));
            }
            log.Finish();
        }
        catch (OperationCanceledException)
        {
            log.Finish(RunStatus.Killed);
            throw;
        }
        return 0;
    }
}
