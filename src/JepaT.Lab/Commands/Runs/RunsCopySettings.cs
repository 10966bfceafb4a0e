using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>What the commands that copy runs between stores have in common.</summary>
public abstract class RunsCopySettings : CommandSettings
{
    [CommandOption("--experiment <NAME>")]
    [Description("Only the runs of this experiment.")]
    public string? Experiment { get; init; }

    [CommandOption("--run <ID>")]
    [Description("Only this run, with those that it is nested in and those nested in it; the first digits of the id do.")]
    public string? Run { get; init; }

    [CommandOption("--no-artifacts")]
    [Description("Leave the runs' files out; a later copy without this brings them.")]
    public bool NoArtifacts { get; init; }

    [CommandOption("--dry-run")]
    [Description("Only say what would be copied: runs, values, files, bytes.")]
    public bool DryRun { get; init; }

    /// <summary>What to copy.</summary>
    public CopyOptions Options() => new() { Experiment = Experiment, Run = Run, Artifacts = !NoArtifacts };
}
