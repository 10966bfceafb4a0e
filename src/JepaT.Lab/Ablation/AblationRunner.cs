using System.Globalization;
using System.Runtime.InteropServices;

namespace JepaT.Lab;

/// <summary>
/// Presets × seeds → table and report, in one folder and under one parent run. All presets see the same data order, noise and
/// evaluation seeds. What is finished is not run again; a failing run does not stop the others.
/// </summary>
/// <param name="experiment">What to run.</param>
/// <param name="bench">What all runs share.</param>
/// <param name="folder">Where results go.</param>
/// <param name="command">What was typed.</param>
/// <param name="output">Gets a line where there is news.</param>
/// <param name="start">The command without what restricts it to some runs (<c>--seeds</c>, <c>--only</c>); by default <paramref name="command"/>.</param>
/// <param name="watch">Makes a watcher for each run, by its title.</param>
internal sealed class AblationRunner(Experiment experiment, Workbench bench, string folder, string command, TextWriter output, string? start = null,
    Func<string, IRunWatcher>? watch = null)
{
    /// <summary>Runs what is missing; with <paramref name="only"/> no other presets. Returns the result over all presets and seeds so far.</summary>
    public AblationResult Run(IReadOnlyCollection<string> only, CancellationToken stop)
    {
        if (TrackingStores.RunId is { } named) throw new UserException($"MLFLOW_RUN_ID={named} names one run, but an ablation makes several: unset it");
        var parent = new RunFolder(folder);
        using var inUse = parent.Use();
        var cells = Enumerable.Range(experiment.Seed, experiment.Ablation.Seeds)
            .SelectMany(seed => experiment.Ablation.Presets.Select(preset => (Preset: preset, Seed: seed))).ToList();
        foreach (var (preset, seed) in cells) Place(preset, seed).RequireSame(Own(preset, seed));
        RequireSame(parent);
        RequireInit(cells.Where(c => only.Count == 0 || only.Contains(c.Preset)));
        _ = bench.Store;                                                // may be made only now, and must be before the folder's first file
        if (parent.HoldsRun) AtomicFile.Write(parent.Experiment, ExperimentFile.ToYaml(experiment));    // more presets or seeds may have been asked for
        else parent.Create(experiment);
        using var call = new AblationCalls(folder, command, RunTags.Commit());
        using var log = StartParent(parent);
        var runs = new List<RunResult>();
        try
        {
            foreach (var (preset, seed) in cells)
            {
                var place = Place(preset, seed);
                if (place.IsFinished) output.WriteLine($"{preset}, seed {seed}: finished before, not run again ({place.Path})");
                else if (only.Count > 0 && !only.Contains(preset)) continue;
                runs.Add(place.IsFinished ? AblationResult.Load(place.Result).Runs[0] : RunOne(preset, seed, place, log.RunId, stop));
            }
        }
        catch (OperationCanceledException)
        {
            log.Abandon(RunStatus.Killed);
            throw;
        }
        var calls = call.End();
        var result = Summarise([.. experiment.Ablation.Presets.SelectMany(p => runs.Where(r => r.Preset == p))]) with
        {
            Duration = TimeSpan.FromSeconds(calls.Sum(c => c.Duration.TotalSeconds)),
            Calls = calls,
            Repeat = AblationCalls.Repetition(start ?? command, experiment.Ablation.Presets, runs),
        };
        Publish(result, log);
        log.Finish(runs.Any(r => !r.Finished) ? RunStatus.Failed : RunStatus.Finished);
        return result;
    }

    private RunFolder Place(string preset, int seed) => new(Path.Combine(folder, string.Create(CultureInfo.InvariantCulture, $"{preset}-seed{seed}")));

    private Experiment Own(string preset, int seed) => experiment with { Fusion = Fusion.Parse(preset), Seed = seed };

    /// <summary>The same folder goes on only with the same experiment: other settings would mix two tables.</summary>
    private void RequireSame(RunFolder parent)
    {
        if (!parent.HoldsRun) return;
        var before = ExperimentFile.SettingsOf(ExperimentFile.Load(parent.Experiment)).ToDictionary(s => s.Key, s => ParamText.Of(s.Value));
        var different = ExperimentFile.SettingsOf(experiment).FirstOrDefault(s => !s.Key.StartsWith("ablation.", StringComparison.Ordinal) && before.GetValueOrDefault(s.Key) != ParamText.Of(s.Value));
        if (different.Key is { } key)
            throw new UserException($"{folder}: holds an ablation with another {key} ({before.GetValueOrDefault(key)}, now {ParamText.Of(different.Value)}); give another --output, or remove the folder to start anew");
    }

    /// <summary>The weights that runs start from are the same for all: what is wrong with them is told once, before the first.</summary>
    private void RequireInit(IEnumerable<(string Preset, int Seed)> cells)
    {
        foreach (var (preset, seed) in cells.Where(c => Place(c.Preset, c.Seed) is { HasCheckpoint: false, IsFinished: false }).Take(1)) Trainer.RequireInit(Own(preset, seed));
    }

    private RunLogger StartParent(RunFolder parent)
    {
        if (parent.RunId is { } id)
        {
            var resumed = RunLogger.Resume(bench.Store, id);
            resumed.LogEnvironment(FormattableString.Invariant($"resumed/{TimeProvider.System.GetUtcNow():yyyyMMdd-HHmmss}"));
            return resumed;
        }
        var log = RunLogger.Start(bench.Store, TrackingStores.ExperimentOf(experiment.Name), "ablation");
        parent.SetRunId(log.RunId, bench.Store.FullUri);
        log.Params(ExperimentFile.SettingsOf(experiment).Where(s => s.Key is not ("fusion" or "seed")));        // these two vary below
        log.Tag("jepat.folder", Path.GetFullPath(folder));
        log.Artifact(parent.Experiment);
        log.LogEnvironment();
        return log;
    }

    private RunResult RunOne(string preset, int seed, RunFolder place, string parentRun, CancellationToken stop)
    {
        RunResult result;
        try
        {
            result = TrainingRun.Execute(Own(preset, seed), bench, place, $"{preset}-seed{seed}", parentRun, stop, watch?.Invoke($"{preset}, seed {seed}"));
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The trace of what nobody foresaw is shown: the run it ended is in the table with its message alone.
            output.WriteLine($"{preset}, seed {seed}: failed, {(e is UserException or DivergedException or ExternalException ? e.Message : e)}");
            return new RunResult(preset, seed, place.RunId ?? "", "FAILED", e.Message.Split('\n')[0], new Dictionary<string, double>(),
                new Dictionary<string, IReadOnlyList<CurvePoint>>(), []);
        }
        Summarise([result with { Preset = preset }]).Save(place.Result);
        return result with { Preset = preset };
    }

    private AblationResult Summarise(IReadOnlyList<RunResult> runs) => Summary(experiment, bench, runs, command);

    /// <summary>Runs with what they were run for, with and on.</summary>
    public static AblationResult Summary(Experiment experiment, Workbench bench, IReadOnlyList<RunResult> runs, string command) => new(experiment.Name, runs, bench.Evaluation.GridPrompts,
        ExperimentFile.ToYaml(experiment), command, Machine.Describe(), TimeProvider.System.GetLocalNow(), $"{bench.Train.Name} ({bench.Train.Digest} train{(bench.Test is { } test ? $", {test.Digest} test" : "")})")
    {
        Commit = RunTags.Commit(),
        HeldOutPrompts = bench.Evaluation.GridHeldOut,
    };

    /// <summary>Files beside the runs, and the same on the parent run: its headline figures are what MLflow charts at first.</summary>
    private void Publish(AblationResult result, RunLogger log)
    {
        foreach (var path in Report.WriteFolder(result, folder)) log.Artifact(path);
        var table = ResultTable.Of(result);
        var (columns, rows) = table.MlflowTable();
        log.Table("ablation_table", columns, rows);
        log.Note(table.Markdown());
        foreach (var group in result.Runs.Where(r => r.Finished).GroupBy(r => r.Preset))
            foreach (var metric in group.SelectMany(r => r.Final.Keys).Distinct().Where(IsHeadline))
                log.Metric($"{metric}/{group.Key}", group.Where(r => r.Final.ContainsKey(metric)).Average(r => r.Final[metric]), 0);
    }

    private static bool IsHeadline(string metric) => MetricName.Parse(metric)?.Family is "fid" or "is" || metric.StartsWith("alignment_seen_fashion", StringComparison.Ordinal)
        || metric.StartsWith("alignment_held_out_fashion", StringComparison.Ordinal);
}
