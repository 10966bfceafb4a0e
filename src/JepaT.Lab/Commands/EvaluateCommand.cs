using System.ComponentModel;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab evaluate</c>: all metrics of a trained run.</summary>
[Description("Measure FID, IS, KID, precision, recall and prompt alignment of a trained run.")]
internal sealed class EvaluateCommand : Command<EvaluateCommand.Settings>
{
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "[RUN]")]
        [Description("Run folder or checkpoint file; by default the newest checkpoint below [grey]runs/[/].")]
        public string? Run { get; init; }

        [CommandOption("--count <N>")]
        [Description("Pictures for FID and its kin, in place of the experiment's; names carry it.")]
        public int? Count { get; init; }

        [CommandOption("--set <KEY=VALUE>")]
        [Description("Override a setting, e.g. [grey]--set sampling.guidance=1[/]; may be repeated.")]
        public string[] Overrides { get; init; } = [];

        [CommandOption("--tracking <URI>")]
        [Description("MLflow store that gets the values, on a run of their own beside the training run.")]
        [DefaultValue("sqlite:///mlflow.db")]
        public string Tracking { get; init; } = "sqlite:///mlflow.db";
    }

    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var checkpoint = Checkpoints.Find(settings.Run);
        var (model, saved) = Checkpoint.LoadEma(checkpoint, Workbench.DeviceOf);
        using var owned = model;
        var overrides = settings.Count is { } n ? [.. settings.Overrides, $"evaluation.count={n}"] : settings.Overrides;
        var experiment = ExperimentFile.Parse(ExperimentFile.ToYaml(saved), checkpoint, overrides);
        if (experiment.ResolvedModel != saved.ResolvedModel) throw new UserException("--set: a trained model keeps its sizes; only sampling.* and evaluation.* may change");
        using var stop = new StopSignal();
        using var store = SqliteStore.Open(settings.Tracking);
        using var bench = new Workbench(experiment, store);
        using var log = RunLogger.Start(store, experiment.Name, "evaluate-" + Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(checkpoint))));
        try
        {
            log.Params(ExperimentFile.SettingsOf(experiment));
            log.Tag("jepat.checkpoint", Path.GetFullPath(checkpoint));
            using var progress = new Progress("generating", experiment.Evaluation.Count, "pictures");
            foreach (var (name, value) in bench.Evaluation.Measure(model, stop.Token, (done, total) => progress.Report(done)))
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
