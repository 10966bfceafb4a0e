using System.ComponentModel;
using System.Globalization;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab runs show</c>: all that a store holds of one run.</summary>
[Description("Show a run: params, latest metrics, tags, data sets, artifacts.")]
public sealed class RunsShowCommand : Command<RunsShowCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : RunsSettings
    {
        [CommandArgument(0, "<RUN>")]
        [Description("Its id, the beginning of its id (4 digits or more), or its name.")]
        public required string Run { get; init; }

        [CommandOption("--experiment <NAME>")]
        [Description("Look for the name in this experiment only.")]
        public string? Experiment { get; init; }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        using var store = TrackingStores.Open(settings.Uri, readOnly: true);
        Show(RunLookup.Find(store, settings.Run, settings.Experiment), AnsiConsole.Console);
        return 0;
    }

    internal static void Show(LoggedRun run, IAnsiConsole console)
    {
        var (info, output) = (run.Run.Info, console.Profile.Out.Writer);
        Section("Run", [
            ("name", run.Name), ("id", info.RunId), ("experiment", $"{run.Experiment} (id {info.ExperimentId})"),
            ("status", info.Status.ToString().ToUpperInvariant() + (info.Deleted ? ", deleted" : "")), ("started", PlainText.Time(info.StartTime)),
            .. info.EndTime is { } end ? [("ended", PlainText.Time(end)), ("duration", Progress.Duration(TimeSpan.FromMilliseconds(end - info.StartTime)))] : Array.Empty<(string, string)>(),
            ("artifacts at", info.ArtifactUri)]);
        Section("Params", run.Run.Params.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => (p.Key, p.Value)));
        Section("Metrics", run.Run.Metrics.Values.OrderBy(m => LoggedRun.Rank(m.Key)).ThenBy(m => m.Key, StringComparer.Ordinal)
            .Select(m => (m.Key, string.Create(CultureInfo.InvariantCulture, $"{PlainText.Number(m.Value)} (step {m.Step})"))));
        Section("Tags", run.Run.Tags.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => (t.Key, t.Value)));
        Section("Data sets", run.Run.Inputs.Select(d => (d.Name, $"{d.Context}, digest {d.Digest}, from {d.Source}{(d.Profile is null ? "" : $", {d.Profile}")}")));
        Section("Artifacts", run.Store.Artifacts(info.RunId).Select(a => (a.Path, Size(a.Size))));

        void Section(string title, IEnumerable<(string Name, string Value)> entries)
        {
            var all = entries.Select(e => (Name: PlainText.Line(e.Name), Value: PlainText.Line(Secrets.Hide(e.Value)))).ToList();
            if (all.Count == 0) return;
            console.Write(new Text($"{title}\n", new Style(decoration: Decoration.Bold)));
            var width = Math.Min(48, all.Max(e => e.Name.Length));
            foreach (var (name, value) in all) output.WriteLine($"  {name.PadRight(width)}  {value}".TrimEnd());     // never wrapped nor cut
        }
    }

    private static string Size(long bytes) => bytes < 1000 ? $"{bytes} B"
        : bytes < 1_000_000 ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB");
}
