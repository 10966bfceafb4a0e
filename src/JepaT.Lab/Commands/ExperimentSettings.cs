using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>What all commands that run an experiment take.</summary>
internal class ExperimentSettings : CommandSettings
{
    /// <summary>The experiment that is run where none is named.</summary>
    protected internal const string Quick = "experiments/quick.yaml";

    [CommandOption("--set <KEY=VALUE>")]
    [Description("Override a setting, e.g. training.steps=100; may be repeated.")]
    public string[] Overrides { get; init; } = [];

    [CommandOption("-o|--output <FOLDER>")]
    [Description("Folder for the results; by default runs/EXPERIMENT.")]
    public string? Output { get; init; }

    [CommandOption("--tracking <URI>")]
    [Description("MLflow store: sqlite:///FILE or http(s)://SERVER; by default that of a run gone on with, else MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.")]
    public string? Tracking { get; init; }

    [CommandOption("--dry-run")]
    [Description("Show the resolved experiment and its size, and stop.")]
    public bool DryRun { get; init; }

    /// <summary>The experiment file given, the quick one by default, or the shipped one of that name.</summary>
    protected internal static string FileOf(string? given)
    {
        var name = given ?? Quick;
        var below = Path.GetDirectoryName(name) is "" ? Path.Combine("experiments", name) : name;
        if (File.Exists(name) || !below.StartsWith("experiments", StringComparison.Ordinal)) return name;
        var shipped = Path.Combine(Environment.GetEnvironmentVariable("JEPAT_HOME") ?? ".", below);
        return File.Exists(shipped) ? shipped : name;           // the reader names what is missing
    }

    protected internal string FolderOf(Experiment experiment) => Output ?? Path.Combine("runs", experiment.Name);

    // What a large GPU may sustain in bfloat16: a yardstick, not a measurement.
    private const double GpuRate = 1e14;

    private static string Si(double value)
    {
        string[] prefixes = ["", "k", "M", "G", "T", "P", "E", "Z"];
        var at = Math.Clamp((int)(Math.Log10(Math.Max(value, 1)) / 3), 0, prefixes.Length - 1);
        return FormattableString.Invariant($"{value / Math.Pow(1000, at):0.##} {prefixes[at]}");
    }

    /// <summary>The experiment with what follows from it: parameters, tokens, a rough memory figure.</summary>
    protected internal static void Describe(Experiment experiment)
    {
        var model = experiment.ResolvedModel;
        using var network = JepaModel.Outline(model);
        var (total, used) = (network.NamedWeights().Sum(p => p.Value.numel()), network.UsedWeights().Sum(p => p.Value.numel()));
        var output = Spectre.Console.AnsiConsole.Console.Profile.Out.Writer;
        output.Write(ExperimentFile.ToYaml(experiment));
        output.WriteLine($"# {total:N0} parameters, {used:N0} in use with fusion {experiment.Fusion}; {model.Tokens} tokens of {model.TokenDim} numbers");
        output.WriteLine($"# weights, EMA, gradients and optimizer: {total * 4.0 * 5 / 1e6:N0} MB without activations");
        var (host, device) = MachineLimits.LeastMemory(experiment, training: true);
        output.WriteLine(device > 0
            ? $"# at least {device / 1e9:N1} GB of memory in all on {experiment.Device}, and {host / 1e9:N1} GB of this machine's {Machine.Memory() / 1e9:N1} GB"
            : $"# at least {host / 1e9:N1} GB of memory in all; this machine has {Machine.Memory() / 1e9:N1} GB");
        var (cost, training) = (TrainingCost.Of(experiment), experiment.Training);
        var whole = cost.Step * training.Steps;
        output.WriteLine($"# a step: {training.EffectiveBatch:N0} pictures, {Si(cost.Step)}FLOP; all {training.Steps:N0}: {(double)training.EffectiveBatch * training.Steps:N0} pictures, {Si(whole)}FLOP,"
            + FormattableString.Invariant($" {whole / GpuRate / 3600:0.##} hours at a steady {Si(GpuRate)}FLOP/s; a generated picture: {Si(cost.Picture)}FLOP"));
    }
}
