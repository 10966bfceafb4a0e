using System.ComponentModel;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary>What the commands of <c>./lab runs</c> that read one store have in common.</summary>
public abstract class RunsSettings : CommandSettings
{
    /// <summary>The store; null: see <see cref="TrackingStores.UriOf"/>.</summary>
    [CommandOption("--uri <URI>")]
    [Description("MLflow store: sqlite:///FILE or http(s)://SERVER; by default MLFLOW_TRACKING_URI, else sqlite:///mlflow.db.")]
    public string? Uri { get; init; }
}
