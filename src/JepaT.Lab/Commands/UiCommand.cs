using System.ComponentModel;
using System.Runtime.InteropServices;
using Spectre.Console;
using Spectre.Console.Cli;

namespace JepaT.Lab;

/// <summary><c>./lab ui</c>: MLflow's own pages on a results folder, until Ctrl-C.</summary>
[Description("Open MLflow on the tracked runs; Ctrl-C ends it.")]
public sealed class UiCommand : Command<UiCommand.Settings>
{
    /// <summary>What the command line says.</summary>
    public sealed class Settings : CommandSettings
    {
        [CommandArgument(0, "[FOLDER]")]
        [Description("The results folder with its mlflow.db, or a database file; by default the store that the runs are logged to.")]
        public string? Folder { get; init; }

        [CommandOption("--port <N>")]
        [Description("Port on this machine; by default 5000, or the next that is free.")]
        public int? Port { get; init; }

        [CommandOption("--tracking <URI>")]
        [Description("A store in place of FOLDER: sqlite:///FILE, or the http(s) address of a server, whose links are printed.")]
        public string? Tracking { get; init; }

        public override ValidationResult Validate() =>
            Port is < 1 or > 65535 ? ValidationResult.Error($"--port {Port}: give 1 to 65535")
            : Folder is not null && Tracking is not null ? ValidationResult.Error("a folder and --tracking name two stores: give one of them")
            : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var output = AnsiConsole.Console.Profile.Out.Writer;
        var uri = settings.Folder is { } folder ? RunsCopyWork.UriOf(folder) : TrackingStores.UriOf(settings.Tracking);
        using var store = TrackingStores.Open(uri, readOnly: true);
        if (store is not SqliteStore local)
        {
            foreach (var line in Links(store, store.Uri)) output.WriteLine(line);
            return 0;
        }
        var program = MlflowProcess.Find();
        var port = MlflowProcess.FreePort(settings.Port);
        using var stop = new CancellationTokenSource();
        MlflowProcess? server = null;
        // Of our own: a terminal's signal reaches us alone, and the server is never left behind.
        void Handle(PosixSignalContext signal)
        {
            signal.Cancel = true;
            if (stop.IsCancellationRequested) server?.StopNow();
            else Console.Error.WriteLine("\nstopping MLflow (again to end it at once) …");
            stop.Cancel();
        }
        var signals = new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGQUIT }.Select(s => PosixSignalRegistration.Create(s, Handle)).ToList();
        try
        {
            if (local.BackUpBeforeUpgrade() is { } copy) output.WriteLine($"MLflow may upgrade {Path.GetFileName(local.File)} the first time; as it is now it is kept as {copy}");
            if (stop.IsCancellationRequested) return 0;
            using (server = MlflowProcess.Start(program, local.File, port)) Serve(server, store, output, stop.Token);
            return 0;
        }
        finally
        {
            foreach (var signal in signals) signal.Dispose();
        }
    }

    private static void Serve(MlflowProcess server, ITrackingStore store, TextWriter output, CancellationToken stop)
    {
        // Also when asked to stop it first comes up: ended in its upgrade it could spoil the database.
        var answers = server.WaitUntilItAnswers(Waiting);
        Clear();
        if (!answers && !stop.IsCancellationRequested) throw new UserException($"MLflow ended before it answered; its last words: {server.LastWords()}");
        if (!stop.IsCancellationRequested)
        {
            foreach (var line in Links(store, server.Address.ToString().TrimEnd('/'))) output.WriteLine(line);
            output.WriteLine("Ctrl-C ends it.");
            output.Flush();
            server.WaitForEnd(stop);
        }
        if (!stop.IsCancellationRequested) throw new UserException($"MLflow has ended; its last words: {server.LastWords()}");
        if (!server.Stop()) throw new UserException($"MLflow has not ended: end the process {server.Id} by hand");
    }

    private static bool Waiting(TimeSpan time)
    {
        if (!Console.IsErrorRedirected) Console.Error.Write($"\rstarting MLflow: {time.TotalSeconds:0} s");
        return true;
    }

    private static void Clear()
    {
        if (!Console.IsErrorRedirected) Console.Error.Write("\r\x1b[2K");
    }

    /// <summary>Where to look: each experiment, latest first, and its latest run that has others in it (an ablation).</summary>
    internal static IEnumerable<string> Links(ITrackingStore store, string address)
    {
        var runs = store.SearchRuns(new());
        var latest = runs.Select(r => r.Info.ExperimentId).Distinct().ToList();
        yield return $"MLflow: {MlflowPages.Home(address)}";
        foreach (var experiment in store.Experiments().Where(e => latest.Contains(e.Id)).OrderBy(e => latest.IndexOf(e.Id)).Take(5))
            yield return $"  {experiment.Name}: {MlflowPages.Runs(address, experiment.Id)}";
        var parents = runs.Select(r => r.Tags.GetValueOrDefault("mlflow.parentRunId")).ToHashSet();
        if (runs.FirstOrDefault(r => parents.Contains(r.Info.RunId)) is { } parent)
            yield return $"  latest run with others in it, {parent.Info.Name}: {MlflowPages.Run(address, parent.Info.ExperimentId, parent.Info.RunId)}";
    }
}
